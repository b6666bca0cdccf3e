//! Which master keys there are, what each is still needed for, and making anew what an earlier one made.

use serde::Serialize;

use super::{Params, Store, StoreError, Tx};

/// A master key and what it is needed for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MasterKeyUse {
    /// Its name.
    pub master_key_id: String,
    /// Signing keys that are sealed under it.
    pub signing_keys: i64,
    /// Client secrets that may still be right, and whose hash was made under its pepper.
    pub client_secrets: i64,
}

/// What the database says of the master keys of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recognised {
    /// They are its own.
    Own,
    /// Others made what is in it, or another key had one of these names.
    Wrong,
    /// One is missing that is still needed.
    InUse(MasterKeyUse),
}

/// A secret that has proved right, hashed under the current pepper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rehashed {
    /// Its public id.
    pub credential_id: String,
    /// The new hash.
    pub hash: [u8; 32],
}

pub(super) fn use_from_row(row: &tokio_postgres::Row) -> Result<MasterKeyUse, StoreError> {
    Ok(MasterKeyUse {
        master_key_id: row.try_get("id")?,
        signing_keys: row.try_get("signing_keys")?,
        client_secrets: row.try_get("client_secrets")?,
    })
}

const LIST: &str = include_str!("../../sql/queries/master_key_list_shown.sql");

impl Store {
    /// The master keys that there were, and what each is still needed for. It counts all secrets.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure_master_keys(&self) -> Result<Vec<MasterKeyUse>, StoreError> {
        self.engine_query(LIST, &[]).await?.iter().map(use_from_row).collect()
    }

    /// At most `limit` signing keys, kid and sealed text, that are not sealed under `current`; none as long as
    /// somebody is alive who makes new things with another master key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_sealed_before(
        &self,
        current: &str,
        limit: i64,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        const BEFORE: &str = include_str!("../../sql/queries/signing_key_list_sealed_before.sql");
        let rows = self.engine_query(BEFORE, &[&current, &limit]).await?;
        rows.iter().map(|row| Ok((row.try_get("kid")?, row.try_get("sealed")?))).collect()
    }

    /// Stores a signing key under another seal, unless somebody was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reseal_signing_key(
        &self,
        kid: &str,
        before: &[u8],
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        const UPDATE: &str = include_str!("../../sql/queries/signing_key_update_sealed.sql");
        self.engine_query(UPDATE, &[&kid, &sealed, &before]).await?;
        Ok(())
    }

    /// Stores hashes under another pepper; how many were not yet so. None as long as somebody is alive who makes new
    /// ones under another.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rehash_client_secrets(&self, pepper: &str, secrets: &[Rehashed]) -> Result<i64, StoreError> {
        const REHASH: &str = include_str!("../../sql/queries/client_secret_rehash_many.sql");
        let ids: Vec<&str> = secrets.iter().map(|secret| secret.credential_id.as_str()).collect();
        let hashes: Vec<&[u8]> = secrets.iter().map(|secret| &secret.hash[..]).collect();
        let rows = self.engine_query(REHASH, &[&ids, &hashes, &pepper]).await?;
        Ok(rows.first().map(|row| row.try_get("done")).transpose()?.unwrap_or(0))
    }
}

impl super::feed::FeedConnection {
    /// Whether these master keys, names and check values, the current one first, are those of this database. New ones
    /// among them are remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recognise_masters(&self, ids: &[&str], values: &[&str]) -> Result<Recognised, StoreError> {
        const RECOGNISE: &str = include_str!("../../sql/queries/master_key_recognise.sql");
        let asked: Params<'_> = &[&ids, &values];
        let rows = self.ask(RECOGNISE, asked).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("a judgement has one row".into()))?;
        match row.try_get::<_, Option<&str>>("refused")? {
            None => Ok(Recognised::Own),
            Some("in_use") => Ok(Recognised::InUse(use_from_row(row)?)),
            Some(_) => Ok(Recognised::Wrong),
        }
    }
}

/// The same as [`Store::measure_master_keys`], for who asks.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx) -> Result<Vec<MasterKeyUse>, StoreError> {
    tx.all(LIST, &[]).await?.iter().map(use_from_row).collect()
}
