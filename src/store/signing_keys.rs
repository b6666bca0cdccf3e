//! Signing keys as they are stored: sealed.

use super::{Store, StoreError};

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

impl Store {
    /// The keys that sign or are published, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/signing_key_list_current.sql");
        let rows = self.engine_query(LIST, &[]).await?;
        let key = |row: &tokio_postgres::Row| {
            Ok(StoredKey {
                kid: row.try_get(0)?,
                algorithm: row.try_get(1)?,
                active: row.try_get(2)?,
                sealed: row.try_get(3)?,
            })
        };
        rows.iter().map(key).collect()
    }

    /// Stores the first key of an algorithm, unless another instance was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_first_signing_key(
        &self,
        kid: &str,
        algorithm: &str,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        const INSERT: &str = include_str!("../../sql/queries/signing_key_insert_first.sql");
        self.engine_query(INSERT, &[&kid, &algorithm, &sealed]).await?;
        Ok(())
    }
}
