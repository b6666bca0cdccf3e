//! Regions, as the engine moves them: the life of a cache, states, and who warms.

use std::time::Duration;

use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::variant;
use super::{Store, StoreError};
use crate::domain::region::RegionState;

/// The life of a region's cache: which process it is, and the mark that lies in it while its contents do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheLife {
    /// What Redis says of itself; another after every start.
    pub run_id: String,
    /// What somebody wrote into it; gone with everything else.
    pub life: String,
}

/// What the authority says of a region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionNow {
    /// Whether keys wait for it.
    pub state: RegionState,
    /// The present epoch of its cache.
    pub epoch: i64,
    /// The cache that this epoch belongs to; nothing before anybody looked.
    pub cache: Option<CacheLife>,
}

/// A region that was moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Which.
    pub region: String,
    /// From where.
    pub was: RegionState,
    /// To where.
    pub became: RegionState,
}

/// What somebody has counted who walks through a region.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// The epoch that he walks in.
    pub epoch: i64,
    /// The live credentials that he has met.
    pub total: i64,
    /// Those of them that the region's cache has.
    pub warmed: i64,
    /// Whether that are all there are.
    pub whole: bool,
}

/// What is measured of a region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// Which.
    pub region: String,
    /// Whether keys wait for it.
    pub state: RegionState,
    /// How many entries of its cache the last audit found that would have been served and were wrong.
    pub divergent: i64,
    /// How many pending credentials it has not acknowledged.
    pub waiting: i64,
    /// How many records nobody can read, in any region.
    pub poisoned: i64,
}

impl RegionNow {
    /// From the columns `region_state`, `epoch`, `run_id` and `life`.
    pub(super) fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (run_id, life) = (row.try_get::<_, Option<_>>("run_id")?, row.try_get::<_, Option<_>>("life")?);
        Ok(Self {
            state: variant(row, "region_state")?,
            epoch: row.try_get("epoch")?,
            cache: run_id.zip(life).map(|(run_id, life)| CacheLife { run_id, life }),
        })
    }
}

impl Store {
    /// A region, and whether an instance of it has a lease; nothing for an unknown one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_region(&self, region: &str) -> Result<Option<(RegionNow, bool)>, StoreError> {
        const READ: &str = include_str!("../../sql/queries/region_read.sql");
        let rows = self.engine_query(READ, &[&region]).await?;
        rows.first().map(|row| Ok((RegionNow::from_row(row)?, row.try_get("alive")?))).transpose()
    }

    /// Says that the cache of epoch `known` is another now; the new epoch, or nothing when somebody was faster, or
    /// the last one is not a second old.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn raise_epoch(
        &self,
        region: &str,
        known: i64,
        cache: &CacheLife,
    ) -> Result<Option<i64>, StoreError> {
        const RAISE: &str = include_str!("../../sql/queries/region_raise_epoch.sql");
        let rows = self.engine_query(RAISE, &[&region, &known, &cache.run_id, &cache.life]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.flatten())
    }

    /// Moves the regions that are silent, stuck, or heard of again; which ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tend_regions(&self, quarantine: Duration) -> Result<Vec<Moved>, StoreError> {
        const TEND: &str = include_str!("../../sql/queries/region_tend.sql");
        let rows = self.engine_query(TEND, &[&quarantine.as_secs_f64()]).await?;
        let moved = |row: &Row| {
            Ok(Moved {
                region: row.try_get("moved")?,
                was: variant(row, "was")?,
                became: variant(row, "became")?,
            })
        };
        rows.iter().map(moved).collect()
    }

    /// Makes a region required of which everything was read back in `epoch`, by somebody who began when `since` was the
    /// newest change; whether it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn promote_region(&self, region: &str, epoch: i64, since: i64) -> Result<bool, StoreError> {
        const PROMOTE: &str = include_str!("../../sql/queries/region_promote.sql");
        let rows = self.engine_query(PROMOTE, &[&region, &epoch, &since]).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.try_get(0)?))
    }

    /// Asks to be the one who warms what is cold in a region, for so long; whether it is. If so, what it has counted is
    /// what is shown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_sweep(
        &self,
        region: &str,
        instance: Uuid,
        time: Duration,
        count: Option<Count>,
    ) -> Result<bool, StoreError> {
        const CLAIM: &str = include_str!("../../sql/queries/region_claim_sweep.sql");
        let (epoch, total) = (count.map(|count| count.epoch), count.map(|count| count.total));
        let (warmed, whole) = (count.map(|count| count.warmed), count.is_some_and(|count| count.whole));
        let time = time.as_secs_f64();
        let values: super::Params<'_> = &[&region, &instance, &time, &epoch, &total, &warmed, &whole];
        Ok(!self.engine_query(CLAIM, values).await?.is_empty())
    }

    /// Asks to be the one who compares a region's cache with this database, for so long; whether it is. Also not when
    /// the last comparison is younger than `due`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_audit(
        &self,
        region: &str,
        instance: Uuid,
        time: Duration,
        due: Duration,
    ) -> Result<bool, StoreError> {
        const CLAIM: &str = include_str!("../../sql/queries/region_claim_audit.sql");
        let values: super::Params<'_> = &[&region, &instance, &time.as_secs_f64(), &due.as_secs_f64()];
        Ok(!self.engine_query(CLAIM, values).await?.is_empty())
    }

    /// Says that a region's cache has been compared whole, and how many of its entries would have been served and
    /// were wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finish_audit(&self, region: &str, instance: Uuid, divergent: u64) -> Result<(), StoreError> {
        const FINISH: &str = include_str!("../../sql/queries/region_finish_audit.sql");
        let divergent = i64::try_from(divergent).unwrap_or(i64::MAX);
        self.engine_query(FINISH, &[&region, &instance, &divergent]).await?;
        Ok(())
    }

    /// How every region is doing, for gauges.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure_regions(&self) -> Result<Vec<Measured>, StoreError> {
        const MEASURE: &str = include_str!("../../sql/queries/region_measure.sql");
        let measured = |row: &Row| {
            Ok(Measured {
                region: row.try_get("region")?,
                state: variant(row, "state")?,
                divergent: row.try_get("divergent")?,
                waiting: row.try_get("waiting")?,
                poisoned: row.try_get("poisoned")?,
            })
        };
        self.engine_query(MEASURE, &[]).await?.iter().map(measured).collect()
    }
}
