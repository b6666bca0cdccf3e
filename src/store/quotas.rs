//! How many tokens a tenant may get.

use jiff::civil::Date;
use serde::Serialize;

use super::columns::{tsg_id, variant};
use super::{Store, StoreError, Tx};
use crate::domain::quota::QuotaMode;
use crate::domain::tenant::TsgId;

/// A tenant's quota, and what of it has been got.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Quota {
    /// Whose.
    pub tsg_id: TsgId,
    /// What becomes of what exceeds it.
    pub mode: QuotaMode,
    /// In a day; nothing for any number.
    pub tokens_per_day: Option<i64>,
    /// In a month; nothing for any number.
    pub tokens_per_month: Option<i64>,
    /// Got today.
    pub tokens_today: i64,
    /// Got this month.
    pub tokens_this_month: i64,
    /// Whether one of them is reached.
    pub exceeded: bool,
    /// Raised by every change; 0 when there was none.
    #[serde(skip)]
    pub revision: i32,
}

/// A quota, as instances keep an eye on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedQuota {
    /// Whose.
    pub tsg_id: TsgId,
    /// What becomes of what exceeds it.
    pub mode: QuotaMode,
    /// In a day.
    pub tokens_per_day: Option<u64>,
    /// In a month.
    pub tokens_per_month: Option<u64>,
    /// Got on `day`.
    pub tokens_today: u64,
    /// Got in its month.
    pub tokens_this_month: u64,
    /// The authority's day, UTC.
    pub day: Date,
}

/// What a tenant may get, and has got.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId) -> Result<Quota, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/token_quota_find_one.sql");
    let row = tx.one(FIND, &[&tsg_id.as_str()]).await?;
    let (per_day, per_month) = (row.try_get("tokens_per_day")?, row.try_get("tokens_per_month")?);
    let (today, this_month) = (row.try_get("tokens_today")?, row.try_get("tokens_this_month")?);
    let reached = |most: Option<i64>, got: i64| most.is_some_and(|most| got >= most);
    Ok(Quota {
        tsg_id: tsg_id.clone(),
        mode: variant(&row, "mode")?,
        tokens_per_day: per_day,
        tokens_per_month: per_month,
        tokens_today: today,
        tokens_this_month: this_month,
        exceeded: reached(per_day, today) || reached(per_month, this_month),
        revision: row.try_get("revision")?,
    })
}

/// Writes another quota of a tenant that is held for change.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    tx: &Tx,
    tsg_id: &TsgId,
    mode: QuotaMode,
    per_day: Option<i64>,
    per_month: Option<i64>,
) -> Result<(), StoreError> {
    const UPSERT: &str = include_str!("../../sql/queries/token_quota_upsert_one.sql");
    tx.run(UPSERT, &[&tsg_id.as_str(), &mode.as_str(), &per_day, &per_month]).await?;
    Ok(())
}

impl Store {
    /// At most so many quotas, those that are nearest to their end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch_quotas(&self, most: i32) -> Result<Vec<WatchedQuota>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/token_quota_list_watched.sql");
        let count = |row: &tokio_postgres::Row, column| -> Result<Option<u64>, StoreError> {
            Ok(row.try_get::<_, Option<i64>>(column)?.map(i64::unsigned_abs))
        };
        let watched = |row: &tokio_postgres::Row| {
            Ok(WatchedQuota {
                tsg_id: tsg_id(row, "tsg_id")?,
                mode: variant(row, "mode")?,
                tokens_per_day: count(row, "tokens_per_day")?,
                tokens_per_month: count(row, "tokens_per_month")?,
                tokens_today: count(row, "tokens_today")?.unwrap_or_default(),
                tokens_this_month: count(row, "tokens_this_month")?.unwrap_or_default(),
                day: row.try_get("day")?,
            })
        };
        self.engine_query(LIST, &[&most]).await?.iter().map(watched).collect()
    }
}
