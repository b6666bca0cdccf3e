//! The secrets of service accounts: never the secret itself, only its public id and its hash.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::variant;
use super::{Changed, StoreError, Tx, usage};
use crate::domain::last_use::LastUse;
use crate::domain::tenant::TsgId;

/// What a secret is right now. `Expired` is computed from the authority's clock, never stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretStatus {
    /// In the authority, not yet in every region: never authenticates.
    Pending,
    /// In every required region.
    Valid,
    /// Refused by whoever has heard.
    Revoking,
    /// Refused everywhere, for ever.
    Revoked,
    /// Past its time, for ever.
    Expired,
}

/// What may be shown of a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClientSecret {
    /// Its public id.
    pub credential_id: String,
    /// What people call it.
    pub name: String,
    /// What it is right now.
    pub status: SecretStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The one whose place it takes, or took.
    pub replaces: Option<String>,
    /// When it last got a token, and from where.
    #[serde(flatten)]
    pub last_use: LastUse,
    /// Whose it is.
    #[serde(skip)]
    pub service_account_id: Uuid,
}

impl ClientSecret {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            credential_id: row.try_get("credential_id")?,
            name: row.try_get("name")?,
            status: variant(row, "status")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            replaces: row.try_get("replaces")?,
            last_use: usage::last_use(row)?,
            service_account_id: row.try_get("service_account_id")?,
        })
    }
}

/// What the row of a secret is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewClientSecret<'a> {
    /// Its public id.
    pub credential_id: &'a str,
    /// The tenant of its account.
    pub tsg_id: &'a TsgId,
    /// Its account.
    pub service_account_id: Uuid,
    /// The account's credential.
    pub client_id: &'a str,
    /// What people will call it.
    pub name: &'a str,
    /// The id of the pepper.
    pub pepper: &'a str,
    /// HMAC-SHA-256 of the secret under it.
    pub hash: [u8; 32],
    /// When it will stop working.
    pub expires_at: Option<Timestamp>,
    /// The one whose place it will take.
    pub replaces: Option<&'a str>,
}

/// Writes a secret, pending, and touches its credential.
///
/// # Errors
/// [`StoreError`]; constraint `client_secret_one_rotation` when another is about to take the same place.
pub async fn insert(tx: &mut Tx, secret: &NewClientSecret<'_>) -> Result<(), StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/client_secret_insert_new.sql");
    let s = secret;
    let hash = s.hash.as_slice();
    let columns: super::Params<'_> = &[
        &s.tsg_id.as_str(),
        &s.credential_id,
        &s.service_account_id,
        &s.client_id,
        &s.name,
        &s.pepper,
        &hash,
        &s.expires_at,
        &s.replaces,
    ];
    tx.run(INSERT, columns).await?;
    tx.touch(s.client_id);
    Ok(())
}

/// What may be shown of the secrets of these accounts, by account, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx, tsg_id: &TsgId, accounts: &[Uuid]) -> Result<Vec<ClientSecret>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/client_secret_list_of_accounts.sql");
    tx.all(LIST, &[&tsg_id.as_str(), &accounts]).await?.iter().map(ClientSecret::from_row).collect()
}

/// What may be shown of one secret of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    tx: &Tx,
    tsg_id: &TsgId,
    account: Uuid,
    credential_id: &str,
) -> Result<Option<ClientSecret>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/client_secret_find_one.sql");
    let row = tx.opt(FIND, &[&tsg_id.as_str(), &account, &credential_id]).await?;
    row.as_ref().map(ClientSecret::from_row).transpose()
}

/// How many secrets of an account may authenticate, now or once every region has them.
///
/// # Errors
/// [`StoreError`].
pub async fn count_live(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<i64, StoreError> {
    const COUNT: &str = include_str!("../../sql/queries/client_secret_count_live.sql");
    Ok(tx.one(COUNT, &[&tsg_id.as_str(), &account]).await?.try_get(0)?)
}

/// Whether another secret is on its way to take the place of this one.
///
/// # Errors
/// [`StoreError`].
pub async fn is_being_rotated(tx: &Tx, tsg_id: &TsgId, credential_id: &str) -> Result<bool, StoreError> {
    const READ: &str = include_str!("../../sql/queries/client_secret_is_being_rotated.sql");
    Ok(tx.one(READ, &[&tsg_id.as_str(), &credential_id]).await?.try_get(0)?)
}

/// Withdraws a secret of an account that is held for change, and touches its credential, unless its life is over.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    tx: &mut Tx,
    tsg_id: &TsgId,
    client_id: &str,
    credential_id: &str,
) -> Result<Changed, StoreError> {
    const REVOKE: &str = include_str!("../../sql/queries/client_secret_revoke_one.sql");
    let changed = Changed::from_count(tx.run(REVOKE, &[&tsg_id.as_str(), &credential_id]).await?);
    if changed == Changed::Done {
        tx.withdraw(client_id);
    }
    Ok(changed)
}

/// Withdraws every secret of an account; which ones. The caller touches the credential.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_all(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Vec<String>, StoreError> {
    const REVOKE: &str = include_str!("../../sql/queries/client_secret_revoke_of_account.sql");
    let rows = tx.all(REVOKE, &[&tsg_id.as_str(), &account]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
