//! Regions, as an operator sees and moves them. They belong to no tenant: who may do this is asked before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::columns::{broken, variant};
use super::{StoreError, Tx};
use crate::domain::region::RegionState;
use crate::domain::region_name::RegionName;

/// How a region is doing.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RegionShown {
    /// Its name.
    pub region: RegionName,
    /// Whether keys wait for it.
    pub state: RegionState,
    /// Since when.
    pub state_changed_at: Timestamp,
    /// Counts the caches that it has had.
    pub epoch: i64,
    /// Since when this one.
    pub epoch_changed_at: Timestamp,
    /// How many credentials are known to be in its cache in their present version. More than ten thousand are not counted
    /// when somebody looks, but by whoever sweeps the region.
    pub warmed: i64,
    /// How many there are; counted at the same time.
    pub total: i64,
    /// How many of those no program can read.
    pub poisoned: i64,
    /// How many pending ones wait for it.
    pub awaited: i64,
    /// How many changes its slowest instance has not heard of.
    pub lag_changes: i64,
    /// For how long the oldest of them has been there to be heard, seconds.
    pub lag_seconds: f64,
    /// When the last of its leases ends, with the margin that the authority adds; none when nobody is alive in it.
    pub lease_until: Option<Timestamp>,
    /// When its cache was last compared whole with the authority.
    pub audited_at: Option<Timestamp>,
    /// How many entries were wrong then.
    pub divergent: Option<i64>,
    /// Its live instances, the oldest first.
    pub instances: Vec<LiveInstance>,
    /// When it joined for the first time.
    pub created_at: Timestamp,
}

/// A process that has a lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveInstance {
    /// Which.
    pub instance: Uuid,
    /// It has applied every change up to here.
    pub applied: i64,
    /// Until when it may answer, with the margin that the authority adds.
    pub lease_until: Timestamp,
    /// When it registered.
    pub started_at: Timestamp,
}

/// Why a region was not moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotMoved {
    /// There is none of this name.
    Unknown,
    /// Without it nothing would ever be valid.
    LastRequired,
    /// An instance of it is alive.
    Alive,
    /// It is not draining.
    NotDraining,
}

/// What an operator does with a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// Keys wait for it no longer; its instances say that they are not ready.
    Drain,
    /// It catches up, and is waited for again then.
    Rejoin,
    /// It is forgotten.
    Remove,
}

impl RegionShown {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let Json(instances) = row.try_get("instances")?;
        Ok(Self {
            region: RegionName::parse(row.try_get("region")?).map_err(|e| broken("region", e))?,
            state: variant(row, "state")?,
            state_changed_at: row.try_get("state_changed_at")?,
            epoch: row.try_get("epoch")?,
            epoch_changed_at: row.try_get("epoch_changed_at")?,
            warmed: row.try_get("warmed")?,
            total: row.try_get("total")?,
            poisoned: row.try_get("poisoned")?,
            awaited: row.try_get("awaited")?,
            lag_changes: row.try_get("lag_changes")?,
            lag_seconds: row.try_get("lag_seconds")?,
            lease_until: row.try_get("lease_until")?,
            audited_at: row.try_get("audited_at")?,
            divergent: row.try_get("divergent")?,
            instances,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// All regions by name, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(tx: &Tx, after: Option<&str>, limit: i64) -> Result<Vec<RegionShown>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/region_list_shown.sql");
    tx.all(LIST, &[&after, &limit]).await?.iter().map(RegionShown::from_row).collect()
}

/// One region.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, region: &RegionName) -> Result<Option<RegionShown>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/region_find_shown.sql");
    tx.opt(FIND, &[&region.as_str()]).await?.as_ref().map(RegionShown::from_row).transpose()
}

/// Moves a region for `actor`, and writes that down for the tenants at the root; what stood in the way. It holds up
/// all changes until the transaction ends, so it comes last.
///
/// # Errors
/// [`StoreError`].
pub async fn apply(
    tx: &Tx,
    what: Move,
    region: &RegionName,
    actor: &str,
) -> Result<Option<NotMoved>, StoreError> {
    const DRAIN: &str = include_str!("../../sql/queries/region_drain.sql");
    const REJOIN: &str = include_str!("../../sql/queries/region_rejoin.sql");
    const REMOVE: &str = include_str!("../../sql/queries/region_remove.sql");
    let statement = match what {
        Move::Drain => DRAIN,
        Move::Rejoin => REJOIN,
        Move::Remove => REMOVE,
    };
    let row = tx.one(statement, &[&region.as_str(), &actor]).await?;
    Ok(match row.try_get::<_, Option<&str>>("refused")? {
        None => None,
        Some("unknown") => Some(NotMoved::Unknown),
        Some("last_required") => Some(NotMoved::LastRequired),
        Some("alive") => Some(NotMoved::Alive),
        Some("not_draining") => Some(NotMoved::NotDraining),
        Some(other) => return Err(broken("refused", other)),
    })
}
