//! What will happen in one run. A seed decides everything: the faults, where, when and how strong; what
//! administrators do, when, and whom they ask.
//!
//! The first fault goes round with the seed, so that as many seeds in a row as there are kinds of fault see all of
//! them. From the second round on another may come beside it.

use std::fmt;
use std::time::Duration;

use crate::stage::Stage;
use crate::stage::fault::{Fault, Kind, PostgresKind, RedisKind};
use crate::stage::proxy::chance::Chance;
use crate::workload::Operation;

/// The first fault begins so long after the probers.
const CALM: Duration = Duration::from_millis(300);
/// Operations begin from so long before the first fault until so long after it.
const AROUND_MS: usize = 250;
/// How much later than the first the second fault may begin.
const LATER_MS: usize = 1_500;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// The first is the one that the run is about.
    pub faults: Vec<PlannedFault>,
    pub operations: Vec<PlannedOperation>,
}

/// A fault, when it begins, and how long it lasts.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    pub at: Duration,
    pub lasts: Duration,
    pub breaks: Breaks,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Breaks {
    /// One of the stage's faults.
    Fault(Fault),
    /// What a test makes up for itself: its name, and how it begins.
    Own(&'static str, fn(&Stage) -> Heal),
}

/// How what a test has made up is undone.
pub type Heal = Box<dyn FnOnce(&Stage) + Send>;

impl PlannedFault {
    /// A fault that lasts as long as it should.
    pub fn new(at: Duration, fault: Fault) -> Self {
        Self { at, lasts: fault.holds_for(), breaks: Breaks::Fault(fault) }
    }

    /// Whether a region's cache takes nothing meanwhile, so that the region can acknowledge nothing.
    pub fn silences_a_cache(&self) -> bool {
        use RedisKind::{Evicting, Killed, OutOfMemory, Paused};
        let Breaks::Fault(fault) = &self.breaks else { return false };
        matches!(fault.kind, Kind::Redis(Killed | Paused | OutOfMemory | Evicting))
    }

    /// Whether a former primary goes on answering.
    pub fn deposes_a_primary(&self) -> bool {
        let Breaks::Fault(fault) = &self.breaks else { return false };
        fault.kind == Kind::Postgres(PostgresKind::FailedOverUnfenced)
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.breaks {
            Breaks::Fault(fault) => write!(f, "{fault}, for {:?}", self.lasts),
            Breaks::Own(name, _) => write!(f, "{name}, for {:?}", self.lasts),
        }
    }
}

/// An operation, when it begins, and the number of the instance that is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedOperation {
    pub at: Duration,
    /// Whether that is counted from when the first fault is there, and not from when everybody begins.
    pub follows: bool,
    pub operation: Operation,
    pub first: usize,
}

impl Plan {
    /// The plan of this seed for this stage, or for stages like it.
    pub fn of(seed: u64, stage: &Stage) -> Self {
        let kinds = stage.faults();
        let count = u64::try_from(kinds.len()).expect("64 bits");
        let kind = kinds[usize::try_from(seed % count).expect("below a usize")];
        let mut plan = Self::about(kind, seed, stage);
        if seed >= count {
            plan.add_another(&kinds, stage);
        }
        plan
    }

    /// A plan about this kind of fault.
    pub fn about(kind: Kind, seed: u64, stage: &Stage) -> Self {
        let mut chance = Chance::of(seed);
        let fault = Fault::plan(kind, stage, &mut chance);
        let doors = stage.instances().len();
        let operations = operations(&mut chance, fault.holds_for(), doors);
        Self { seed, faults: vec![PlannedFault::new(CALM, fault)], operations }
    }

    /// The kind of fault that it is about.
    pub fn about_what(&self) -> String {
        match self.faults.first().map(|first| &first.breaks) {
            Some(Breaks::Fault(fault)) => fault.kind.to_string(),
            Some(Breaks::Own(name, _)) => (*name).to_owned(),
            None => "nothing".to_owned(),
        }
    }

    /// The same with these operations only.
    pub fn only(mut self, operations: &[Operation]) -> Self {
        self.operations.retain(|planned| operations.contains(&planned.operation));
        self
    }

    /// Another fault somewhere else, if chance has it so.
    fn add_another(&mut self, kinds: &[Kind], stage: &Stage) {
        let mut chance = Chance::of(self.seed).branch(2);
        let fault = Fault::plan(*chance.one_of(kinds), stage, &mut chance);
        let Breaks::Fault(first) = &self.faults[0].breaks else { return };
        if chance.coin() && !fault.thing().touches(&first.thing()) {
            self.faults.push(PlannedFault::new(CALM + milliseconds(chance.below(LATER_MS)), fault));
        }
    }
}

/// Most begin while the fault is there; now and then one begins a little before or after it.
fn operations(chance: &mut Chance, lasts: Duration, doors: usize) -> Vec<PlannedOperation> {
    let lasts = usize::try_from(lasts.as_millis()).expect("a short time");
    let mut planned: Vec<_> = Operation::ALL
        .map(|operation| {
            let at = CALM + milliseconds(chance.below(lasts + 2 * AROUND_MS));
            let at = at.saturating_sub(milliseconds(AROUND_MS));
            PlannedOperation { at, follows: false, operation, first: chance.below(doors) }
        })
        .into();
    planned.sort_by_key(|planned| planned.at);
    planned
}

fn milliseconds(count: usize) -> Duration {
    Duration::from_millis(u64::try_from(count).expect("64 bits"))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for fault in &self.faults {
            writeln!(f, "  {:>9.3?}  {fault}", fault.at)?;
        }
        for PlannedOperation { at, operation, first, .. } in &self.operations {
            writeln!(f, "  {at:>9.3?}  {} asked of instance {first}", operation.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_when_and_whom_to_ask() {
        let of = |seed| operations(&mut Chance::of(seed), Duration::from_secs(3), 9);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let mut all: Vec<Operation> = of(7).iter().map(|planned| planned.operation).collect();
        all.sort_unstable();
        assert_eq!(all, Operation::ALL, "every operation in every run");
    }
}
