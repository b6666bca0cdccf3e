//! What directory and warmer ask: records, who is known, and the line of a tenant's ancestors.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::feed::{History, history};
use super::{Store, StoreError};
use crate::domain::record::{Entry, Record};

/// One look at the authority.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The caller's record, if there is such a caller.
    pub entry: Option<Entry>,
    /// The authority's time at the look.
    pub now: Timestamp,
    /// Every change up to this one was there to be seen.
    pub head: i64,
    /// Whose word it is.
    pub history: History,
}

/// Many records of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Whose word it is; nothing when there was nothing to read.
    pub history: Option<History>,
    /// Every change up to this one was there to be seen.
    pub head: i64,
    /// Those that can be read.
    pub entries: Vec<Entry>,
    /// Those that cannot, with their versions: rows that are not what this program knows as a record.
    pub poisoned: Vec<(String, i64)>,
    /// The last credential of all, readable or not.
    pub last: Option<String>,
}

impl Batch {
    /// From rows with `credential`, `record`, `version`, `head` and the history; those without a record count only
    /// for the rest.
    pub(super) fn from_rows(rows: &[Row]) -> Result<Self, StoreError> {
        let Some(first) = rows.first() else { return Ok(Self::default()) };
        let head = first.try_get("head")?;
        let mut batch = Self { history: Some(history(first)?), head, ..Self::default() };
        batch.last = rows.last().map(|row| row.try_get("credential")).transpose()?;
        for row in rows {
            let version = row.try_get("version")?;
            match row.try_get::<_, Option<Json<Record>>>("record") {
                Ok(None) => {}
                Ok(Some(Json(record))) => {
                    batch.entries.push(Entry { record: Arc::new(record), version, read_seq: head });
                }
                Err(error) => {
                    let credential: String = row.try_get("credential")?;
                    tracing::error!(%error, credential, version, "a record cannot be read: it is skipped");
                    batch.poisoned.push((credential, version));
                }
            }
        }
        Ok(batch)
    }
}

/// One step of somebody who walks through everything that a region's cache should hold.
#[derive(Clone, Debug)]
pub struct Step {
    /// How far it has come; nothing when there was nothing left.
    pub upto: Option<String>,
    /// Every change up to this one was there to be seen.
    pub head: i64,
    /// How many live credentials are up to there.
    pub total: i64,
    /// How many of them the region has read back.
    pub warm: i64,
    /// What it has not read back, and somebody may be able to read.
    pub cold: Batch,
}

impl Store {
    /// Reads one caller's record.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown caller is none.
    pub async fn read_record(&self, credential: &str) -> Result<Reading, StoreError> {
        const READ: &str = include_str!("../../sql/queries/credential_read.sql");
        let rows = self.engine_query(READ, &[&credential]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("a look gives one row".into()))?;
        let head = row.try_get("head")?;
        let entry = match row.try_get::<_, Option<Json<Record>>>("record")? {
            None => None,
            Some(Json(record)) => {
                Some(Entry { record: Arc::new(record), version: row.try_get("version")?, read_seq: head })
            }
        };
        Ok(Reading { entry, now: row.try_get("now")?, head, history: history(row)? })
    }

    /// Reads the records of these callers.
    ///
    /// # Errors
    /// [`StoreError`]; unknown ones are left out.
    pub async fn read_records(&self, credentials: &[String]) -> Result<Batch, StoreError> {
        const READ: &str = include_str!("../../sql/queries/credential_read_many.sql");
        Batch::from_rows(&self.engine_query(READ, &[&credentials]).await?)
    }

    /// Looks at `reach` credentials after `after`, for at most `limit` that the region has not read back in `epoch`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_cold(
        &self,
        region: &str,
        epoch: i64,
        after: &str,
        limit: i64,
        reach: i64,
    ) -> Result<Step, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/credential_list_cold.sql");
        let rows = self.engine_query(LIST, &[&region, &epoch, &after, &limit, &reach]).await?;
        let first = rows.first().ok_or_else(|| StoreError::Broken("a step gives a row".into()))?;
        let none = first.try_get::<_, Option<&str>>("credential")?.is_none();
        Ok(Step {
            upto: first.try_get("upto")?,
            head: first.try_get("head")?,
            total: first.try_get("total")?,
            warm: first.try_get("warm")?,
            cold: Batch::from_rows(if none { &[] } else { &rows })?,
        })
    }

    /// At most `limit` records after `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_all(&self, after: &str, limit: i64) -> Result<Batch, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/credential_list_all.sql");
        Batch::from_rows(&self.engine_query(LIST, &[&after, &limit]).await?)
    }

    /// Says that these can be read after all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_poisoned(&self, credentials: &[&str]) -> Result<(), StoreError> {
        const CLEAR: &str = include_str!("../../sql/queries/credential_clear_poisoned.sql");
        self.engine_query(CLEAR, &[&credentials]).await?;
        Ok(())
    }

    /// Says that nobody can read these versions. One by one: rows of credentials are otherwise changed under a lock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_poisoned(&self, poisoned: &[(String, i64)]) -> Result<(), StoreError> {
        const MARK: &str = include_str!("../../sql/queries/credential_mark_poisoned.sql");
        for (credential, version) in poisoned {
            self.engine_query(MARK, &[credential, version]).await?;
        }
        Ok(())
    }

    /// The tenants from the root to this one, itself last; nothing for an unknown one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenant_path(&self, tsg_id: &str) -> Result<Option<Vec<String>>, StoreError> {
        const READ: &str = include_str!("../../sql/queries/tenant_read_path.sql");
        let rows = self.engine_query(READ, &[&tsg_id]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.flatten())
    }
}
