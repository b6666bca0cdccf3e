//! The catalogue: products with their key policies, and permissions. The same for every tenant.

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::columns::{parsed, variant};
use super::{Store, StoreError, Tx};
use crate::domain::algorithm::Algorithm;

/// How a key of a product is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStyle {
    /// As a JWT of the one service account that it is bound to.
    BoundServiceAccount,
}

/// Something that is licensed and has an API. The fields that are not answered are its key policy.
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
    /// A tenant has at most one active key.
    #[serde(skip)]
    pub one_active_per_tenant: bool,
    /// The owner needs an access policy for all apps and services …
    #[serde(skip)]
    pub requires_all_apps: bool,
    /// … with a role that holds all of these.
    #[serde(skip)]
    pub required_permissions: Vec<String>,
    /// A key ends with the license.
    #[serde(skip)]
    pub expires_with_license: bool,
}

impl Product {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            product: row.try_get("product")?,
            title: row.try_get("title")?,
            audience: row.try_get("audience")?,
            algorithm: parsed(row, "algorithm")?,
            token_lifetime_seconds: row.try_get("token_lifetime_seconds")?,
            key_style: variant(row, "key_style")?,
            one_active_per_tenant: row.try_get("one_active_per_tenant")?,
            requires_all_apps: row.try_get("requires_all_apps")?,
            required_permissions: row.try_get("required_permissions")?,
            expires_with_license: row.try_get("expires_with_license")?,
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
