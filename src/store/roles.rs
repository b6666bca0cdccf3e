//! Roles: sets of permissions, predefined or a tenant's own.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::tsg_id_opt;
use super::{Inserted, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// A set of permissions under a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Role {
    /// Its id.
    pub id: Uuid,
    /// Whose it is; nothing for a predefined one.
    pub tsg_id: Option<TsgId>,
    /// What policies and tokens call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it holds, in order.
    pub permissions: Vec<String>,
    /// Every tenant has it, and none can change it.
    pub predefined: bool,
    /// It has one active key of each product that limits how many, where others have more.
    pub one_access_key: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Role {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let tsg_id = tsg_id_opt(row, "tsg_id")?;
        Ok(Self {
            id: row.try_get("id")?,
            predefined: tsg_id.is_none(),
            tsg_id,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            permissions: row.try_get("permissions")?,
            one_access_key: row.try_get("one_access_key")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// What a role is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewRole<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose it will be.
    pub tsg_id: &'a TsgId,
    /// What policies and tokens will call it.
    pub name: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// What it will hold: names of the catalogue, each once.
    pub permissions: &'a [String],
}

/// One role that a tenant can grant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<Role>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/role_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(Role::from_row).transpose()
}

/// The role that a tenant means by a name.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_name(tx: &Tx, tsg_id: &TsgId, name: &str) -> Result<Option<Role>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/role_find_by_name.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &name]).await?.as_ref().map(Role::from_row).transpose()
}

/// The roles that a tenant can grant, predefined ones first, then oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx, tsg_id: &TsgId, after: Option<Uuid>, limit: i64) -> Result<Vec<Role>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/role_list_page.sql");
    tx.all(LIST, &[&tsg_id.as_str(), &after, &limit]).await?.iter().map(Role::from_row).collect()
}

/// Writes a role with its permissions; not where the tenant has one of that name.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &Tx, role: &NewRole<'_>) -> Result<Inserted, StoreError> {
    const ROLE: &str = include_str!("../../sql/queries/role_insert_new.sql");
    const PERMISSIONS: &str = include_str!("../../sql/queries/role_permission_insert_all.sql");
    let NewRole { id, tsg_id, name, description, permissions } = role;
    if tx.run(ROLE, &[&tsg_id.as_str(), id, name, description]).await? == 0 {
        return Ok(Inserted::AlreadyThere);
    }
    tx.run(PERMISSIONS, &[&tsg_id.as_str(), id, permissions]).await?;
    Ok(Inserted::New)
}
