//! What all workers of an instance know together: lease, floor, memory, roster.
//!
//! The feed writes it, requests read it. Whenever the feed starts over, a new life begins: the authority's history may be
//! another. What is remembered carries the life in which the reading began, and is believed in that life only, so that a
//! reader that was overtaken by the change leaves nothing behind that counts.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use moka::sync::Cache;
use uuid::Uuid;

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

/// Between two times that the feed starts over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Life(u64);

/// The floor, and the life that it belongs to, with its name: changed together, so that no entry is held against another life's floor.
#[derive(Debug)]
struct Present {
    life: Life,
    floor: Floor,
    /// What the authority knows this process by.
    instance: Uuid,
}

/// Lease, floor, memory and roster.
#[derive(Debug)]
pub struct Knowledge {
    /// The clock that the lease is counted on.
    pub clock: Arc<Clock>,
    /// Until when caches may be believed.
    pub lease: Lease,
    /// Who is known at all.
    pub roster: Roster,
    lineages: Cache<String, (Life, Arc<[String]>)>,
    /// All changes up to this one were applied.
    heard: AtomicI64,
    /// An operator is taking the region away.
    draining: AtomicBool,
    present: RwLock<Present>,
    memory: Cache<String, (Life, Entry)>,
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
            present: RwLock::new(Present {
                life: Life(0),
                floor: Floor::new(i64::MAX, 1),
                instance: Uuid::nil(),
            }),
            memory: Cache::new(records),
        }
    }

    /// Begins anew under this name with this floor, which knows all up to `heard`: whatever was remembered belonged
    /// to another history, or may have changed unseen.
    pub fn start_over(&self, floor: Floor, heard: i64, instance: Uuid) {
        self.lease.end();
        self.heard.store(heard, Ordering::Release);
        if let Ok(mut present) = self.present.write() {
            *present = Present { life: Life(present.life.0 + 1), floor, instance };
        }
        // For the room that it takes. Whoever is late with a reading of the life before fills some of it again.
        self.memory.invalidate_all();
        self.lineages.invalidate_all();
    }

    /// The present life; none when a lock is poisoned. To be asked for before a record is read that is to be remembered.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        self.present.read().ok().map(|present| present.life)
    }

    /// Applies changes: from here on older readings of these credentials are refused.
    pub fn apply(&self, changes: &[Change]) {
        if let Ok(mut present) = self.present.write() {
            for change in changes {
                present.floor.raise(change.seq, &change.credential, change.version);
            }
        }
        if let Some(last) = changes.last() {
            self.heard.store(last.seq, Ordering::Release);
        }
        self.roster.add(changes.iter().map(|c| c.credential.as_str()));
    }

    /// What the authority knows this process by at present.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.present.read().map_or(Uuid::nil(), |present| present.instance)
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

    /// The same, if a reading that began in this life may be believed: the life goes on, and the floor admits it. The
    /// floor is looked at *after* the lease. Who has heard nothing for a while, and then hears and has a lease again, would
    /// otherwise serve by that lease what it admitted before it heard.
    pub(super) fn may_serve_this(&self, life: Life, entry: &Entry) -> Option<(BootInstant, Timestamp)> {
        let leave = self.may_serve()?;
        let present = self.present.read().ok()?;
        let believed = present.life == life && (Switch::NoFloor.is_on() || present.floor.admits(entry));
        believed.then_some(leave)
    }

    /// Until when it may serve, after waiting for a lease for at most `patience` if there is none.
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
        Switch::NoFloor.is_on() || self.present.read().is_ok_and(|present| present.floor.admits(entry))
    }

    /// It knows of every change above this one.
    #[must_use]
    pub fn low_water(&self) -> i64 {
        self.present.read().map_or(i64::MAX, |present| present.floor.low_water())
    }

    /// The newest change that was applied: an answer from before it is of no use.
    #[must_use]
    pub fn heard(&self) -> i64 {
        self.heard.load(Ordering::Acquire)
    }

    /// What is remembered, whether or not it may be believed, and the life that it was read in.
    pub(super) fn recall(&self, credential: &str) -> Option<(Life, Entry)> {
        self.memory.get(credential)
    }

    /// Keeps a reading that began in this life, unless there is a newer one of the same life.
    pub fn remember(&self, life: Life, entry: &Entry) {
        let key = entry.record.credential.clone();
        self.memory.entry(key).and_upsert_with(|held| match held.map(moka::Entry::into_value) {
            Some((of, held)) if of == life && !entry.supersedes(&held) => (of, held),
            // Nobody believes this; it must not drive out what may be believed.
            Some(held) if Some(life) != self.life() => held,
            _ => (life, entry.clone()),
        });
    }

    /// The tenants from the root to this one, if they are remembered.
    pub(super) fn recall_lineage(&self, tsg_id: &str) -> Option<Arc<[String]>> {
        let (life, path) = self.lineages.get(tsg_id)?;
        (Some(life) == self.life()).then_some(path)
    }

    /// Keeps a line that was read in this life.
    pub(super) fn remember_lineage(&self, life: Life, tsg_id: &str, path: &Arc<[String]>) {
        self.lineages.insert(tsg_id.to_owned(), (life, Arc::clone(path)));
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

    /// What is in memory of this credential and of this life, whether or not it may be believed.
    #[must_use]
    pub fn held(&self, credential: &str) -> Option<Entry> {
        let (life, entry) = self.recall(credential)?;
        (Some(life) == self.life()).then_some(entry)
    }

    /// Takes a record out of memory.
    pub fn forget(&self, credential: &str) {
        self.memory.invalidate(credential);
    }

    pub(super) fn lane(&self, credential: &str) -> Lane {
        if self.roster.has(credential) { Lane::Known } else { Lane::Doubtful }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Record;

    fn reading(version: i64, read_seq: i64) -> Entry {
        let record = Record {
            credential: "a".to_owned(),
            service_account_id: None,
            tsg_id: "1000000000".to_owned(),
            enabled: true,
            ..Record::default()
        };
        Entry { record: Arc::new(record), version, read_seq }
    }

    /// In a history whose floor knows all above this change.
    fn begun(low_water: i64) -> Knowledge {
        let known = Knowledge::new(Arc::default(), 10);
        begin_anew(&known, low_water);
        known
    }

    fn begin_anew(known: &Knowledge, low_water: i64) {
        known.start_over(Floor::new(low_water, 10), low_water, Uuid::nil());
        let now = known.clock.boot();
        known.clock.hear(Timestamp::UNIX_EPOCH, now);
        known.lease.extend(now, Duration::from_mins(1));
    }

    /// The version that would be served.
    fn believed(known: &Knowledge) -> Option<i64> {
        let (life, entry) = known.recall("a")?;
        known.may_serve_this(life, &entry).map(|_| entry.version)
    }

    /// A restored database begins with less than what was read, so that its floor has nothing against it.
    #[test]
    fn a_reader_that_another_history_overtakes_leaves_nothing_behind_that_is_believed() {
        let known = begun(5);
        let life = known.life().expect("a life");
        let read = reading(7, 9);
        // It has looked whether the history is still the one that it read in, and has not remembered yet.
        begin_anew(&known, 3);
        known.remember(life, &read);
        assert_eq!((believed(&known), known.held("a")), (None, None));
        // The twin: of which life it is has not been kept.
        known.remember(known.life().expect("a life"), &read);
        assert_eq!(believed(&known), Some(7));
    }

    #[test]
    fn a_late_reading_does_not_drive_out_the_present_one_nor_keep_it_out() {
        let known = begun(5);
        let before = known.life().expect("a life");
        begin_anew(&known, 3);
        let present = known.life().expect("a life");
        known.remember(before, &reading(9, 9));
        known.remember(present, &reading(4, 4));
        assert_eq!(believed(&known), Some(4), "an older version of the history that counts");
        known.remember(before, &reading(9, 9));
        assert_eq!(believed(&known), Some(4));
        known.remember(present, &reading(3, 3));
        assert_eq!(believed(&known), Some(4), "the newer of one life stays");
    }

    #[test]
    fn a_line_of_tenants_is_of_one_life_too() {
        let known = begun(0);
        let life = known.life().expect("a life");
        let path: Arc<[String]> = vec!["1000000000".to_owned()].into();
        begin_anew(&known, 0);
        known.remember_lineage(life, "1000000000", &path);
        assert_eq!(known.recall_lineage("1000000000"), None);
        known.remember_lineage(known.life().expect("a life"), "1000000000", &path);
        assert_eq!(known.recall_lineage("1000000000"), Some(path));
    }
}
