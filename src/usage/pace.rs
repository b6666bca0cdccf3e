//! Clients that seem to get a token for each of their requests, instead of keeping one for as long as it lives.
//!
//! A token lives for a quarter of an hour, so that one machine needs a few in an hour. Many machines may share a client, and one
//! address: so it takes more tokens from one address than a fleet behind it would need, in two whole minutes on end.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::store::usage::Hurried;

/// The most clients and addresses that are told apart; those that came last are.
const MOST_WATCHED: u64 = 100_000;
/// The most clients that wait to be written down.
const MOST_FOUND: usize = 10_000;

/// The paces of all clients.
pub(super) struct Paces {
    per_minute: u32,
    clock: Arc<Clock>,
    hasher: RandomState,
    watched: Cache<u64, Arc<Mutex<Pace>>>,
    found: Mutex<HashMap<Uuid, Hurried>>,
}

/// One client at one address.
#[derive(Default)]
struct Pace {
    minute: u64,
    tokens: u32,
    /// How many in the minute before.
    before: u32,
}

impl Paces {
    /// None where nobody is told so.
    pub fn new(per_minute: u32, clock: &Arc<Clock>) -> Option<Self> {
        let watched =
            Cache::builder().max_capacity(MOST_WATCHED).eviction_policy(EvictionPolicy::lru()).build();
        let (hasher, found) = (RandomState::new(), Mutex::default());
        (per_minute > 0).then(|| Self { per_minute, clock: Arc::clone(clock), hasher, watched, found })
    }

    /// Notes a token.
    pub fn note(&self, account: Uuid, from: IpAddr, now: Timestamp) {
        let minute = self.clock.boot().as_millis() / 60_000;
        let pace = self.watched.get_with(self.hasher.hash_one((account, from)), Arc::default);
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokens) = pace.note(minute, self.per_minute) {
            self.find(account, now, tokens);
        }
    }

    fn find(&self, account: Uuid, at: Timestamp, tokens: u32) {
        metrics::counter!("carnet_token_per_request_total").increment(1);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < MOST_FOUND || found.contains_key(&account) {
            let tokens_per_minute = tokens.try_into().unwrap_or(i32::MAX);
            found.insert(account, Hurried { account, at, tokens_per_minute });
        }
    }

    /// Those that were found, which are forgotten.
    pub fn take(&self) -> Vec<Hurried> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.drain().map(|(_, hurried)| hurried).collect()
    }
}

impl Pace {
    /// How many tokens it got in the minute before, when this is the one that shows that it is too fast for the second.
    fn note(&mut self, minute: u64, most: u32) -> Option<u32> {
        if minute != self.minute {
            self.before = if minute == self.minute + 1 { self.tokens } else { 0 };
            (self.minute, self.tokens) = (minute, 0);
        }
        self.tokens = self.tokens.saturating_add(1);
        (self.before >= most && self.tokens == most).then_some(self.before)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Finds what is found of so many tokens in each minute.
    fn found(minutes: &[u32]) -> usize {
        let clock = Arc::new(Clock::default());
        let paces = Paces::new(10, &clock).expect("watched");
        let from = "192.0.2.1".parse().expect("an address");
        // At the beginning of a minute.
        clock.push(Duration::from_millis(60_001 - clock.boot().as_millis() % 60_000));
        for tokens in minutes {
            for _ in 0..*tokens {
                paces.note(Uuid::nil(), from, Timestamp::UNIX_EPOCH);
            }
            clock.push(Duration::from_mins(1));
        }
        paces.take().len()
    }

    #[test]
    fn only_who_is_too_fast_for_two_minutes_on_end_is_found() {
        assert_eq!(found(&[10, 10]), 1);
        assert_eq!(found(&[200]), 0, "a fleet that starts");
        assert_eq!(found(&[10, 9]), 0);
        assert_eq!(found(&[10, 0, 10]), 0);
        assert_eq!(found(&[9; 100]), 0, "a fleet");
    }

    #[test]
    fn two_addresses_are_two_machines() {
        let paces = Paces::new(1, &Arc::new(Clock::default())).expect("watched");
        for n in 0..200_000_u32 {
            paces.note(Uuid::nil(), std::net::Ipv4Addr::from(n).into(), Timestamp::UNIX_EPOCH);
        }
        paces.watched.run_pending_tasks();
        assert!(paces.watched.entry_count() <= MOST_WATCHED);
        assert!(paces.take().is_empty());
        assert!(Paces::new(0, &Arc::new(Clock::default())).is_none());
    }
}
