//! Steps through a log, line by line, and stops at the first that the rules forbid.

use std::collections::HashMap;

use super::facts::Facts;
use super::log::{Event, Line};
use super::world::{Changes, Process, Rising};
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
    facts: Facts<'a>,
    lines: &'a [Line],
    /// The longest lease, milliseconds.
    lease_ms: i64,
    pub(super) processes: HashMap<&'a str, Process<'a>>,
    /// The histories that were seen, and the era of each.
    histories: HashMap<&'a str, usize>,
    /// Another one begins when a history lacks changes that were committed: its numbers come again.
    pub(super) era: usize,
    era_began_ms: i64,
    pub(super) changes: Changes<'a>,
    /// The newest change that was committed.
    committed: Rising,
    /// The newest change up to which all were heard.
    pub(super) returned: Rising,
}

impl<'a> Replayer<'a> {
    /// For merged lines, of instances with leases of this length.
    pub fn new(lines: &'a [Line], lease_ms: i64) -> Self {
        Self {
            facts: Facts::of(lines),
            lines,
            lease_ms,
            processes: HashMap::new(),
            histories: HashMap::new(),
            era: 0,
            era_began_ms: i64::MIN,
            changes: Changes::default(),
            committed: Rising::default(),
            returned: Rising::default(),
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
            Event::Registered { instance, history, asked_ms, applied, low_water, .. } => {
                let era = self.era_of(history, *asked_ms, *at_ms, *applied);
                self.processes.insert(instance, Process::register(era, *at_ms, *applied, *low_water));
            }
            Event::Applied { instance, seq, credential, version } => {
                let process = self.process(instance)?;
                process.apply(*at_ms, *seq);
                if process.era == self.era {
                    self.changes.note(*seq, credential, *version);
                }
            }
            Event::Placed { instance, epoch } => self.process(instance)?.place(*epoch),
            // Also of who came to its end before it could register.
            Event::StartedOver { instance } => {
                self.processes.entry(instance).or_default().ended_ms = Some(*at_ms);
            }
            Event::Lease { .. } => self.lease(*at_ms, event)?,
            Event::Served { .. } => self.served(*at_ms, event)?,
            Event::Committed { seq, asked_ms } => {
                if *asked_ms >= self.era_began_ms {
                    self.committed.note(*at_ms, *seq);
                }
            }
            Event::Flipped { credential, version, seq, asked_ms } => {
                self.flipped(*at_ms, credential, *version, *seq, *asked_ms)?;
            }
            Event::Returned { seq } => {
                // Who has a lease now, whenever it was given, has applied it.
                let passed = |p: &Process| rules::has_passed(p.applied(), *seq, p.has_lease(*at_ms));
                self.of_this_era().all(passed).then_some(()).ok_or(Broken::ReturnedUnheard)?;
                self.returned.note(*at_ms, *seq);
            }
            Event::Acknowledged { .. } | Event::Epoch { .. } | Event::RegionState { .. } => {}
        }
        Ok(())
    }

    /// The era of a history that somebody has loaded all changes of, up to `applied`. A failover that lost
    /// nothing goes on with what is known; after a restore all of it was of another world.
    fn era_of(&mut self, history: &'a str, asked_ms: i64, at_ms: i64, applied: i64) -> usize {
        if let Some(era) = self.histories.get(history) {
            return *era;
        }
        if self.committed.before(asked_ms).is_some_and(|newest| newest > applied) {
            (self.era, self.era_began_ms) = (self.era + 1, at_ms);
            self.changes = Changes::default();
            (self.committed, self.returned) = (Rising::default(), Rising::default());
        }
        self.histories.insert(history, self.era);
        self.era
    }

    fn of_this_era(&self) -> impl Iterator<Item = &Process<'a>> {
        self.processes.values().filter(|process| process.era == self.era)
    }

    fn process(&mut self, instance: &str) -> Result<&mut Process<'a>, Broken> {
        let known = self.processes.get_mut(instance);
        known.filter(|process| process.ended_ms.is_none()).ok_or(Broken::Unregistered)
    }

    fn lease(&mut self, at_ms: i64, event: &Event) -> Result<(), Broken> {
        let Event::Lease { instance, asked_ms, until_ms, leased_us, snapshot_us, .. } = event else {
            return Ok(());
        };
        let Event::Lease { acknowledged, applied, low_water, .. } = event else { return Ok(()) };
        if until_ms - asked_ms > self.lease_ms {
            return Err(Broken::LeaseTooLong);
        }
        if leased_us > snapshot_us {
            return Err(Broken::SnapshotBeforeLease);
        }
        let era = self.process(instance)?.era;
        let newest =
            |before_ms: i64| self.committed.before(before_ms).filter(|_| era == self.era).unwrap_or(0);
        if !rules::extends(*acknowledged, newest(asked_ms - STALE_AFTER_MS)) {
            return Err(Broken::LeaseOfTheStale);
        }
        // What was committed before the question was there to be heard.
        if *applied < newest(*asked_ms) {
            return Err(Broken::ChangeUnheard);
        }
        self.process(instance)?.extend(at_ms, *until_ms, *applied, *low_water);
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
        let what = (credential, version);
        let has = |region: &&str| self.facts.has_acknowledged(region, what, asked_ms, at_ms);
        let acknowledged = regions.iter().map(has);
        // A region of which the log does not say that it is required cannot be held against it.
        if !regions.is_empty() && !rules::may_flip(acknowledged, [], true) {
            return Err(Broken::FlippedUnacknowledged);
        }
        // Leases that were alive from before the question until after the answer.
        let passed = self.of_this_era().map(|process| {
            rules::has_passed(process.applied(), seq, process.has_lease_throughout(asked_ms, at_ms))
        });
        rules::may_flip([true], passed, true).then_some(()).ok_or(Broken::FlippedUnheard)
    }
}
