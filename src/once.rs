//! What may be used once only, in all regions (DESIGN §3.8): the names of assertions, nonces.
//!
//! Postgres decides, for only there all regions meet; so this costs a round trip to it and a write, which those who come at
//! the same time share: while one question is under way the next ones gather, and go together. Nobody is told that
//! something is used for the first time before that is written down. Who cannot be told in time has to come again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::directory::Outage;
use crate::sabotage::Switch;
use crate::store::Store;
use crate::token::dpop::Proof;

/// The most uses that wait at once.
const MOST_WAITING: usize = 4_096;
/// The most uses that are written with one statement.
const BATCH: usize = 512;
/// The longest that one waits, its place among the others included.
const WAIT: Duration = Duration::from_secs(2);

/// Whether something was used before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Use {
    /// For the first time.
    First,
    /// Before, or after its end.
    Again,
}

type Told = Result<Use, Outage>;

/// One that waits.
struct Waiting {
    used: Uuid,
    ends_at: Timestamp,
    tell: oneshot::Sender<Told>,
}

/// Those who wait, and whether somebody is asking.
#[derive(Default)]
struct Gathering {
    waiting: Vec<Waiting>,
    under_way: bool,
}

/// All uses of an instance.
pub struct Once {
    store: Store,
    gathering: Mutex<Gathering>,
}

impl Once {
    /// Asks this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, gathering: Mutex::default() }
    }

    /// Notes that `owner` uses `name`, which expires at `ends_at`, within eleven minutes.
    ///
    /// # Errors
    /// [`Outage`]: nobody knows whether it was used before.
    pub async fn note(self: &Arc<Self>, owner: &str, name: &str, ends_at: Timestamp) -> Told {
        if Switch::NoOnce.is_on() {
            return Ok(Use::First);
        }
        let (tell, told) = oneshot::channel();
        if self.join(Waiting { used: hash(owner, name), ends_at, tell })? {
            // A task of its own: the request that happened to come first may be cancelled.
            actix_web::rt::spawn(Asking { once: Arc::clone(self), done: false }.run());
        }
        match tokio::time::timeout(WAIT, told).await {
            Ok(told) => told.unwrap_or(Err(Outage::Stopping)),
            Err(_) => Err(Outage::Crowded),
        }
    }

    /// Notes that a proof of possession is used (RFC 9449 §11.1). Good in all regions, though a proof for each region alone
    /// would do: there is one memory of what was used, and it forgets nothing when a cache is lost.
    ///
    /// # Errors
    /// As of [`Self::note`].
    pub async fn note_proof(self: &Arc<Self>, proof: &Proof) -> Told {
        // No client is called so: there is an `@` in the name of each.
        self.note(&format!("dpop {}", proof.jkt), &proof.jti, proof.ends_at).await
    }

    /// Waits with the others; whether nobody is asking yet.
    fn join(&self, waiting: Waiting) -> Result<bool, Outage> {
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who have gone away make room.
        if gathering.waiting.len() >= MOST_WAITING {
            gathering.waiting.retain(|one| !one.tell.is_closed());
        }
        if gathering.waiting.len() >= MOST_WAITING {
            return Err(Outage::Crowded);
        }
        gathering.waiting.push(waiting);
        Ok(!std::mem::replace(&mut gathering.under_way, true))
    }

    /// Those who go next; none, and nobody is asking any more.
    fn next(&self) -> Vec<Waiting> {
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let some = gathering.waiting.len().min(BATCH);
        let batch: Vec<Waiting> = gathering.waiting.drain(..some).collect();
        gathering.under_way = !batch.is_empty();
        batch
    }

    async fn ask(&self, batch: Vec<Waiting>) {
        // Of several who use the same at once, the first has it.
        let (mut askers, mut ends) = (HashMap::new(), Vec::new());
        for Waiting { used, ends_at, tell } in batch {
            if tell.is_closed() {
                continue;
            }
            if let Entry::Vacant(vacant) = askers.entry(used) {
                vacant.insert(tell);
                ends.push((used, ends_at));
            } else {
                drop(tell.send(Ok(Use::Again)));
            }
        }
        if ends.is_empty() {
            return;
        }
        let (used, ends_at): (Vec<Uuid>, Vec<Timestamp>) = ends.into_iter().unzip();
        match self.store.use_once(&used, &ends_at).await {
            Ok(first) => {
                let first: HashSet<Uuid> = first.into_iter().collect();
                for (used, tell) in askers {
                    let found = if first.contains(&used) { Use::First } else { Use::Again };
                    drop(tell.send(Ok(found)));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for tell in askers.into_values() {
                    drop(tell.send(Err(Outage::Store(Arc::clone(&error)))));
                }
            }
        }
    }
}

/// Asks for those who wait until nobody does.
struct Asking {
    once: Arc<Once>,
    done: bool,
}

impl Asking {
    async fn run(mut self) {
        loop {
            let batch = self.once.next();
            if batch.is_empty() {
                // Whoever comes from now on asks for itself.
                self.done = true;
                return;
            }
            self.once.ask(batch).await;
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.done {
            // The worker is stopping under us: whoever waits is told so, and the next one asks for itself.
            let mut gathering = self.once.gathering.lock().unwrap_or_else(PoisonError::into_inner);
            gathering.waiting.clear();
            gathering.under_way = false;
        }
    }
}

/// Who and what, so that no two owners share a name. Half of a SHA-256 is enough: a collision could only be sought by an
/// owner, and would only refuse it.
fn hash(owner: &str, name: &str) -> Uuid {
    // No owner has a line feed.
    let hash = digest(&SHA256, format!("{owner}\n{name}").as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_ref()[..16]);
    Uuid::from_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_share_no_name() {
        assert_eq!(hash("a", "n"), hash("a", "n"));
        assert_ne!(hash("a", "n"), hash("b", "n"));
        assert_ne!(hash("a", "bn"), hash("ab", "n"));
    }
}
