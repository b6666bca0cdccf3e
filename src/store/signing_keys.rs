//! Signing keys as they are stored: sealed, and each in one state of its life.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;

use super::columns::{broken, parsed, variant};
use super::{Store, StoreError, Tx};
use crate::domain::algorithm::Algorithm;
use crate::domain::signing_key::{Kid, SigningKeyState};

/// A key that signs or is published.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// The algorithm's name (RFC 7518 §3.1).
    pub algorithm: String,
    /// Whether it signs.
    pub active: bool,
    /// PKCS#8, sealed and bound to the kid.
    pub sealed: Vec<u8>,
}

/// All keys of one moment.
#[derive(Clone, Debug)]
pub struct StoredKeyring {
    /// Another one whenever a key has taken a step.
    pub revision: i64,
    /// The keys that sign or are published, oldest first.
    pub keys: Vec<StoredKey>,
}

/// How a signing key is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SigningKeyShown {
    /// Its name.
    pub kid: Kid,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: SigningKeyState,
    /// Since when.
    pub state_changed_at: Timestamp,
    /// When every instance was seen to know of that; nothing before.
    pub everywhere_at: Option<Timestamp>,
    /// How many instances may still answer without knowing of it, or cannot read it.
    pub awaited_instances: i64,
    /// When it takes the next step by itself: signs, or is retired. Nothing while that cannot be said.
    pub next_step_at: Option<Timestamp>,
    /// The master key that its private half is sealed under; nothing when there is none any more.
    pub master_key_id: Option<String>,
    /// Why it was taken out at once.
    pub revoke_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new key, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS#8, sealed and bound to the kid.
    pub sealed: Vec<u8>,
}

/// Why a key has not taken a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStepped {
    /// There is none of this name.
    Unknown,
    /// Another one of this algorithm is on its way.
    UnderWay,
    /// It has stopped signing, or was never to begin.
    Retired,
    /// So many instances do not have it yet, or none that is known of.
    NotEverywhere(i64),
    /// Verifiers may not have it before then.
    TooEarly(Timestamp),
}

/// A step that was taken by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tended {
    /// Which key.
    pub kid: String,
    /// Which step; `everywhere` when everybody knows of the last one.
    pub step: String,
}

impl SigningKeyShown {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            kid: Kid::parse(row.try_get("kid")?).map_err(|e| broken("kid", e))?,
            algorithm: parsed(row, "algorithm")?,
            state: variant(row, "state")?,
            state_changed_at: row.try_get("state_changed_at")?,
            everywhere_at: row.try_get("everywhere_at")?,
            awaited_instances: row.try_get("awaited")?,
            next_step_at: row.try_get("next_step_at")?,
            master_key_id: row.try_get("master_key_id")?,
            revoke_reason: row.try_get("revoke_reason")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl Store {
    /// The keys that sign or are published.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_keyring(&self) -> Result<StoredKeyring, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/signing_key_list_current.sql");
        let rows = self.engine_query(LIST, &[]).await?;
        let revision = rows.first().map(|row| row.try_get("revision")).transpose()?;
        let revision = revision.ok_or_else(|| StoreError::Broken("there is one keyring".into()))?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(kid) = row.try_get("kid")? else { continue };
            let (algorithm, active) = (row.try_get("algorithm")?, row.try_get("active")?);
            keys.push(StoredKey { kid, algorithm, active, sealed: row.try_get("sealed")? });
        }
        Ok(StoredKeyring { revision, keys })
    }

    /// Stores the first key of an algorithm, unless another instance was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_first_signing_key(&self, key: &NewSigningKey) -> Result<(), StoreError> {
        const INSERT: &str = include_str!("../../sql/queries/signing_key_insert_first.sql");
        self.engine_query(INSERT, &[&key.kid, &key.algorithm.as_str(), &key.sealed]).await?;
        Ok(())
    }

    /// The algorithms whose key has signed for nearly as long as one may, and has no successor on its way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_due_algorithms(&self, longest: Duration) -> Result<Vec<Algorithm>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/signing_key_list_due.sql");
        let rows = self.engine_query(LIST, &[&longest.as_secs_f64()]).await?;
        rows.iter().map(|row| parsed(row, "algorithm")).collect()
    }

    /// Publishes a key that nobody asked for, unless another instance was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn publish_due_signing_key(&self, key: &NewSigningKey) -> Result<bool, StoreError> {
        const PUBLISH: &str = include_str!("../../sql/queries/signing_key_publish.sql");
        let rows =
            self.engine_query(PUBLISH, &[&key.kid, &key.algorithm.as_str(), &key.sealed, &"carnet"]).await?;
        Ok(rows.iter().all(|row| row.get::<_, Option<&str>>("refused").is_none()))
    }

    /// Takes every step that is due; which ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tend_signing_keys(&self) -> Result<Vec<Tended>, StoreError> {
        const TEND: &str = include_str!("../../sql/queries/signing_key_tend.sql");
        let rows = self.engine_query(TEND, &[]).await?;
        rows.iter()
            .map(|row| Ok(Tended { kid: row.try_get("tended")?, step: row.try_get("step")? }))
            .collect()
    }
}

/// All keys by name, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx, after: Option<&str>, limit: i64) -> Result<Vec<SigningKeyShown>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/signing_key_list_shown.sql");
    tx.all(LIST, &[&after, &limit]).await?.iter().map(SigningKeyShown::from_row).collect()
}

/// One key.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, kid: &Kid) -> Result<Option<SigningKeyShown>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/signing_key_find_shown.sql");
    tx.opt(FIND, &[&kid.as_str()]).await?.as_ref().map(SigningKeyShown::from_row).transpose()
}

/// Publishes a new key for `actor`; what stood in the way.
///
/// # Errors
/// [`StoreError`].
pub async fn publish(tx: &Tx, key: &NewSigningKey, actor: &str) -> Result<Option<NotStepped>, StoreError> {
    const PUBLISH: &str = include_str!("../../sql/queries/signing_key_publish.sql");
    refused(&tx.one(PUBLISH, &[&key.kid, &key.algorithm.as_str(), &key.sealed, &actor]).await?)
}

/// Lets a published key sign, for `actor`; what stood in the way.
///
/// # Errors
/// [`StoreError`].
pub async fn promote(tx: &Tx, kid: &Kid, actor: &str) -> Result<Option<NotStepped>, StoreError> {
    const PROMOTE: &str = include_str!("../../sql/queries/signing_key_promote.sql");
    let row = tx.one(PROMOTE, &[&kid.as_str(), &actor]).await?;
    match row.try_get::<_, Option<&str>>("refused")? {
        Some("not_everywhere") => Ok(Some(NotStepped::NotEverywhere(row.try_get("awaited")?))),
        Some("too_early") => Ok(Some(NotStepped::TooEarly(row.try_get("possible_at")?))),
        _ => refused(&row),
    }
}

/// Takes a compromised key out for `actor`, and lets `successor` sign where it did; what stood in the way.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    tx: &Tx,
    kid: &Kid,
    reason: &str,
    actor: &str,
    successor: &NewSigningKey,
) -> Result<Option<NotStepped>, StoreError> {
    const REVOKE: &str = include_str!("../../sql/queries/signing_key_revoke.sql");
    let values: super::Params<'_> = &[&kid.as_str(), &reason, &actor, &successor.kid, &successor.sealed];
    refused(&tx.one(REVOKE, values).await?)
}

fn refused(row: &Row) -> Result<Option<NotStepped>, StoreError> {
    Ok(match row.try_get::<_, Option<&str>>("refused")? {
        None => None,
        Some("unknown") => Some(NotStepped::Unknown),
        Some("under_way") => Some(NotStepped::UnderWay),
        Some("retired") => Some(NotStepped::Retired),
        Some(other) => return Err(broken("refused", other)),
    })
}
