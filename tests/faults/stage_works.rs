//! The stage itself: every kind of fault bites, and after it was healed the stage is whole again.
//!
//! Which fault does what to Carnet is the suite's question; here it is whether it does anything at all, because a fault that does not bite makes every
//! promise look kept.

mod instances;
mod killed;
mod links;
mod many;
mod postgres;
mod redis;
mod regions;
mod world;

use std::sync::Arc;
use std::time::Duration;

use crate::stage::fault::Fault;
use crate::stage::proxy::chance::Chance;
use crate::stage::{Instance, Kind, Stage, StageOptions, until};

/// As long as a wait has to be to tell what hangs from what answers.
const HANGS: Duration = Duration::from_millis(500);

fn stage() -> Stage {
    Stage::start(StageOptions { lease_seconds: 2, ..StageOptions::default() })
}

/// Plays one fault: `bites` is to show that it is there, `healed` that it is over, beside that the stage is whole.
fn play(stage: &Stage, kind: Kind, bites: impl FnOnce(&Stage, &Fault), healed: impl FnOnce(&Stage, &Fault)) {
    if !kind.is_possible(stage) {
        eprintln!("not played, for this machine or this version cannot: {kind}");
        return;
    }
    let fault = Fault::plan(kind, stage, &mut Chance::of(7));
    let begun = fault.begin(stage);
    bites(stage, &fault);
    begun.heal(stage);
    stage.await_whole();
    healed(stage, &fault);
    for instance in stage.instances() {
        // What it has under way to a link that was dead may have to time out first.
        let what = format!("{} gives tokens after {fault}", instance.name());
        until(&what, Duration::from_secs(5), || stage.token_status(&instance) == Some(200));
    }
}

/// The instance that a fault is about.
fn instance_of(stage: &Stage, fault: &Fault) -> Arc<Instance> {
    stage.region(&fault.region).instances[fault.number].clone()
}

/// How many instances are believed to hold a lease.
fn leases(stage: &Stage) -> String {
    stage.sql("SELECT count(*) FROM instance WHERE lease_until > clock_timestamp()").expect("a number")
}

#[test]
fn there_are_more_than_two_dozen_kinds_of_fault_and_a_seed_decides_all_of_them() {
    assert!(Kind::all().len() >= 24);
    let stage = Stage::start(StageOptions { instances: 1, ..StageOptions::default() });
    let plan = |seed| {
        let mut chance = Chance::of(seed);
        let kinds = stage.faults();
        let plan = |_| Fault::plan(*chance.one_of(&kinds), &stage, &mut chance);
        (0..50).map(plan).map(|fault| format!("{fault} {:?}", fault.holds_for())).collect::<Vec<_>>()
    };
    assert_eq!(plan(1), plan(1));
    assert_ne!(plan(1), plan(2));
}
