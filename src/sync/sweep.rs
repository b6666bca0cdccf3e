//! The sweep: everything that a region's cache should hold and has not been seen to hold, from the first to the last.
//!
//! After a region joined, or its cache was lost, that is all there is. One instance of a region sweeps at a time; it
//! starts after a wait that differs from instance to instance, goes in batches, and rests between them, so that those
//! who are served by the authority meanwhile are not crowded out.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::FeedStatus;
use super::warmer::BATCH;
use super::warming::Warming;
use crate::domain::region::RegionState;

/// The longest between two sweeps: what slipped through is found then.
const EVERY: Duration = Duration::from_secs(30);
/// The wait before the next sweep of a region that is not warm yet.
const COLD: Duration = Duration::from_secs(1);
/// The wait of one who could not finish: others of the region may reach what it does not.
const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
/// The longest wait before a first sweep, so that the instances of a region do not all ask at once.
const JITTER: Duration = Duration::from_millis(512);
/// For how long one instance may sweep without a word.
const CLAIM: Duration = Duration::from_secs(10);
/// The longest rest after a batch.
const REST: Duration = Duration::from_millis(20);
/// How often a long sweep says where it is.
const PROGRESS: u64 = 10_000;

/// What came of a sweep.
#[derive(Debug)]
enum Swept {
    /// Everything that was cold is warm.
    Whole,
    /// Something was not.
    InPart,
    /// Another instance is at it.
    Elsewhere,
}

/// The epoch of the cache, and whether keys wait for the region.
fn life(status: &FeedStatus) -> Option<(i64, RegionState)> {
    status.region.as_ref().map(|region| (region.epoch, region.state))
}

pub(super) struct Sweep {
    pub warming: Warming,
    pub instance: Uuid,
}

impl Sweep {
    /// Works until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let region = life(&self.warming.status());
                tokio::time::sleep(self.jitter()).await;
                let catching_up = region.is_none_or(|(_, state)| state.is_catching_up());
                let time = match self.sweep().await {
                    Ok(Swept::Whole | Swept::Elsewhere) if catching_up => COLD,
                    // One of the region is enough, for as long as nothing happens.
                    Ok(Swept::Whole) => self.hold(EVERY).await,
                    Ok(Swept::Elsewhere) => EVERY,
                    failed => {
                        tracing::debug!(?failed, "a sweep did not finish");
                        self.hold(Duration::ZERO).await;
                        LEFT_TO_OTHERS
                    }
                };
                self.wait(time, region).await;
            }
        })
        .await;
    }

    fn jitter(&self) -> Duration {
        JITTER / 256 * u32::from(self.instance.as_bytes()[0])
    }

    /// Until it is time, or the region is not as it was.
    async fn wait(&self, time: Duration, before: Option<(i64, RegionState)>) {
        let mut status = self.warming.status.clone();
        let another = status.wait_for(|now| life(now) != before);
        drop(tokio::time::timeout(time, another).await);
    }

    /// Keeps the claim for so long from now on; for no time at all, it leaves it to an instance that reaches the cache.
    async fn hold(&self, time: Duration) -> Duration {
        let Warming { store, region_name, .. } = &self.warming;
        if let Err(error) = store.claim_sweep(region_name, self.instance, time).await {
            tracing::debug!(%error, "the claim to sweep lasts as long as before");
        }
        time
    }

    /// From the first to the last.
    async fn sweep(&self) -> anyhow::Result<Swept> {
        let (warming, store) = (&self.warming, &self.warming.store);
        let Some(region) = warming.status().region else { return Ok(Swept::InPart) };
        let name = &warming.region_name;
        let (mut after, mut done, mut whole) = (String::new(), 0, true);
        loop {
            if !store.claim_sweep(name, self.instance, CLAIM).await? {
                return Ok(Swept::Elsewhere);
            }
            let batch = store.list_cold(name, region.epoch, &after, i64::try_from(BATCH)?).await?;
            let Some(last) = batch.last.clone() else { break };
            store.mark_poisoned(&batch.poisoned).await?;
            let Some(read_back) = warming.warm(&batch).await? else { return Ok(Swept::InPart) };
            whole &= read_back.entries.len() == batch.entries.len();
            let before = done / PROGRESS;
            done += read_back.entries.len() as u64;
            warming.settle(Some(read_back), &[]).await?;
            if done / PROGRESS > before {
                tracing::info!(region = name, epoch = region.epoch, warmed = done, "warming");
            }
            after = last;
            tokio::time::sleep(REST).await;
        }
        if done > 0 {
            tracing::info!(region = name, epoch = region.epoch, warmed = done, "warm");
        }
        if region.state.is_catching_up() && store.promote_region(name).await? {
            tracing::info!(region = name, "the region has caught up: keys wait for it from now on");
        }
        Ok(if whole { Swept::Whole } else { Swept::InPart })
    }
}
