//! The floor: below which version a record of a credential is stale.
//!
//! It remembers the newest version of every credential that changed after the low water; of older
//! changes it knows nothing, so what was read before the low water is not believed at all. Past its
//! limit it forgets the oldest changes by raising the low water.

use std::collections::{HashMap, VecDeque};

use crate::domain::record::Entry;

/// Whether a reading of this version, true up to `read_seq`, is as new as what is known: the `newest`
/// version of its credential, if any is, and nothing from before `low_water`.
#[must_use]
pub fn admits(low_water: i64, newest: Option<i64>, version: i64, read_seq: i64) -> bool {
    read_seq >= low_water && newest.is_none_or(|newest| version >= newest)
}

/// Newest versions, by credential.
#[derive(Debug)]
pub struct Floor {
    low_water: i64,
    newest: HashMap<String, (i64, i64)>,
    order: VecDeque<(i64, String)>,
    limit: usize,
}

impl Floor {
    /// Knows nothing that happened up to and including `low_water`; holds at most `limit` changes.
    #[must_use]
    pub fn new(low_water: i64, limit: usize) -> Self {
        Self { low_water, newest: HashMap::new(), order: VecDeque::new(), limit: limit.max(1) }
    }

    /// Notes a change. Changes come in the order of `seq`; one that comes twice does no harm.
    pub fn raise(&mut self, seq: i64, credential: &str, version: i64) {
        let newest = self.newest.entry(credential.to_owned()).or_insert((0, 0));
        *newest = (newest.0.max(version), newest.1.max(seq));
        self.order.push_back((seq, credential.to_owned()));
        while self.order.len() > self.limit {
            let Some((seq, credential)) = self.order.pop_front() else { break };
            self.low_water = self.low_water.max(seq);
            if self.newest.get(&credential).is_some_and(|(_, last)| *last <= seq) {
                self.newest.remove(&credential);
            }
        }
    }

    /// Whether this entry is as new as anything known of its credential.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        let newest = self.newest.get(&entry.record.credential).map(|(version, _)| *version);
        admits(self.low_water, newest, entry.version, entry.read_seq)
    }

    /// It knows of every change above this one.
    #[must_use]
    pub fn low_water(&self) -> i64 {
        self.low_water
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::record::Record;

    fn entry(credential: &str, version: i64, read_seq: i64) -> Entry {
        let record = Record {
            credential: credential.to_owned(),
            service_account_id: None,
            tsg_id: "1000000000".to_owned(),
            enabled: true,
            ..Record::default()
        };
        Entry { record: Arc::new(record), version, read_seq }
    }

    #[test]
    fn an_older_version_than_the_newest_known_is_refused() {
        let mut floor = Floor::new(10, 100);
        floor.raise(11, "a", 5);
        assert!(!floor.admits(&entry("a", 4, 10)));
        assert!(floor.admits(&entry("a", 5, 11)));
        assert!(floor.admits(&entry("b", 1, 10)), "nothing is known against b");
    }

    #[test]
    fn what_was_read_before_the_low_water_is_refused() {
        let floor = Floor::new(10, 100);
        assert!(!floor.admits(&entry("a", 9, 9)));
        assert!(floor.admits(&entry("a", 9, 10)));
    }

    #[test]
    fn forgetting_raises_the_low_water_so_that_nothing_stale_is_admitted() {
        let mut floor = Floor::new(0, 2);
        floor.raise(1, "a", 2);
        floor.raise(2, "b", 2);
        floor.raise(3, "c", 2);
        assert_eq!(floor.low_water(), 1);
        assert!(!floor.admits(&entry("a", 1, 0)), "its change is forgotten, but so is the time before");
        assert!(floor.admits(&entry("a", 2, 1)));
    }

    #[test]
    fn a_credential_that_changes_often_keeps_its_newest_version() {
        let mut floor = Floor::new(0, 2);
        for seq in 1..=5 {
            floor.raise(seq, "a", seq);
        }
        assert!(!floor.admits(&entry("a", 4, 4)));
        assert!(floor.admits(&entry("a", 5, 5)));
    }

    #[test]
    fn versions_never_go_down() {
        let mut floor = Floor::new(0, 10);
        floor.raise(1, "a", 7);
        floor.raise(2, "a", 6);
        assert!(!floor.admits(&entry("a", 6, 2)));
    }
}
