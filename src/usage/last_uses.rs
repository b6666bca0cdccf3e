//! The last use of each proof: the latest, and no other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::credential_id::CredentialId;
use crate::store::usage::Used;

/// Parts with a lock each, so that workers seldom meet.
const PARTS: usize = 16;
/// The most proofs in each part between two flushes; the uses of more are dropped, and counted.
const MOST_IN_PART: usize = 10_000;

/// Whose proof: an account's, or that of a key which is presented by itself.
pub(super) type Proof = (Option<Uuid>, CredentialId);
type Part = HashMap<Proof, (Timestamp, Option<IpAddr>)>;

/// What was used since the last flush.
#[derive(Default)]
pub(super) struct LastUses {
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

impl LastUses {
    /// Notes a use; of two the later one.
    pub fn note(&self, proof: Proof, at: Timestamp, from: Option<IpAddr>) {
        let part = usize::try_from(self.hasher.hash_one(proof) % PARTS as u64).unwrap_or_default();
        let mut part = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = part.get_mut(&proof) {
            if known.0 <= at {
                *known = (at, from);
            }
        } else if part.len() < MOST_IN_PART {
            part.insert(proof, (at, from));
        } else {
            metrics::counter!("carnet_usage_dropped_total").increment(1);
        }
    }

    /// At most so many, which are forgotten.
    pub fn take(&self, most: usize) -> Vec<Used> {
        let mut taken = Vec::new();
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let some = part.extract_if(|_, _| true).take(most - taken.len());
            taken.extend(some.map(|((account, credential_id), (at, address))| Used {
                account,
                credential_id: credential_id.to_string(),
                at,
                address,
            }));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(n: u128) -> Proof {
        (Some(Uuid::from_u128(n)), CredentialId::of_address("https://keys.example"))
    }

    #[test]
    fn the_latest_use_stays_whatever_order_they_come_in() {
        let uses = LastUses::default();
        let at = |second| Timestamp::from_second(second).expect("a moment");
        for (second, from) in [(5, "192.0.2.5"), (9, "192.0.2.9"), (7, "192.0.2.7")] {
            uses.note(proof(1), at(second), from.parse().ok());
        }
        let taken = uses.take(10);
        assert_eq!((taken.len(), taken[0].at, taken[0].address), (1, at(9), "192.0.2.9".parse().ok()));
        assert!(uses.take(10).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_batches_are() {
        let uses = LastUses::default();
        for n in 0..(PARTS * MOST_IN_PART * 2) as u128 {
            uses.note(proof(n), Timestamp::UNIX_EPOCH, None);
        }
        let mut all = 0;
        loop {
            let batch = uses.take(7_000);
            assert!(batch.len() <= 7_000);
            if batch.is_empty() {
                break;
            }
            all += batch.len();
        }
        assert!(all <= PARTS * MOST_IN_PART && all > PARTS * MOST_IN_PART / 2, "{all}");
    }
}
