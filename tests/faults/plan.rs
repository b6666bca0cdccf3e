//! What will happen in one run. A seed decides everything: the faults, where, when and how strong; what
//! administrators do, when, and whom they ask.
//!
//! The first fault goes round with the seed, so that as many seeds in a row as there are kinds of fault see all of
//! them. From the second round on another may come beside it.

use std::fmt;
use std::time::Duration;

use crate::stage::Stage;
use crate::stage::fault::{Fault, Kind};
use crate::stage::proxy::chance::Chance;
use crate::workload::Operation;

/// The first fault begins so long after the probers.
const CALM: Duration = Duration::from_millis(300);
/// Operations begin until so long after the first fault was to be healed.
const AFTERMATH_MS: usize = 500;
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

/// A fault, and when it begins.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    pub at: Duration,
    pub fault: Fault,
}

/// An operation, when it begins, and the number of the instance that is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedOperation {
    pub at: Duration,
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
        let until = CALM + fault.holds_for();
        let operations = operations(&mut chance, until, doors);
        Self { seed, faults: vec![PlannedFault { at: CALM, fault }], operations }
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
        if chance.coin() && !fault.thing().touches(&self.faults[0].fault.thing()) {
            self.faults.push(PlannedFault { at: CALM + milliseconds(chance.below(LATER_MS)), fault });
        }
    }
}

fn operations(chance: &mut Chance, until: Duration, doors: usize) -> Vec<PlannedOperation> {
    let span = usize::try_from(until.as_millis()).expect("a short time") + AFTERMATH_MS;
    let mut planned: Vec<_> = Operation::ALL
        .map(|operation| PlannedOperation {
            at: milliseconds(chance.below(span)),
            operation,
            first: chance.below(doors),
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
        for PlannedFault { at, fault } in &self.faults {
            writeln!(f, "  {at:>9.3?}  {fault}, for {:?}", fault.holds_for())?;
        }
        for PlannedOperation { at, operation, first } in &self.operations {
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
