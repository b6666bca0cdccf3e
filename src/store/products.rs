//! The catalogue: products with their key policies, and permissions. The same for every tenant.

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::columns::{parsed, variant};
use super::{Changed, Inserted, Store, StoreError, Tx};
use crate::domain::algorithm::Algorithm;
use crate::domain::key_policy::{KeyPolicy, KeyStyle};

/// A product, as it is read by who uses its API; and its key policy, as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Product {
    /// Its name.
    pub product: String,
    /// Its name for people.
    pub title: String,
    /// The URI that names its API (RFC 8707 §2).
    pub audience: String,
    /// How tokens for it are signed.
    pub algorithm: Algorithm,
    /// How long they live at most, seconds.
    pub token_lifetime_seconds: i32,
    /// How a key is presented.
    pub key_style: KeyStyle,
    /// The other rules of its keys.
    pub key_policy: KeyPolicy,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl Product {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let Json(key_policy) = row.try_get("key_policy")?;
        Ok(Self {
            product: row.try_get("product")?,
            title: row.try_get("title")?,
            audience: row.try_get("audience")?,
            algorithm: parsed(row, "algorithm")?,
            token_lifetime_seconds: row.try_get("token_lifetime_seconds")?,
            key_style: variant(row, "key_style")?,
            key_policy,
            revision: row.try_get("revision")?,
        })
    }
}

/// What a role can be made of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PermissionText {
    /// Its name.
    pub permission: String,
    /// What it allows.
    pub description: String,
}

impl Store {
    /// How tokens for each product are signed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_product_algorithms(&self) -> Result<Vec<(String, Algorithm)>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/product_list_algorithms.sql");
        let rows = self.engine_query(LIST, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get("product")?, parsed(row, "algorithm")?))).collect()
    }
}

/// One product.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, product: &str) -> Result<Option<Product>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/product_find_one.sql");
    tx.opt(FIND, &[&product]).await?.as_ref().map(Product::from_row).transpose()
}

/// The products by name, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx, after: Option<&str>, limit: i64) -> Result<Vec<Product>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/product_list_page.sql");
    tx.all(LIST, &[&after, &limit]).await?.iter().map(Product::from_row).collect()
}

/// Which of `names` are no products.
///
/// # Errors
/// [`StoreError`].
pub async fn list_unknown(tx: &Tx, names: &[String]) -> Result<Vec<String>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/product_list_unknown.sql");
    tx.all(LIST, &[&names]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The permissions by name, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list_permissions(
    tx: &Tx,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<PermissionText>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/permission_list_page.sql");
    let text = |row: &Row| {
        Ok(PermissionText {
            permission: row.try_get("permission")?,
            description: row.try_get("description")?,
        })
    };
    tx.all(LIST, &[&after, &limit]).await?.iter().map(text).collect()
}

/// Which of `names` are no permissions.
///
/// # Errors
/// [`StoreError`].
pub async fn list_unknown_permissions(tx: &Tx, names: &[String]) -> Result<Vec<String>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/permission_list_unknown.sql");
    tx.all(LIST, &[&names]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes a product, unless there is one of that name or audience. Row-level security lets tenants at the root do so.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &Tx, product: &Product) -> Result<Inserted, StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/product_insert_new.sql");
    let p = product;
    let columns: super::Params<'_> = &[
        &p.product,
        &p.title,
        &p.audience,
        &p.algorithm.as_str(),
        &p.token_lifetime_seconds,
        &Json(p.key_style),
        &Json(&p.key_policy),
    ];
    Ok(Inserted::from_count(tx.run(INSERT, columns).await?))
}

/// Writes what may change of a product, as a new revision.
///
/// # Errors
/// [`StoreError`].
pub async fn update(tx: &Tx, product: &Product) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/product_update_one.sql");
    let Product { product, title, token_lifetime_seconds, revision, .. } = product;
    Ok(Changed::from_count(tx.run(UPDATE, &[&product, &title, &token_lifetime_seconds, &revision]).await?))
}
