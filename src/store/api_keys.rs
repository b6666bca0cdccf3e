//! API keys: what a tenant creates to use a product. The states and what moves between them are
//! [`crate::domain::key`]'s; the `UPDATE`s here are guarded by them.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::{tsg_id, variant};
use super::{Changed, StoreError, Tx};
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;

/// An API key, with today's status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its public number.
    pub api_key_id: i64,
    /// Whose it is.
    pub tsg_id: TsgId,
    /// What it opens.
    pub product: String,
    /// What people call it.
    pub name: Option<String>,
    /// What it is right now.
    pub status: KeyStatus,
    /// The account it is bound to.
    pub service_account_id: Option<Uuid>,
    /// That account's `client_id`.
    pub client_id: Option<String>,
    /// What people say of it.
    pub comment: Option<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When its stored status last changed.
    pub status_changed_at: Timestamp,
    /// When its revocation was asked for.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoke_reason: Option<String>,
    /// It is in use although its account no longer holds all apps and services.
    pub without_grant: bool,
    /// It is in use although its account holds all apps and services only without a role.
    pub without_role: bool,
    /// Raised by every change that somebody makes; what becomes of it by itself does not count.
    pub revision: i32,
}

impl ApiKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            api_key_id: row.try_get("api_key_id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            product: row.try_get("product")?,
            name: row.try_get("name")?,
            status: variant(row, "status")?,
            service_account_id: row.try_get("service_account_id")?,
            client_id: row.try_get("credential")?,
            comment: row.try_get("comment")?,
            expires_at: row.try_get("expires_at")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            status_changed_at: row.try_get("status_changed_at")?,
            revoked_at: row.try_get("revoked_at")?,
            revoke_reason: row.try_get("revoke_reason")?,
            without_grant: row.try_get("without_grant")?,
            without_role: row.try_get("without_role")?,
            revision: row.try_get("revision")?,
        })
    }
}

/// What a key is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKey<'a> {
    /// Its public number.
    pub api_key_id: i64,
    /// Whose it will be.
    pub tsg_id: &'a TsgId,
    /// What it will open.
    pub product: &'a str,
    /// What it occupies while it counts as active: see the table.
    pub slot: &'a str,
    /// What people will call it.
    pub name: Option<&'a str>,
    /// The account it will be bound to.
    pub service_account_id: Uuid,
    /// That account's `client_id`.
    pub client_id: &'a str,
    /// What people say of it.
    pub comment: Option<&'a str>,
    /// When it will stop working.
    pub expires_at: Option<Timestamp>,
    /// Who makes it.
    pub created_by: &'a str,
}

/// What stands in the way of a new key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocking {
    /// The tenant has an unmigrated key for the product.
    pub unmigrated: bool,
    /// The slot is taken.
    pub active: bool,
    /// The account has a key already.
    pub bound: bool,
}

/// One key of a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, api_key_id: i64) -> Result<Option<ApiKey>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/api_key_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &api_key_id]).await?.as_ref().map(ApiKey::from_row).transpose()
}

/// The keys of a tenant for these products, oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    tsg_id: &TsgId,
    products: &[String],
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<ApiKey>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/api_key_list_page.sql");
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &products, &after, &limit]).await?;
    rows.iter().map(ApiKey::from_row).collect()
}

/// Takes their slots from expired keys that would stand in the way of a new one.
///
/// # Errors
/// [`StoreError`].
pub async fn release_expired(tx: &Tx, tsg_id: &TsgId, slot: &str, account: Uuid) -> Result<(), StoreError> {
    const RELEASE: &str = include_str!("../../sql/queries/api_key_release_expired.sql");
    tx.run(RELEASE, &[&tsg_id.as_str(), &slot, &account]).await?;
    Ok(())
}

/// What stands in the way of a new key for this slot, product and account.
///
/// # Errors
/// [`StoreError`].
pub async fn find_blocking(
    tx: &Tx,
    tsg_id: &TsgId,
    slot: &str,
    product: &str,
    account: Uuid,
) -> Result<Blocking, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/api_key_find_blocking.sql");
    let row = tx.one(FIND, &[&tsg_id.as_str(), &slot, &product, &account]).await?;
    Ok(Blocking {
        unmigrated: row.try_get("unmigrated")?,
        active: row.try_get("active")?,
        bound: row.try_get("bound")?,
    })
}

/// Writes a key, pending, and touches its account's credential.
///
/// # Errors
/// [`StoreError`]; constraints `api_key_one_per_slot`, `api_key_one_per_account` and
/// `api_key_pkey` when another was faster.
pub async fn insert(tx: &mut Tx, key: &NewApiKey<'_>) -> Result<(), StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/api_key_insert_new.sql");
    let k = key;
    let columns: super::Params<'_> = &[
        &k.tsg_id.as_str(),
        &k.api_key_id,
        &k.product,
        &k.name,
        &k.slot,
        &k.service_account_id,
        &k.client_id,
        &k.comment,
        &k.expires_at,
        &k.created_by,
    ];
    tx.run(INSERT, columns).await?;
    tx.touch(k.client_id);
    Ok(())
}

/// Holds a key as it is until the end of the transaction, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn hold(tx: &Tx, tsg_id: &TsgId, api_key_id: i64) -> Result<(), StoreError> {
    const HOLD: &str = include_str!("../../sql/queries/api_key_hold_one.sql");
    tx.run(HOLD, &[&tsg_id.as_str(), &api_key_id]).await?;
    Ok(())
}

/// Writes what may change of a key that is held, as a new revision. Withdraws what it loses when it ends earlier.
///
/// # Errors
/// [`StoreError`].
pub async fn update(tx: &mut Tx, before: &ApiKey, after: &ApiKey) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/api_key_update_one.sql");
    let columns: super::Params<'_> =
        &[&after.tsg_id.as_str(), &after.api_key_id, &after.name, &after.comment, &after.expires_at];
    let changed = Changed::from_count(tx.run(UPDATE, columns).await?);
    if let (true, Some(client_id)) = (before.expires_at != after.expires_at, &after.client_id) {
        tx.withdraw(client_id);
    }
    Ok(changed)
}

/// Withdraws a key and touches its credential, unless its life is over already.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    tx: &mut Tx,
    key: &ApiKey,
    by: &str,
    reason: Option<&str>,
) -> Result<Changed, StoreError> {
    const REVOKE: &str = include_str!("../../sql/queries/api_key_revoke_one.sql");
    let changed = tx.run(REVOKE, &[&key.tsg_id.as_str(), &key.api_key_id, &by, &reason]).await?;
    if let (1, Some(client_id)) = (changed, &key.client_id) {
        tx.withdraw(client_id);
    }
    Ok(Changed::from_count(changed))
}

/// Withdraws every key of an account; which ones. The caller touches the credential.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_all(
    tx: &Tx,
    tsg_id: &TsgId,
    account: Uuid,
    by: &str,
    reason: &str,
) -> Result<Vec<i64>, StoreError> {
    const REVOKE: &str = include_str!("../../sql/queries/api_key_revoke_of_account.sql");
    let rows = tx.all(REVOKE, &[&tsg_id.as_str(), &account, &by, &reason]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Ends the keys of a product with its license where they would outlive it, and withdraws what they lose. Each has
/// its audit event.
///
/// # Errors
/// [`StoreError`].
pub async fn shorten_all(
    tx: &mut Tx,
    tsg_id: &TsgId,
    product: &str,
    ends_at: Timestamp,
    by: &str,
) -> Result<(), StoreError> {
    const SHORTEN: &str = include_str!("../../sql/queries/api_key_shorten_of_license.sql");
    for row in tx.all(SHORTEN, &[&tsg_id.as_str(), &product, &ends_at, &by]).await? {
        tx.withdraw(row.try_get(0)?);
    }
    Ok(())
}
