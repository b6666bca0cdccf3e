//! The spread: how far every instance is that may still answer from a cache.
//!
//! A revoke waits here until the frontier has passed its change. One question to Postgres serves all
//! who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::watched::Watched;
use crate::protocol_log;
use crate::store::Store;

/// The wait between two questions while somebody waits for the answer.
const WAITED_FOR: Duration = Duration::from_millis(15);
/// The wait between two questions while nobody does.
const IDLE: Duration = Duration::from_secs(1);
/// A frontier that no change has passed.
const NOTHING: i64 = -1;

/// Knows the frontier; cheap to clone.
#[derive(Clone)]
pub struct Spread {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    /// How often the question was asked.
    rounds: AtomicU64,
    proofs: watch::Sender<Proof>,
    waiting: AtomicUsize,
    asked: Notify,
    watched: Watched,
}

/// The answer to one round of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Proof {
    round: u64,
    frontier: i64,
}

/// Counts somebody who waits, for as long as it lives.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.asked.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spread {
    pub(super) fn new(store: Store) -> Self {
        let shared = Shared {
            store,
            rounds: AtomicU64::new(0),
            proofs: watch::Sender::new(Proof { round: 0, frontier: NOTHING }),
            waiting: AtomicUsize::new(0),
            asked: Notify::new(),
            watched: Watched::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits until every instance has applied all changes up to `seq` or has lost its lease, and
    /// what was revoking up to there is written as revoked. False when that took longer than `limit`.
    pub async fn reached(&self, seq: i64, limit: Duration) -> bool {
        // Only what was asked from now on counts: an older answer may be of a history that is over, in
        // which this `seq` was something else.
        let before = self.shared.rounds.load(Ordering::SeqCst);
        let mut proofs = self.shared.proofs.subscribe();
        let _waiting = Waiting::new(&self.shared);
        let passed = proofs.wait_for(|proof| proof.round > before && proof.frontier >= seq);
        let passed = matches!(tokio::time::timeout(limit, passed).await, Ok(Ok(_)));
        if passed {
            protocol_log::returned(seq);
        }
        passed
    }

    /// Waits until nothing in this credential is pending. False when that took longer than `limit`.
    pub async fn flipped(&self, credential: &str, limit: Duration) -> bool {
        let wait = async {
            let mut changes = self.changes_of(credential);
            while self.shared.store.is_unsettled(credential).await.unwrap_or(true) {
                // Whatever has changed: a flip is a change, too. Who says so lives as long as who hears it.
                drop(changes.changed().await);
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Resolves when every instance has applied all changes up to `seq`, as far as was asked for other reasons: who
    /// only looks on hurries nobody.
    pub async fn passed(&self, seq: i64) {
        // The sender is in `self`, so that this never fails.
        drop(self.shared.proofs.subscribe().wait_for(|proof| proof.frontier >= seq).await);
    }

    /// Hears of every change of this credential from now on.
    #[must_use]
    pub fn changes_of(&self, credential: &str) -> watch::Receiver<()> {
        self.shared.watched.watch(credential)
    }

    pub(super) fn tell_changed(&self, credential: &str) {
        self.shared.watched.tell(credential);
    }

    /// Asks until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                self.ask().await;
                if self.shared.waiting.load(Ordering::Relaxed) > 0 {
                    tokio::time::sleep(WAITED_FOR).await;
                } else {
                    drop(tokio::time::timeout(IDLE, self.shared.asked.notified()).await);
                }
            }
        })
        .await;
    }

    async fn ask(&self) {
        let round = self.shared.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        // Written first, told then: who has waited finds `revoked`. Also for revocations whose own
        // request did not live to see their end.
        let frontier = match self.shared.store.settle_receipts().await {
            Ok(now) if now.settled => now.seq,
            Ok(_) => NOTHING,
            Err(error) => {
                tracing::debug!(%error, "the frontier is not known");
                NOTHING
            }
        };
        self.shared.proofs.send_replace(Proof { round, frontier });
    }
}
