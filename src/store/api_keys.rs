//! API keys: what a tenant creates to use a product. The states and what moves between them are
//! [`crate::domain::key`]'s; the `UPDATE`s here are guarded by them.

use std::net::IpAddr;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::columns::{tsg_id, variant};
use super::{Changed, StoreError, Tx};
use crate::domain::key::KeyStatus;
use crate::domain::key_policy::{KeyStyle, SecurityLevel};
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
    /// How it is presented.
    pub key_style: KeyStyle,
    /// The account it is bound to.
    pub service_account_id: Option<Uuid>,
    /// The role that owns it.
    pub role_id: Option<Uuid>,
    /// What that is called.
    pub role: Option<String>,
    /// What of its secret is sent.
    pub security_level: Option<SecurityLevel>,
    /// Whose record it is in: that account's, which is its `client_id`, or its own.
    pub credential: Option<String>,
    /// Whose place it takes, or has taken.
    pub replaces: Option<i64>,
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
    /// When it was last used: of a bound key, when its account was.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<IpAddr>,
}

impl ApiKey {
    /// The `client_id` of the account that it is bound to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.service_account_id.and(self.credential.as_deref())
    }

    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            api_key_id: row.try_get("api_key_id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            product: row.try_get("product")?,
            name: row.try_get("name")?,
            status: variant(row, "status")?,
            key_style: variant(row, "key_style")?,
            service_account_id: row.try_get("service_account_id")?,
            role_id: row.try_get("role_id")?,
            role: row.try_get("role")?,
            security_level: row.try_get::<_, Option<Json<_>>>("security_level")?.map(|Json(level)| level),
            credential: row.try_get("credential")?,
            replaces: row.try_get("replaces")?,
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
            last_used_at: row.try_get("last_used_at")?,
            last_used_address: row.try_get("last_used_address")?,
        })
    }
}

/// What a key is known by when it is presented by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyProof {
    /// An HMAC-SHA-256 of its secret, under this pepper.
    Hashed {
        /// Which pepper.
        pepper: String,
        /// The hash.
        hash: [u8; 32],
    },
    /// Its secret, sealed to its number.
    Sealed(Vec<u8>),
}

/// What a key is made from.
#[derive(Clone, Debug)]
pub struct NewApiKey<'a> {
    /// Its public number.
    pub api_key_id: i64,
    /// Whose it will be.
    pub tsg_id: &'a TsgId,
    /// What it will open.
    pub product: &'a str,
    /// What it occupies while it counts as active: see the table. Nothing for one that will take another's place.
    pub slot: Option<&'a str>,
    /// What people will call it.
    pub name: Option<&'a str>,
    /// No other active key of the product may be called so.
    pub name_is_unique: bool,
    /// The account it will be bound to.
    pub service_account_id: Option<Uuid>,
    /// The role that will own it.
    pub role_id: Option<Uuid>,
    /// Whose record will have it: that account's, or its own.
    pub credential: &'a str,
    /// What it will be known by, where it is presented by itself.
    pub proof: Option<KeyProof>,
    /// What of its secret will be sent.
    pub security_level: Option<SecurityLevel>,
    /// What people will say of it.
    pub comment: Option<&'a str>,
    /// When it would end but for its license.
    pub asked_expires_at: Option<Timestamp>,
    /// When it will stop working.
    pub expires_at: Option<Timestamp>,
    /// Who makes it.
    pub created_by: &'a str,
    /// Whose place it will take, and how many seconds later that one will end.
    pub replaces: Option<(i64, i32)>,
}

/// What stands in the way of a new key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocking {
    /// The tenant has an unmigrated key for the product.
    pub unmigrated: bool,
    /// The slots that are taken.
    pub slots: Vec<String>,
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

/// Takes their slots from expired keys that would stand in the way of a new one in one of these, or with that account.
///
/// # Errors
/// [`StoreError`].
pub async fn release_expired(
    tx: &Tx,
    tsg_id: &TsgId,
    slots: &[String],
    account: Option<Uuid>,
) -> Result<(), StoreError> {
    const RELEASE: &str = include_str!("../../sql/queries/api_key_release_expired.sql");
    tx.run(RELEASE, &[&tsg_id.as_str(), &slots, &account]).await?;
    Ok(())
}

/// What stands in the way of a new key in one of these slots, for this product and account.
///
/// # Errors
/// [`StoreError`].
pub async fn find_blocking(
    tx: &Tx,
    tsg_id: &TsgId,
    slots: &[String],
    product: &str,
    account: Option<Uuid>,
) -> Result<Blocking, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/api_key_find_blocking.sql");
    let row = tx.one(FIND, &[&tsg_id.as_str(), &slots, &product, &account]).await?;
    Ok(Blocking {
        unmigrated: row.try_get("unmigrated")?,
        slots: row.try_get("slots")?,
        bound: row.try_get("bound")?,
    })
}

/// Writes a key, pending, and touches the credential that has it; one of its own is made as well.
///
/// # Errors
/// [`StoreError`]; constraints `api_key_one_per_slot`, `api_key_one_per_account`, `api_key_name_once`,
/// `api_key_one_successor` and `api_key_pkey` when another was faster.
pub async fn insert(tx: &mut Tx, key: &NewApiKey<'_>) -> Result<(), StoreError> {
    const CREDENTIAL: &str = include_str!("../../sql/queries/credential_insert_new.sql");
    const INSERT: &str = include_str!("../../sql/queries/api_key_insert_new.sql");
    let k = key;
    if k.service_account_id.is_none() {
        tx.run(CREDENTIAL, &[&k.tsg_id.as_str(), &k.credential]).await?;
    }
    let (pepper, hash, sealed) = match &k.proof {
        None => (None, None, None),
        Some(KeyProof::Hashed { pepper, hash }) => (Some(pepper), Some(&hash[..]), None),
        Some(KeyProof::Sealed(sealed)) => (None, None, Some(sealed)),
    };
    let (replaces, overlap) = k.replaces.unzip();
    let columns: super::Params<'_> = &[
        &k.tsg_id.as_str(),
        &k.api_key_id,
        &k.product,
        &k.name,
        &k.slot,
        &k.service_account_id,
        &k.credential,
        &k.comment,
        &k.expires_at,
        &k.created_by,
        &k.name_is_unique,
        &k.role_id,
        &k.security_level.map(Json),
        &pepper,
        &hash,
        &sealed,
        &k.asked_expires_at,
        &replaces,
        &overlap.unwrap_or(0),
    ];
    tx.run(INSERT, columns).await?;
    tx.touch(k.credential);
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
/// `asked` is when it would end but for its license.
///
/// # Errors
/// [`StoreError`].
pub async fn update(
    tx: &mut Tx,
    before: &ApiKey,
    after: &ApiKey,
    asked: Option<Timestamp>,
) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/api_key_update_one.sql");
    let columns: super::Params<'_> =
        &[&after.tsg_id.as_str(), &after.api_key_id, &after.name, &after.comment, &after.expires_at, &asked];
    let changed = Changed::from_count(tx.run(UPDATE, columns).await?);
    if let Some(credential) = &after.credential {
        let (before, after) = (before.expires_at, after.expires_at);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            tx.withdraw(credential);
        } else if after != before {
            tx.touch(credential);
        }
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
    if let (1, Some(credential)) = (changed, &key.credential) {
        tx.withdraw(credential);
    }
    Ok(Changed::from_count(changed))
}

/// Switches a valid key off, and withdraws it; or one that is off on again, through the regions once more.
///
/// # Errors
/// [`StoreError`].
pub async fn switch(tx: &mut Tx, key: &ApiKey, on: bool) -> Result<Changed, StoreError> {
    const SWITCH: &str = include_str!("../../sql/queries/api_key_switch_one.sql");
    let changed = tx.run(SWITCH, &[&key.tsg_id.as_str(), &key.api_key_id, &on]).await?;
    match &key.credential {
        Some(credential) if changed == 1 && on => tx.touch(credential),
        Some(credential) if changed == 1 => tx.withdraw(credential),
        _ => {}
    }
    Ok(Changed::from_count(changed))
}

/// Whether another key is about to take this one's place.
///
/// # Errors
/// [`StoreError`].
pub async fn has_successor(tx: &Tx, tsg_id: &TsgId, api_key_id: i64) -> Result<bool, StoreError> {
    const HAS: &str = include_str!("../../sql/queries/api_key_has_successor.sql");
    Ok(tx.one(HAS, &[&tsg_id.as_str(), &api_key_id]).await?.try_get(0)?)
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

/// Lets the keys of a product go on for as long as was asked, as far as a license now goes that went to `before`. Each has its
/// audit event.
///
/// # Errors
/// [`StoreError`].
pub async fn lengthen_all(
    tx: &mut Tx,
    tsg_id: &TsgId,
    product: &str,
    before: Timestamp,
    ends_at: Timestamp,
    by: &str,
) -> Result<(), StoreError> {
    const LENGTHEN: &str = include_str!("../../sql/queries/api_key_lengthen_of_license.sql");
    for row in tx.all(LENGTHEN, &[&tsg_id.as_str(), &product, &before, &ends_at, &by]).await? {
        tx.touch(row.try_get(0)?);
    }
    Ok(())
}

/// Whether an active key of the product is called so. Those that are over give up their names.
///
/// # Errors
/// [`StoreError`].
pub async fn has_name(tx: &Tx, tsg_id: &TsgId, product: &str, name: &str) -> Result<bool, StoreError> {
    const RELEASE: &str = include_str!("../../sql/queries/api_key_release_name.sql");
    const HAS: &str = include_str!("../../sql/queries/api_key_has_name.sql");
    let values: super::Params<'_> = &[&tsg_id.as_str(), &product, &name];
    tx.run(RELEASE, values).await?;
    Ok(tx.one(HAS, values).await?.try_get(0)?)
}

/// When a key would end but for its license.
///
/// # Errors
/// [`StoreError`].
pub async fn asked_end(tx: &Tx, tsg_id: &TsgId, api_key_id: i64) -> Result<Option<Timestamp>, StoreError> {
    const READ: &str = include_str!("../../sql/queries/api_key_read_asked_end.sql");
    Ok(tx.one(READ, &[&tsg_id.as_str(), &api_key_id]).await?.try_get(0)?)
}
