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

/// Which receipt, and the change that every instance has to apply. Whoever waits waits for the change, and then looks
/// for this very receipt: in a history that was set back, the change may be another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptName {
    /// Its id.
    pub id: Uuid,
    /// Its change.
    pub seq: i64,
}

impl ReceiptName {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.try_get("id")?, seq: row.try_get("seq")? })
    }
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

    /// Which one it is.
    #[must_use]
    pub fn name(&self) -> ReceiptName {
        ReceiptName { id: self.id, seq: self.seq }
    }
}

/// The last withdrawal that concerned this credential, if any ever did.
///
/// # Errors
/// [`StoreError`].
pub async fn name_of_credential(
    tx: &Tx,
    tsg_id: &TsgId,
    client_id: &str,
) -> Result<Option<ReceiptName>, StoreError> {
    const NAME: &str = include_str!("../../sql/queries/receipt_name_of_credential.sql");
    tx.opt(NAME, &[&tsg_id.as_str(), &client_id]).await?.as_ref().map(ReceiptName::from_row).transpose()
}

/// The last withdrawal that concerned any account of a tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn name_of_tenant(tx: &Tx, tsg_id: &TsgId) -> Result<Option<ReceiptName>, StoreError> {
    const NAME: &str = include_str!("../../sql/queries/receipt_name_of_tenant.sql");
    tx.opt(NAME, &[&tsg_id.as_str()]).await?.as_ref().map(ReceiptName::from_row).transpose()
}

/// The last withdrawal that concerned the keys which the end of a license at this moment ended earlier.
///
/// # Errors
/// [`StoreError`].
pub async fn name_of_license(
    tx: &Tx,
    tsg_id: &TsgId,
    product: &str,
    ends_at: Timestamp,
) -> Result<Option<ReceiptName>, StoreError> {
    const NAME: &str = include_str!("../../sql/queries/receipt_name_of_license.sql");
    let row = tx.opt(NAME, &[&tsg_id.as_str(), &product, &ends_at]).await?;
    row.as_ref().map(ReceiptName::from_row).transpose()
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
