//! What a log tells of the world: who knew what at which moment.

use std::collections::{BTreeMap, HashMap};

use crate::rules::{self, Known};

/// A number that never goes down, and since when it has been what.
#[derive(Default, Debug)]
pub struct Rising(Vec<(i64, i64)>);

impl Rising {
    /// From now on it is at least this. Moments come in order.
    pub fn note(&mut self, at_ms: i64, value: i64) {
        if self.last().is_none_or(|last| last < value) {
            self.0.push((at_ms, value));
        }
    }

    /// What it was before this moment.
    pub fn before(&self, at_ms: i64) -> Option<i64> {
        let count = self.0.partition_point(|(at, _)| *at < at_ms);
        count.checked_sub(1).map(|last| self.0[last].1)
    }

    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|(_, value)| *value)
    }
}

/// Which version each change brought, as far as anybody has applied it.
#[derive(Default, Debug)]
pub struct Changes<'a>(HashMap<&'a str, BTreeMap<i64, i64>>);

impl<'a> Changes<'a> {
    pub fn note(&mut self, seq: i64, credential: &'a str, version: i64) {
        self.0.entry(credential).or_default().insert(seq, version);
    }

    /// The newest version of a credential that came with a change up to this one.
    pub fn newest(&self, credential: &str, seq: i64) -> Option<i64> {
        let (_, version) = self.0.get(credential)?.range(..=seq).next_back()?;
        Some(*version)
    }
}

/// One process under one name, as far as it has been read.
#[derive(Default, Debug)]
pub struct Process<'a> {
    /// Histories of one era have all changes of before.
    pub era: usize,
    /// When it stopped serving under this name.
    pub ended_ms: Option<i64>,
    until_ms: i64,
    /// Since when it has had a lease without a break.
    leased_ms: i64,
    applied: Rising,
    low_water: Rising,
    /// `(since_ms, epoch)`, in the order of time: since when it certainly opens no entry of one before.
    epochs: Vec<(i64, i64)>,
    /// By credential, the versions that it has answered from.
    served: HashMap<&'a str, Rising>,
}

impl<'a> Process<'a> {
    pub fn register(era: usize, at_ms: i64, applied: i64, low_water: i64) -> Self {
        let mut process = Self { era, ..Self::default() };
        process.applied.note(at_ms, applied);
        process.low_water.note(at_ms, low_water);
        process
    }

    pub fn apply(&mut self, at_ms: i64, seq: i64) {
        self.applied.note(at_ms, seq);
    }

    /// It is about to move to this epoch. With the next lease, it has.
    pub fn place(&mut self, epoch: i64) {
        self.epochs.push((i64::MAX, epoch));
    }

    pub fn extend(&mut self, at_ms: i64, until_ms: i64, applied: i64, low_water: i64) {
        if self.until_ms <= at_ms {
            self.leased_ms = at_ms;
        }
        for (since_ms, _) in self.epochs.iter_mut().rev().take_while(|(since_ms, _)| *since_ms == i64::MAX) {
            *since_ms = at_ms;
        }
        self.until_ms = self.until_ms.max(until_ms);
        self.applied.note(at_ms, applied);
        self.low_water.note(at_ms, low_water);
    }

    /// It has applied all changes up to this one.
    pub fn applied(&self) -> i64 {
        self.applied.last().unwrap_or(0)
    }

    /// Whether it holds a lease at this moment, which has come.
    pub fn has_lease(&self, at_ms: i64) -> bool {
        self.ended_ms.is_none() && self.until_ms > at_ms
    }

    /// The same throughout.
    pub fn has_lease_throughout(&self, from_ms: i64, to_ms: i64) -> bool {
        self.leased_ms <= from_ms && self.has_lease(to_ms)
    }

    /// Whether it had a lease when it judged, or one was given to it since.
    pub fn may_judge(&self, judged_ms: i64) -> bool {
        self.until_ms > judged_ms
    }

    /// Whether an entry of this epoch may be opened for a request that came then. (It may have moved
    /// before it answered.)
    pub fn opens(&self, epoch: i64, asked_ms: i64) -> bool {
        let before = self.epochs.partition_point(|(since, _)| *since < asked_ms);
        let places = &self.epochs[before.saturating_sub(1)..];
        places.iter().any(|(_, place)| rules::opens((0, epoch), (0, *place)))
    }

    /// What it knew of a credential when a request came. (It may have learnt more before it answered.)
    pub fn known(&self, credential: &str, asked_ms: i64, changes: &Changes<'_>) -> Known {
        let low_water = self.low_water.before(asked_ms).unwrap_or(0);
        let newest = self.applied.before(asked_ms).and_then(|applied| changes.newest(credential, applied));
        Known { low_water, newest }
    }

    /// The newest version it had answered from before a request came.
    pub fn served_before(&self, credential: &str, asked_ms: i64) -> Option<i64> {
        self.served.get(credential).and_then(|served| served.before(asked_ms))
    }

    pub fn note_served(&mut self, at_ms: i64, credential: &'a str, version: i64) {
        self.served.entry(credential).or_default().note(at_ms, version);
    }
}
