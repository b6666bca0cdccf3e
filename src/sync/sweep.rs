//! The sweep: everything that a region's cache should hold and has not been seen to hold, from the first to the last.
//!
//! After a region joined, or its cache was lost, that is all there is. One instance of a region sweeps at a time; it
//! starts after a wait that differs from instance to instance, and walks: each question looks at so many credentials,
//! however many there are. It rests between them, so that those who are served by the authority meanwhile are not
//! crowded out, and longer where nothing waits for it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::FeedStatus;
use super::warmer::BATCH;
use super::warming::Warming;
use crate::domain::region::RegionState;
use crate::store::records::Batch;
use crate::store::regions::Count;

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
/// The most credentials that one question looks at.
const REACH: usize = 2_000;
/// The rest after a question.
const REST: Duration = Duration::from_millis(20);
/// The rest in a region that has caught up, for each moment that the question took: a tenth of one core of Postgres's.
const REST_WHEN_WARM: u32 = 9;
/// How often a long sweep says where it is.
const PROGRESS: usize = 10_000;

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
        if let Err(error) = store.claim_sweep(region_name, self.instance, time, None).await {
            tracing::debug!(%error, "the claim to sweep lasts as long as before");
        }
        time
    }

    /// From the first to the last.
    async fn sweep(&self) -> anyhow::Result<Swept> {
        let (warming, store) = (&self.warming, &self.warming.store);
        let Some(region) = warming.status().region else { return Ok(Swept::InPart) };
        let (name, epoch, catching_up) = (&warming.region_name, region.epoch, region.state.is_catching_up());
        let (mut after, mut since, mut done, mut whole, mut reach) = (String::new(), None, 0, true, REACH);
        let mut count = Count { epoch, total: 0, warmed: 0, whole: false };
        loop {
            if !store.claim_sweep(name, self.instance, CLAIM, Some(count)).await? {
                return Ok(Swept::Elsewhere);
            }
            let asked = Instant::now();
            let step = store.list_cold(name, epoch, &after, length(BATCH)?, length(reach)?).await?;
            let took = asked.elapsed();
            // Of what has changed before, nothing is behind the back of this walk.
            let since = *since.get_or_insert(step.head);
            let Some(upto) = step.upto else {
                count.whole = true;
                store.claim_sweep(name, self.instance, CLAIM, Some(count)).await?;
                return self.finish(epoch, since, done, whole).await;
            };
            let (before, cold) = (done, step.cold.entries.len() + step.cold.poisoned.len());
            let Some(warmed) = self.warm(&step.cold).await? else { return Ok(Swept::InPart) };
            whole &= warmed == cold;
            done += warmed;
            count.total += step.total;
            count.warmed += step.warm + length(warmed)?;
            if done / PROGRESS > before / PROGRESS {
                tracing::info!(region = name, epoch, warmed = done, "warming");
            }
            // Where so much is cold, what lies beyond would be looked at for nothing.
            reach = if cold < BATCH { REACH } else { BATCH };
            after = upto;
            tokio::time::sleep(if catching_up { REST } else { REST.max(took * REST_WHEN_WARM) }).await;
        }
    }

    /// Warms what is cold; how many of them were read back. Nothing when the cache is not the one that is known.
    async fn warm(&self, cold: &Batch) -> anyhow::Result<Option<usize>> {
        if cold.last.is_none() {
            return Ok(Some(0));
        }
        self.warming.store.mark_poisoned(&cold.poisoned).await?;
        let Some(read_back) = self.warming.warm(cold).await? else { return Ok(None) };
        let warmed = read_back.entries.len();
        self.warming.settle(Some(read_back), &[]).await?;
        Ok(Some(warmed))
    }

    /// All of it has been walked through, from when `since` was the newest change.
    async fn finish(&self, epoch: i64, since: i64, done: usize, whole: bool) -> anyhow::Result<Swept> {
        let Warming { store, region_name: name, .. } = &self.warming;
        if done > 0 {
            tracing::info!(region = name, epoch, warmed = done, "warm");
        }
        if !whole {
            return Ok(Swept::InPart);
        }
        let catching_up = self.warming.status().region.is_some_and(|region| region.state.is_catching_up());
        if catching_up && store.promote_region(name, epoch, since).await? {
            tracing::info!(region = name, "the region has caught up: keys wait for it from now on");
        }
        Ok(Swept::Whole)
    }
}

fn length(rows: usize) -> anyhow::Result<i64> {
    Ok(i64::try_from(rows)?)
}
