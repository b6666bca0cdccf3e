//! Steps through a log, line by line, and stops at the first that the rules forbid.

use std::collections::HashMap;

use super::log::{Event, Line};
use super::world::{Facts, Process};
use crate::rules;

/// `STALE_AFTER` of the product, milliseconds: a lease is not extended by who lacks an older change.
pub const STALE_AFTER_MS: i64 = 400;

/// What a line breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// A lease counts from before the question, and is no longer than leases are.
    LeaseTooLong,
    /// The lease is committed, then the snapshot is taken.
    SnapshotBeforeLease,
    /// A lease was extended although an old change had not been applied.
    LeaseOfTheStale,
    /// A lease was extended by an answer in which a committed change was missing.
    ChangeUnheard,
    /// I1: it turned valid without an acknowledgement, or with one of another epoch.
    FlippedUnacknowledged,
    /// I9: it turned valid while an instance still answered from what was before.
    FlippedUnheard,
    /// I2: a receipt was completed while a live instance had not applied the change.
    ReturnedUnheard,
    /// No lease, no answer.
    ServedWithoutLease,
    /// It was served from an older version, or an older reading, than the instance had to know.
    ServedBelowFloor,
    /// An entry was opened that was sealed in another epoch.
    ServedFromElsewhere,
    /// I3: what is pending was served.
    ServedArmed,
    /// I2: what a receipt had ended was served to a request that came after it.
    ServedEnded,
    /// I6: an older version was served than before.
    ServedOlder,
    /// A process did something before it had registered.
    Unregistered,
}

/// The first line that the rules forbid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forbidden {
    /// Its number in the merged log, from 1.
    pub line: usize,
    pub broken: Broken,
}

/// A replay of one log.
pub struct Replayer<'a> {
    facts: Facts,
    lines: &'a [Line],
    /// The longest lease, milliseconds.
    lease_ms: i64,
    pub(super) processes: HashMap<&'a str, Process>,
    /// `(at_ms, seq)` of commits, as they were written.
    committed: Vec<(i64, i64)>,
    /// `(at_ms, version)` of completed receipts, by credential.
    pub(super) returned: HashMap<&'a str, Vec<(i64, i64)>>,
}

impl<'a> Replayer<'a> {
    /// For merged lines, of instances with leases of this length.
    pub fn new(lines: &'a [Line], lease_ms: i64) -> Self {
        Self {
            facts: Facts::of(lines),
            lines,
            lease_ms,
            processes: HashMap::new(),
            committed: Vec::new(),
            returned: HashMap::new(),
        }
    }

    /// Replays all of it.
    pub fn run(mut self) -> Result<(), Forbidden> {
        for (line, number) in self.lines.iter().zip(1..) {
            self.step(line).map_err(|broken| Forbidden { line: number, broken })?;
        }
        Ok(())
    }

    fn step(&mut self, Line { at_ms, event }: &'a Line) -> Result<(), Broken> {
        match event {
            Event::Registered { instance, applied, low_water, .. } => {
                self.processes.entry(instance).or_default().register(*at_ms, *applied, *low_water);
            }
            Event::Applied { instance, seq, credential, version } => {
                self.process(instance)?.apply(*at_ms, *seq, credential, *version);
            }
            Event::StartedOver { instance } => *self.process(instance)? = Process::default(),
            Event::Lease { .. } => self.lease(*at_ms, event)?,
            Event::Served { .. } => self.served(*at_ms, event)?,
            Event::Committed { seq, .. } => self.committed.push((*at_ms, *seq)),
            Event::Flipped { credential, version, seq, asked_ms } => {
                self.flipped(*at_ms, credential, *version, *seq, *asked_ms)?;
            }
            Event::Returned { credential, version, seq } => {
                // Who has a lease now, whenever it was given, has applied it.
                let passed = |p: &Process| rules::has_passed(p.applied, *seq, p.until_ms > *at_ms);
                let everybody = self.processes.values().all(passed);
                everybody.then_some(()).ok_or(Broken::ReturnedUnheard)?;
                self.returned.entry(credential).or_default().push((*at_ms, *version));
            }
            Event::Acknowledged { .. } | Event::Epoch { .. } | Event::RegionState { .. } => {}
        }
        Ok(())
    }

    pub(super) fn process(&mut self, instance: &str) -> Result<&mut Process, Broken> {
        self.processes.get_mut(instance).filter(|process| process.registered).ok_or(Broken::Unregistered)
    }

    fn lease(&mut self, at_ms: i64, event: &Event) -> Result<(), Broken> {
        let Event::Lease { instance, asked_ms, until_ms, leased_us, snapshot_us, .. } = event else {
            return Ok(());
        };
        let Event::Lease { acknowledged, applied, low_water, epoch, .. } = event else { return Ok(()) };
        if until_ms - asked_ms > self.lease_ms {
            return Err(Broken::LeaseTooLong);
        }
        if leased_us > snapshot_us {
            return Err(Broken::SnapshotBeforeLease);
        }
        let newest = |before: i64| {
            self.committed.iter().filter(|(at, _)| *at < before).map(|(_, seq)| *seq).max().unwrap_or(0)
        };
        if !rules::extends(*acknowledged, newest(asked_ms - STALE_AFTER_MS)) {
            return Err(Broken::LeaseOfTheStale);
        }
        // What was committed before the question was there to be heard.
        if *applied < newest(*asked_ms) {
            return Err(Broken::ChangeUnheard);
        }
        let process = self.process(instance)?;
        process.applied = process.applied.max(*applied);
        process.epoch = *epoch;
        process.extend(at_ms, *until_ms, *low_water);
        Ok(())
    }

    fn flipped(
        &self,
        at_ms: i64,
        credential: &str,
        version: i64,
        seq: i64,
        asked_ms: i64,
    ) -> Result<(), Broken> {
        let regions = self.facts.required(asked_ms, at_ms);
        let acknowledged = regions.iter().map(|region| {
            let epochs = self.facts.epochs(region, asked_ms, at_ms);
            let mut acknowledged = self.facts.acknowledged(region, credential, at_ms);
            acknowledged.any(|it| epochs.iter().any(|epoch| rules::counts(Some(it), version, *epoch)))
        });
        // A region of which the log does not say that it is required cannot be held against it.
        if !regions.is_empty() && !rules::may_flip(acknowledged, [], true) {
            return Err(Broken::FlippedUnacknowledged);
        }
        // Leases that were alive from before the question until after the answer.
        let throughout = |p: &Process| p.leased_ms <= asked_ms && p.until_ms > at_ms;
        let passed = self.processes.values().map(|p| rules::has_passed(p.applied, seq, throughout(p)));
        rules::may_flip([true], passed, true).then_some(()).ok_or(Broken::FlippedUnheard)
    }
}
