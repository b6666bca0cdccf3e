//! Service accounts, and the name that regions cache each of them by.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::tsg_id;
use super::{Changed, Inserted, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// A machine's identity in a tenant, not deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ServiceAccount {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tsg_id: TsgId,
    /// What people call it.
    pub name: String,
    /// What it calls itself at the token endpoint, and the name of its credential.
    pub client_id: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whom to ask about it.
    pub contact_email: Option<String>,
    /// Whether it may authenticate.
    pub enabled: bool,
    /// Whether it gets tokens with a proof of possession only (RFC 9449 §5.2).
    #[serde(rename = "dpop_bound_access_tokens")]
    pub dpop_bound: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl ServiceAccount {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            name: row.try_get("name")?,
            client_id: row.try_get("client_id")?,
            description: row.try_get("description")?,
            contact_email: row.try_get("contact_email")?,
            enabled: row.try_get("enabled")?,
            dpop_bound: row.try_get("dpop_bound")?,
            created_at: row.try_get("created_at")?,
            revision: row.try_get("revision")?,
        })
    }
}

/// What an account is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewServiceAccount<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose it will be.
    pub tsg_id: &'a TsgId,
    /// What people will call it.
    pub name: &'a str,
    /// What it will call itself.
    pub client_id: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Whom to ask about it.
    pub contact_email: Option<&'a str>,
    /// Whether it gets tokens with a proof of possession only.
    pub dpop_bound: bool,
    /// Who makes it.
    pub created_by: &'a str,
}

/// One account of a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<ServiceAccount>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/service_account_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(ServiceAccount::from_row).transpose()
}

/// The account of a `client_id`.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_client_id(
    tx: &Tx,
    tsg_id: &TsgId,
    client_id: &str,
) -> Result<Option<ServiceAccount>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/service_account_find_by_client_id.sql");
    let row = tx.opt(FIND, &[&tsg_id.as_str(), &client_id]).await?;
    row.as_ref().map(ServiceAccount::from_row).transpose()
}

/// The accounts of a tenant, oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    tsg_id: &TsgId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ServiceAccount>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/service_account_list_page.sql");
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &after, &limit]).await?;
    rows.iter().map(ServiceAccount::from_row).collect()
}

/// Writes an account and the credential of its name; neither where the name was ever given.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut Tx, account: &NewServiceAccount<'_>) -> Result<Inserted, StoreError> {
    const CREDENTIAL: &str = include_str!("../../sql/queries/credential_insert_new.sql");
    const ACCOUNT: &str = include_str!("../../sql/queries/service_account_insert_new.sql");
    let a = account;
    if tx.run(CREDENTIAL, &[&a.tsg_id.as_str(), &a.client_id]).await? == 0 {
        return Ok(Inserted::AlreadyThere);
    }
    let columns: super::Params<'_> = &[
        &a.tsg_id.as_str(),
        &a.id,
        &a.name,
        &a.client_id,
        &a.description,
        &a.contact_email,
        &a.created_by,
        &a.dpop_bound,
    ];
    tx.run(ACCOUNT, columns).await?;
    tx.touch(a.client_id);
    Ok(Inserted::New)
}

/// Writes what may change of an account that is held for change, as a new revision. Touches its credential when what it may do
/// is another than before; where that is less, it is a withdrawal.
///
/// # Errors
/// [`StoreError`].
pub async fn update(
    tx: &mut Tx,
    before: &ServiceAccount,
    after: &ServiceAccount,
) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/service_account_update_one.sql");
    let columns: super::Params<'_> = &[
        &after.tsg_id.as_str(),
        &after.id,
        &after.description,
        &after.contact_email,
        &after.enabled,
        &after.dpop_bound,
    ];
    let changed = Changed::from_count(tx.run(UPDATE, columns).await?);
    if before.enabled && !after.enabled || !before.dpop_bound && after.dpop_bound {
        tx.withdraw(&after.client_id);
    } else if (before.enabled, before.dpop_bound) != (after.enabled, after.dpop_bound) {
        tx.touch(&after.client_id);
    }
    Ok(changed)
}

/// Takes an account out of use for ever.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(tx: &mut Tx, account: &ServiceAccount) -> Result<Changed, StoreError> {
    const DELETE: &str = include_str!("../../sql/queries/service_account_delete_soft.sql");
    tx.withdraw(&account.client_id);
    Ok(Changed::from_count(tx.run(DELETE, &[&account.tsg_id.as_str(), &account.id]).await?))
}
