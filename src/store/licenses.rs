//! Licenses: the right of a tenant to use a product until a date.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::tsg_id;
use super::{Changed, Inserted, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// A license, current or past.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct License {
    /// Its id.
    pub id: Uuid,
    /// Who holds it.
    pub tsg_id: TsgId,
    /// For what.
    pub product: String,
    /// Until when.
    pub ends_at: Timestamp,
    /// When it was granted.
    pub created_at: Timestamp,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl License {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            product: row.try_get("product")?,
            ends_at: row.try_get("ends_at")?,
            created_at: row.try_get("created_at")?,
            revision: row.try_get("revision")?,
        })
    }
}

/// What a license is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewLicense<'a> {
    /// Its id.
    pub id: Uuid,
    /// Who will hold it.
    pub tsg_id: &'a TsgId,
    /// For what.
    pub product: &'a str,
    /// Until when.
    pub ends_at: Timestamp,
}

/// One license of a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<License>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/license_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(License::from_row).transpose()
}

/// The license under which a tenant may use a product now, held as it is until the end of the transaction.
///
/// # Errors
/// [`StoreError`].
pub async fn find_current(tx: &Tx, tsg_id: &TsgId, product: &str) -> Result<Option<License>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/license_find_current.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &product]).await?.as_ref().map(License::from_row).transpose()
}

/// The licenses of a tenant, oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    tsg_id: &TsgId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<License>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/license_list_page.sql");
    tx.all(LIST, &[&tsg_id.as_str(), &after, &limit]).await?.iter().map(License::from_row).collect()
}

/// Writes a license, in the place of one that has ended; not beside a current one.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &Tx, license: &NewLicense<'_>) -> Result<Inserted, StoreError> {
    const SUPERSEDE: &str = include_str!("../../sql/queries/license_supersede_ended.sql");
    const INSERT: &str = include_str!("../../sql/queries/license_insert_new.sql");
    let NewLicense { id, tsg_id, product, ends_at } = license;
    tx.run(SUPERSEDE, &[&tsg_id.as_str(), product]).await?;
    Ok(Inserted::from_count(tx.run(INSERT, &[&tsg_id.as_str(), id, product, ends_at]).await?))
}

/// Holds a license as it is until the end of the transaction, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn hold(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<(), StoreError> {
    const HOLD: &str = include_str!("../../sql/queries/license_hold_one.sql");
    tx.run(HOLD, &[&tsg_id.as_str(), &id]).await?;
    Ok(())
}

/// Writes when a license ends that is held. What ends with it is [`super::api_keys::shorten_all`]'s.
///
/// # Errors
/// [`StoreError`].
pub async fn update(tx: &Tx, license: &License) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/license_update_one.sql");
    let License { id, tsg_id, ends_at, .. } = license;
    Ok(Changed::from_count(tx.run(UPDATE, &[&tsg_id.as_str(), id, ends_at]).await?))
}
