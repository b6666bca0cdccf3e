//! What may be used once only.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Store, StoreError};

impl Store {
    /// Which of these are used for the first time, until they expire. Whoever hears of no error knows that it is written
    /// down.
    ///
    /// # Errors
    /// [`StoreError`]; then nobody knows whether they are used.
    pub async fn use_once(&self, used: &[Uuid], ends_at: &[Timestamp]) -> Result<Vec<Uuid>, StoreError> {
        const INSERT: &str = include_str!("../../sql/queries/used_once_insert_many.sql");
        let rows = self.engine_query(INSERT, &[&used, &ends_at]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Forgets what has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_used_once(&self) -> Result<(), StoreError> {
        const PRUNE: &str = include_str!("../../sql/queries/used_once_prune.sql");
        self.engine_query(PRUNE, &[]).await?;
        Ok(())
    }
}
