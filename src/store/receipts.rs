//! Receipts: of every instance, when it stopped honouring what was withdrawn.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{Store, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// What is promised to who takes something away. It fills up while instances hear of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Receipt {
    /// Its id.
    #[serde(rename = "receipt_id")]
    pub id: Uuid,
    /// The change that every instance has to apply.
    #[serde(skip)]
    pub seq: i64,
    /// When the change was committed.
    pub requested_at: Timestamp,
    /// When the last instance had heard of it, or could answer no more. From then on no region honours it.
    pub effective_everywhere_at: Option<Timestamp>,
    /// The latest moment at which that can be so.
    pub bound_at: Timestamp,
    /// When the last token ends that may have been issued before. Online checks refuse it earlier.
    pub last_token_expires_at: Timestamp,
    /// Every instance that could answer when the change was committed.
    pub regions: Vec<RegionMarks>,
}

/// The instances of one region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegionMarks {
    /// Which.
    pub region: String,
    /// Each of them.
    pub instances: Vec<Mark>,
}

/// One instance, and what it has done about a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub instance: Uuid,
    /// What.
    pub state: MarkState,
    /// Since when.
    pub at: Option<Timestamp>,
}

/// What an instance has done about a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkState {
    /// It may still answer from before.
    Waiting,
    /// It has acknowledged the change.
    Applied,
    /// Its lease is over: it answers nothing before it has heard everything.
    Lapsed,
}

impl Receipt {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let Json(regions) = row.try_get("regions")?;
        Ok(Self {
            id: row.try_get("id")?,
            seq: row.try_get("seq")?,
            requested_at: row.try_get("requested_at")?,
            effective_everywhere_at: row.try_get("effective_everywhere_at")?,
            bound_at: row.try_get("bound_at")?,
            last_token_expires_at: row.try_get("last_token_expires_at")?,
            regions,
        })
    }
}

/// The receipt of the change `seq`, if it withdrew anything.
///
/// # Errors
/// [`StoreError`].
pub async fn find_by_seq(tx: &Tx, tsg_id: &TsgId, seq: i64) -> Result<Option<Receipt>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/receipt_find_by_seq.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &seq]).await?.as_ref().map(Receipt::from_row).transpose()
}

/// One receipt of a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<Receipt>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/receipt_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(Receipt::from_row).transpose()
}

/// The receipt of the last withdrawal that concerned this key.
///
/// # Errors
/// [`StoreError`].
pub async fn find_of_key(tx: &Tx, tsg_id: &TsgId, api_key_id: i64) -> Result<Option<Receipt>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/receipt_find_of_key.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &api_key_id]).await?.as_ref().map(Receipt::from_row).transpose()
}

/// The receipt of the change that withdrew this secret of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find_of_secret(
    tx: &Tx,
    tsg_id: &TsgId,
    account: Uuid,
    credential_id: &str,
) -> Result<Option<Receipt>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/receipt_find_of_secret.sql");
    let row = tx.opt(FIND, &[&tsg_id.as_str(), &account, &credential_id]).await?;
    row.as_ref().map(Receipt::from_row).transpose()
}

impl Store {
    /// How many receipts are open, and how long those took that were completed since anybody asked. Each is told once,
    /// to one instance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure_receipts(&self) -> Result<(i64, Vec<f64>), StoreError> {
        const MEASURE: &str = include_str!("../../sql/queries/receipt_measure.sql");
        let rows = self.engine_query(MEASURE, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("receipts give one row".into()))?;
        Ok((row.try_get("open")?, row.try_get("seconds")?))
    }
}
