//! What all workers of an instance know together: lease, floor, memory, roster.
//!
//! The feed writes it, requests read it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;

use super::flights::Lane;
use super::floor::Floor;
use super::lease::Lease;
use super::roster::Roster;
use crate::clock::{BootInstant, Clock};
use crate::domain::record::Entry;
use crate::sabotage::Switch;
use crate::store::feed::Change;

/// The most lines of ancestors that are remembered.
const LINEAGES: u64 = 100_000;

/// Lease, floor, memory and roster.
#[derive(Debug)]
pub struct Knowledge {
    /// The clock that the lease is counted on.
    pub clock: Arc<Clock>,
    /// Until when caches may be believed.
    pub lease: Lease,
    /// Who is known at all.
    pub roster: Roster,
    pub(super) lineages: Cache<String, Arc<[String]>>,
    /// All changes up to this one were applied.
    heard: AtomicI64,
    /// An operator is taking the region away.
    draining: AtomicBool,
    floor: RwLock<Floor>,
    memory: Cache<String, Entry>,
}

impl Knowledge {
    /// Knows nothing; remembers at most `records`.
    #[must_use]
    pub fn new(clock: Arc<Clock>, records: u64) -> Self {
        Self {
            clock,
            lease: Lease::default(),
            roster: Roster::default(),
            lineages: Cache::new(LINEAGES),
            heard: AtomicI64::new(0),
            draining: AtomicBool::new(false),
            floor: RwLock::new(Floor::new(i64::MAX, 1)),
            memory: Cache::new(records),
        }
    }

    /// Begins anew with this floor, which knows all up to `heard`: whatever was remembered belonged to
    /// another history, or may have changed unseen.
    pub fn start_over(&self, floor: Floor, heard: i64) {
        self.lease.end();
        self.heard.store(heard, Ordering::Release);
        self.memory.invalidate_all();
        self.lineages.invalidate_all();
        if let Ok(mut present) = self.floor.write() {
            *present = floor;
        }
    }

    /// Applies changes: from here on older readings of these credentials are refused.
    pub fn apply(&self, changes: &[Change]) {
        if let Ok(mut floor) = self.floor.write() {
            for change in changes {
                floor.raise(change.seq, &change.credential, change.version);
            }
        }
        if let Some(last) = changes.last() {
            self.heard.store(last.seq, Ordering::Release);
        }
        self.roster.add(changes.iter().map(|c| c.credential.as_str()));
    }

    /// While the lease is alive: when it ends, and the authority's time.
    #[must_use]
    pub fn may_serve(&self) -> Option<(BootInstant, Timestamp)> {
        let mut deadline = BootInstant::from_millis(self.lease.until_ms());
        if Switch::NoLease.is_on() {
            deadline = self.clock.boot().plus(Duration::from_hours(1));
        }
        (self.clock.boot() < deadline).then_some(())?;
        Some((deadline, self.clock.authority()?))
    }

    /// The same, after waiting for a lease for at most `patience` if there is none.
    pub async fn leased(&self, patience: Duration) -> Option<(BootInstant, Timestamp)> {
        let leased = async {
            loop {
                let extended = self.lease.extended();
                if let Some(leased) = self.may_serve() {
                    return leased;
                }
                extended.await;
            }
        };
        tokio::time::timeout(patience, leased).await.ok()
    }

    /// Notes whether an operator is taking the region away.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether an operator is taking the region away: others should be asked.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether this reading is as new as the floor says. A poisoned lock admits nothing.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        Switch::NoFloor.is_on() || self.floor.read().is_ok_and(|floor| floor.admits(entry))
    }

    /// It knows of every change above this one.
    #[must_use]
    pub fn low_water(&self) -> i64 {
        self.floor.read().map_or(i64::MAX, |floor| floor.low_water())
    }

    /// The newest change that was applied: an answer from before it is of no use.
    #[must_use]
    pub fn heard(&self) -> i64 {
        self.heard.load(Ordering::Acquire)
    }

    pub(super) fn recall(&self, credential: &str) -> Option<Entry> {
        self.memory.get(credential).filter(|entry| self.admits(entry))
    }

    /// Keeps a reading, unless there is a newer one.
    pub fn remember(&self, entry: &Entry) {
        let key = entry.record.credential.clone();
        self.memory.entry(key).and_upsert_with(|held| match held {
            Some(held) if !entry.supersedes(held.value()) => held.into_value(),
            _ => entry.clone(),
        });
    }

    /// About how many records are in memory.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub fn records(&self) -> f64 {
        self.memory.entry_count() as f64
    }

    /// Whose records are in memory.
    #[must_use]
    pub fn remembered(&self) -> Vec<String> {
        self.memory.iter().map(|(credential, _)| credential.as_ref().clone()).collect()
    }

    /// What is in memory of this credential, whether or not it may be believed.
    #[must_use]
    pub fn held(&self, credential: &str) -> Option<Entry> {
        self.memory.get(credential)
    }

    /// Takes a record out of memory.
    pub fn forget(&self, credential: &str) {
        self.memory.invalidate(credential);
    }

    pub(super) fn lane(&self, credential: &str) -> Lane {
        if self.roster.has(credential) { Lane::Known } else { Lane::Doubtful }
    }
}
