//! What the directory asks: records, who is known, and the line of a tenant's ancestors.

use std::sync::Arc;

use jiff::Timestamp;
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
