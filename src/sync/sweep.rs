//! The sweep: everything that a region's cache should hold and has not been seen to hold, from the first to the last.
//!
//! After a region joined, or its cache was lost, that is all there is. One instance of a region sweeps at a time; it
//! starts after a wait that differs from instance to instance, and walks: each question looks at so many credentials,
//! however many there are. It rests between them, so that those who are served by the authority meanwhile are not
//! crowded out, and longer where nothing waits for it.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::try_join;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::FeedStatus;
use super::warming::Warming;
use crate::domain::record::Entry;
use crate::domain::region::RegionState;
use crate::protocol_log;
use crate::store::records::{Batch, Step};
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
/// The most credentials that are warmed at once.
const BATCH: usize = 512;
/// The most credentials that one question looks at.
const REACH: usize = 2_000;
/// The rest after a question.
const REST: Duration = Duration::from_millis(20);
/// The rest where nothing was cold in a region that has caught up, for each moment that the question took: a tenth of one
/// core of Postgres's.
const REST_WHEN_WARM: u32 = 9;

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

/// How far one has come.
struct Walk {
    /// What was counted on the way.
    count: Count,
    /// How many of what was cold are warm now.
    done: usize,
    /// Whether all of what was cold is, but for what changed on the way.
    whole: bool,
}

/// What became of a part.
struct Warmed {
    done: usize,
    whole: bool,
}

impl Walk {
    fn note(&mut self, step: &Step, warmed: &Warmed) -> anyhow::Result<()> {
        self.count.total += step.total;
        self.count.warmed += step.warm + length(warmed.done)?;
        self.done += warmed.done;
        self.whole &= warmed.whole;
        Ok(())
    }
}

/// A step, and how long the authority took to answer.
struct Asked {
    step: Step,
    took: Duration,
}

/// The epoch of the cache, and whether keys wait for the region.
fn life(status: &FeedStatus) -> Option<(i64, RegionState)> {
    status.region.as_ref().map(|region| (region.epoch, region.state))
}

pub(super) struct Sweep {
    pub warming: Warming,
    pub instance: Uuid,
    /// A claim is held no longer than that: who is gone leaves neither behind.
    pub lease: Duration,
}

impl Sweep {
    /// Works until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let region = life(&self.warming.status());
                tokio::time::sleep(self.jitter()).await;
                let catching_up = region.is_none_or(|(_, state)| state.is_catching_up());
                let time = match Box::pin(self.sweep()).await {
                    Ok(Swept::Whole | Swept::Elsewhere) if catching_up => COLD,
                    // One of the region is enough, for as long as nothing happens.
                    Ok(Swept::Whole) => {
                        self.hold(self.lease.min(EVERY)).await;
                        EVERY
                    }
                    // Who has the claim may be gone, or not reach the cache.
                    Ok(Swept::Elsewhere) => LEFT_TO_OTHERS,
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
        self.hold(Duration::ZERO).await;
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
    async fn hold(&self, time: Duration) {
        let Warming { store, region_name, .. } = &self.warming;
        if let Err(error) = store.claim_sweep(region_name, self.instance, time, None).await {
            tracing::debug!(%error, "the claim to sweep lasts as long as before");
        }
    }

    /// From the first to the last.
    async fn sweep(&self) -> anyhow::Result<Swept> {
        let Some(region) = self.warming.status().region else { return Ok(Swept::InPart) };
        let (epoch, catching_up) = (region.epoch, region.state.is_catching_up());
        let mut walk = Walk { count: Count { epoch, ..Count::default() }, done: 0, whole: true };
        if !self.claim(&walk).await? {
            return Ok(Swept::Elsewhere);
        }
        let mut claimed = Instant::now();
        let mut asked = self.ask(epoch, "", REACH).await?;
        // Of what has changed before, nothing is behind the back of this walk.
        let since = asked.step.head;
        while let Some(upto) = asked.step.upto.take() {
            let Asked { step, took } = asked;
            let cold = step.cold.entries.len() + step.cold.poisoned.len();
            // Where so much is cold, what lies beyond would be looked at for nothing.
            let reach = if cold < BATCH { REACH } else { BATCH };
            let rest =
                if catching_up || cold > 0 { REST } else { (took * REST_WHEN_WARM).clamp(REST, CLAIM / 5) };
            // The authority may be far away: it is asked for the next ones while these are warmed.
            let (warmed, next) = try_join!(self.warm(&step.cold), async {
                tokio::time::sleep(rest).await;
                self.ask(epoch, &upto, reach).await
            })?;
            let Some(warmed) = warmed else { return Ok(Swept::InPart) };
            walk.note(&step, &warmed)?;
            if claimed.elapsed() > CLAIM / 5 {
                if !self.claim(&walk).await? {
                    return Ok(Swept::Elsewhere);
                }
                claimed = Instant::now();
                tracing::info!(region = self.warming.region_name, epoch, warmed = walk.done, "warming");
            }
            asked = next;
        }
        walk.count.whole = true;
        self.claim(&walk).await?;
        self.finish(&walk, since).await
    }

    /// Whether this instance is the one that sweeps, and goes on; and how far it has come.
    async fn claim(&self, walk: &Walk) -> anyhow::Result<bool> {
        let Warming { store, region_name, .. } = &self.warming;
        Ok(store.claim_sweep(region_name, self.instance, CLAIM, Some(walk.count)).await?)
    }

    async fn ask(&self, epoch: i64, after: &str, reach: usize) -> anyhow::Result<Asked> {
        let Warming { store, region_name, .. } = &self.warming;
        let asked = Instant::now();
        let step = store.list_cold(region_name, epoch, after, length(BATCH)?, length(reach)?).await?;
        Ok(Asked { step, took: asked.elapsed() })
    }

    /// Warms what is cold. Nothing when the cache is not the one that is known. Who could not be read back because it is
    /// another one by now is looked at when the region is promoted; what nobody can read is marked, and left out of
    /// the next walk.
    async fn warm(&self, cold: &Batch) -> anyhow::Result<Option<Warmed>> {
        if cold.last.is_none() {
            return Ok(Some(Warmed { done: 0, whole: true }));
        }
        self.warming.store.mark_poisoned(&cold.poisoned).await?;
        let Some(read_back) = self.warming.warm(cold).await? else { return Ok(None) };
        let read: HashSet<&str> =
            read_back.entries.iter().map(|(credential, _)| credential.as_str()).collect();
        let is_left =
            |entry: &Entry| !read.contains(&*entry.record.credential) && self.warming.knowledge.admits(entry);
        let warmed =
            Warmed { done: read.len(), whole: cold.poisoned.is_empty() && !cold.entries.iter().any(is_left) };
        drop(read);
        self.warming.settle(Some(read_back), &[]).await?;
        Ok(Some(warmed))
    }

    /// All of it has been walked through, from when `since` was the newest change.
    async fn finish(&self, walk: &Walk, since: i64) -> anyhow::Result<Swept> {
        let Warming { store, region_name: name, .. } = &self.warming;
        let epoch = walk.count.epoch;
        if walk.done > 0 {
            tracing::info!(region = name, epoch, warmed = walk.done, "warm");
        }
        if !walk.whole {
            return Ok(Swept::InPart);
        }
        let catching_up = self.warming.status().region.is_some_and(|region| region.state.is_catching_up());
        let asked = self.warming.knowledge.clock.boot();
        if catching_up && store.promote_region(name, epoch, since).await? {
            protocol_log::region_state(name, RegionState::Required.as_str(), asked);
            tracing::info!(region = name, "the region has caught up: keys wait for it from now on");
        }
        Ok(Swept::Whole)
    }
}

fn length(rows: usize) -> anyhow::Result<i64> {
    Ok(i64::try_from(rows)?)
}
