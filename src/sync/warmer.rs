//! The warmer: from Pending to Valid.
//!
//! Pending records are warmed at once and acknowledged; when nothing is lacking anywhere, the flip makes them valid.
//! What has changed is written again, and acknowledged too. Any instance may do all of this at any time, two at once
//! do no harm; the oldest of a region does it first.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::warming::Warming;
use crate::clock::BootInstant;

/// The most credentials that are looked after in one round.
pub(super) const BATCH: usize = 256;
/// The wait between two rounds while something is pending: the first after a change, and the longest, of those that
/// wait for somebody who is away.
const PENDING: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// The wait between two looks when nothing is known to be pending.
const IDLE: Duration = Duration::from_secs(1);
/// How much later each younger instance of a region looks.
const PER_RANK: Duration = Duration::from_millis(500);
/// The latest that any instance looks.
const LATEST: Duration = Duration::from_secs(5);
/// For how long a record that could not be read is left alone.
const ASIDE: Duration = Duration::from_secs(30);

pub(super) struct Warmer {
    pub warming: Warming,
    /// Touched when something changed, at once; the feed takes a round trip longer.
    pub wake: watch::Receiver<()>,
    pub changed: mpsc::Receiver<String>,
    /// Records that nobody can read, and until when they are left alone.
    pub aside: HashMap<String, BootInstant>,
}

impl Warmer {
    /// Works until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            let mut wait = PENDING.0;
            loop {
                let pending = match self.round().await {
                    Ok(pending) => pending,
                    Err(error) => {
                        tracing::debug!(%error, "a round of warming did not finish");
                        true
                    }
                };
                // A change, or a look now and then: soon for what waits for others, seldom for what was left over.
                let look = if pending { wait } else { IDLE };
                let changed = tokio::time::timeout(look, self.wake.changed()).await.is_ok();
                wait = if pending && !changed { (wait * 5 / 4).min(PENDING.1) } else { PENDING.0 };
                tokio::time::sleep(self.turn()).await;
            }
        })
        .await;
    }

    /// The oldest instance goes first; a younger one finds something to do only if that one stalls.
    fn turn(&self) -> Duration {
        let rank = u32::try_from(self.warming.status().rank).unwrap_or(0);
        PER_RANK.saturating_mul(rank).min(LATEST)
    }

    /// One look at everything pending; whether there is more to do.
    async fn round(&mut self) -> anyhow::Result<bool> {
        self.wake.mark_unchanged();
        let aside = self.aside();
        let limit = i64::try_from(BATCH)?;
        let (warming, store) = (&self.warming, &self.warming.store);
        let pending = store.list_pending(&warming.region_name, limit, &aside).await?;
        if !pending.missing.poisoned.is_empty() {
            store.mark_poisoned(&pending.missing.poisoned).await?;
            let until = warming.knowledge.clock.boot().plus(ASIDE);
            let names = pending.missing.poisoned.iter().map(|(credential, _)| (credential.clone(), until));
            self.aside.extend(names);
        }
        let warming = &self.warming;
        let mut flipped = 0;
        if !pending.credentials.is_empty() {
            // What the other regions lack can be settled even when our own cache is away.
            let read_back = warming.warm(&pending.missing).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "not warmed");
                None
            });
            flipped = warming.settle(read_back, &pending.credentials).await?.len();
        }
        self.freshen().await?;
        Ok(flipped < pending.credentials.len() || !self.changed.is_empty())
    }

    fn aside(&mut self) -> Vec<String> {
        let now = self.warming.knowledge.clock.boot();
        self.aside.retain(|_, until| *until > now);
        self.aside.keys().cloned().collect()
    }

    /// Writes again what has changed: valid entries that were armed, roles that are others now. One
    /// instance of the region does; should it fail, the sweep finds it, or it is written when it is asked for.
    async fn freshen(&mut self) -> anyhow::Result<()> {
        let mut changed = Vec::new();
        while changed.len() < BATCH
            && let Ok(credential) = self.changed.try_recv()
        {
            changed.push(credential);
        }
        if self.warming.status().rank > 0 || changed.is_empty() {
            return Ok(());
        }
        changed.sort_unstable();
        changed.dedup();
        let batch = self.warming.store.read_records(&changed).await?;
        let read_back = self.warming.warm(&batch).await?;
        self.warming.settle(read_back, &[]).await?;
        Ok(())
    }
}
