//! Access policies: principal × role × where. They are made and deleted, never changed.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::tsg_id;
use super::{Changed, Inserted, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// A grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessPolicy {
    /// Its id.
    pub id: Uuid,
    /// Where it was written, and whose account the principal is.
    pub tsg_id: TsgId,
    /// The `client_id` it grants to.
    pub principal: String,
    /// The name of the role; nothing for access without a right.
    pub role: Option<String>,
    /// For these products; nothing means all apps and services.
    pub products: Option<Vec<String>>,
    /// In this tenant and all below it.
    pub target: TsgId,
    /// When it was made.
    pub created_at: Timestamp,
}

impl AccessPolicy {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            principal: row.try_get("principal")?,
            role: row.try_get("role")?,
            products: row.try_get("products")?,
            target: tsg_id(row, "target_tsg_id")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// What a grant is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewAccessPolicy<'a> {
    /// Its id.
    pub id: Uuid,
    /// Where it is written.
    pub tsg_id: &'a TsgId,
    /// The `client_id` it grants to.
    pub principal: &'a str,
    /// Its role.
    pub role_id: Option<Uuid>,
    /// For these products, each once and in order; nothing means all apps and services.
    pub products: Option<&'a [String]>,
    /// In this tenant and all below it.
    pub target: &'a TsgId,
}

/// A grant for all apps and services, as the rules of API keys see it: the permissions of its
/// role, or nothing when it has none.
pub type AllApps = Option<Vec<String>>;

/// One policy that was written in a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<AccessPolicy>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/access_policy_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(AccessPolicy::from_row).transpose()
}

/// The policies that were written in a tenant, oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    tsg_id: &TsgId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AccessPolicy>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/access_policy_list_page.sql");
    tx.all(LIST, &[&tsg_id.as_str(), &after, &limit]).await?.iter().map(AccessPolicy::from_row).collect()
}

/// What an account of this tenant holds there for all apps and services.
///
/// # Errors
/// [`StoreError`].
pub async fn list_all_apps(tx: &Tx, tsg_id: &TsgId, principal: &str) -> Result<Vec<AllApps>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/access_policy_list_all_apps.sql");
    let grant = |row: &Row| {
        let permissions = row.try_get("permissions")?;
        Ok(row.try_get::<_, bool>("has_role")?.then_some(permissions))
    };
    tx.all(LIST, &[&tsg_id.as_str(), &principal]).await?.iter().map(grant).collect()
}

/// Writes a grant and touches its principal; not where the very same one is there already.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut Tx, policy: &NewAccessPolicy<'_>) -> Result<Inserted, StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/access_policy_insert_new.sql");
    let NewAccessPolicy { id, tsg_id, principal, role_id, products, target } = policy;
    let columns: super::Params<'_> = &[&tsg_id.as_str(), id, principal, role_id, products, &target.as_str()];
    let inserted = Inserted::from_count(tx.run(INSERT, columns).await?);
    tx.touch(principal);
    Ok(inserted)
}

/// Takes a grant back and touches its principal.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(tx: &mut Tx, policy: &AccessPolicy) -> Result<Changed, StoreError> {
    const DELETE: &str = include_str!("../../sql/queries/access_policy_delete_one.sql");
    tx.withdraw(&policy.principal);
    Ok(Changed::from_count(tx.run(DELETE, &[&policy.tsg_id.as_str(), &policy.id]).await?))
}

/// Takes back all that was granted to an account; which grants. The caller touches the credential.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_all(tx: &Tx, tsg_id: &TsgId, principal: &str) -> Result<Vec<Uuid>, StoreError> {
    const DELETE: &str = include_str!("../../sql/queries/access_policy_delete_of_principal.sql");
    let rows = tx.all(DELETE, &[&tsg_id.as_str(), &principal]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
