//! Writes down what was noted, now and then, and learns what tenants may still get.
//!
//! A batch whose answer was lost is sent again as it was, under the same number, so that nothing is counted twice. What is noted
//! meanwhile gathers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::Usage;
use crate::limits::{Got, Limits, Quota};
use crate::store::quotas::WatchedQuota;
use crate::store::usage::UsageBatch;
use crate::store::{Store, StoreError};

/// The most last uses, and the most tenants, that are written with one statement.
const BATCH: usize = 2_000;
/// The most quotas that are kept an eye on: those that are nearest to their end.
const MOST_QUOTAS: i32 = 10_000;
/// How often what nobody is shown any more is forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// The longest that a server which stops waits for its last batch.
const LAST: Duration = Duration::from_secs(2);

/// The task that does so.
pub struct Flushing {
    /// Given up, it stops as well.
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Flushing {
    /// Begins, as `instance`, which no other process is.
    #[must_use]
    pub fn start(
        usage: Arc<Usage>,
        limits: Arc<Limits>,
        store: Store,
        instance: Uuid,
        every: Duration,
    ) -> Self {
        let stop = CancellationToken::new();
        let flusher = Flusher {
            usage,
            limits,
            store,
            instance,
            number: 0,
            unsent: None,
            exceeded: HashSet::new(),
            pruned: Instant::now(),
        };
        let task = actix_web::rt::spawn(flusher.run(every, stop.clone()));
        Self { stop: stop.drop_guard(), task }
    }

    /// Writes the rest down, if that does not take long. To be called when nothing is answered any more.
    pub async fn stop(self) {
        drop(self.stop);
        drop(self.task.await);
    }
}

struct Flusher {
    usage: Arc<Usage>,
    limits: Arc<Limits>,
    store: Store,
    instance: Uuid,
    number: i64,
    /// A batch that may have been written or not.
    unsent: Option<UsageBatch>,
    /// Tenants that had reached their quota the last time.
    exceeded: HashSet<String>,
    pruned: Instant,
}

impl Flusher {
    async fn run(mut self, every: Duration, stop: CancellationToken) {
        // What tenants may get is known from the start on, as far as that goes.
        while let Some(outcome) = stop.run_until_cancelled(self.round()).await {
            let outcome = match outcome {
                Ok(()) => "written",
                Err(error) => {
                    tracing::debug!(%error, "uses were not written down this time");
                    "failed"
                }
            };
            metrics::counter!("carnet_usage_flushes_total", "outcome" => outcome).increment(1);
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                break;
            }
        }
        match tokio::time::timeout(LAST, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last uses are not written down"),
            Err(_) => tracing::warn!("the last uses are not written down in time"),
        }
    }

    async fn round(&mut self) -> Result<(), StoreError> {
        self.flush().await?;
        self.watch().await?;
        if self.pruned.elapsed() >= PRUNE_EVERY {
            self.store.prune_usage().await?;
            self.pruned = Instant::now();
        }
        Ok(())
    }

    /// Everything that was noted by now.
    async fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(batch) = self.unsent.take().or_else(|| self.next()) {
            // Kept until its answer is there, also when this is given up in the middle of it.
            self.unsent = Some(batch.clone());
            self.store.record_usage(&batch).await?;
            self.unsent = None;
        }
        let hurried = self.usage.take_hurried();
        if !hurried.is_empty() {
            for client_id in self.store.record_token_per_request(&hurried).await? {
                tracing::warn!(
                    client_id,
                    "the client seems to get a token for each of its requests: it should keep one for as long as it lives"
                );
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<UsageBatch> {
        let (used, counted) = (self.usage.take_uses(BATCH), self.usage.take_counts(BATCH));
        if used.is_empty() && counted.is_empty() {
            return None;
        }
        self.number += 1;
        Some(UsageBatch { instance: self.instance, number: self.number, used, counted })
    }

    /// What tenants may still get.
    async fn watch(&mut self) -> Result<(), StoreError> {
        let watched = self.store.watch_quotas(MOST_QUOTAS).await?;
        let reached = watched.iter().filter(|quota| is_reached(quota));
        let reached: HashSet<String> = reached.map(|quota| quota.tsg_id.to_string()).collect();
        for tsg_id in reached.difference(&self.exceeded) {
            tracing::warn!(tsg_id, "the tenant has got as many tokens as its quota says");
        }
        self.exceeded = reached;
        self.limits.quotas().replace(watched.into_iter().map(|quota| {
            let tsg_id = quota.tsg_id.to_string();
            // And what has been got here since the batch was taken.
            let since = self.usage.counts.of(&tsg_id);
            let got = Got {
                day: quota.day,
                today: quota.tokens_today + since,
                this_month: quota.tokens_this_month + since,
            };
            let (per_day, per_month) = (quota.tokens_per_day, quota.tokens_per_month);
            (tsg_id, Quota { mode: quota.mode, per_day, per_month, got })
        }));
        Ok(())
    }
}

fn is_reached(quota: &WatchedQuota) -> bool {
    let reached = |most: Option<u64>, got: u64| most.is_some_and(|most| got >= most);
    reached(quota.tokens_per_day, quota.tokens_today)
        || reached(quota.tokens_per_month, quota.tokens_this_month)
}
