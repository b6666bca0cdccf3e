//! Runs: a few with every test run, as many as one likes with `make faults`.
//!
//! A run that fails is kept in `target/faults/<seed>/`: its plan, its history, and what was found in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::check::story::Thing;
use crate::check::{Rule, Violation};
use crate::history::{self, Event};
use crate::plan::Plan;
use crate::play::{Outcome, play};
use crate::stage::{Stage, StageOptions};
use crate::workload::Effort;

/// A lease that is short enough to see many of them end.
const LEASE_SECONDS: u64 = 2;

/// The most violations of one rule by one thing that are told.
const MOST_TOLD: usize = 3;

/// How hard a build without optimisation is asked on two cores.
pub const GENTLE: Effort = Effort {
    pace: Duration::from_millis(120),
    question: Duration::from_secs(3),
    operation: Duration::from_secs(8),
    settle: Duration::from_secs(30),
};

fn stage(regions: usize, instances: usize) -> Stage {
    Stage::start(StageOptions { regions, instances, lease_seconds: LEASE_SECONDS, ..StageOptions::default() })
}

/// Where runs are kept.
pub fn kept_at(seed: u64) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    target.join("faults").join(seed.to_string())
}

/// Violations with the events that show them; of those of one kind a few, for the first fault brings many.
fn told(history: &[Event], violations: &[Violation]) -> String {
    let mut found = String::new();
    let mut told: BTreeMap<(Rule, Thing), usize> = BTreeMap::new();
    for violation in violations {
        let of_its_kind = told.entry((violation.rule, violation.thing)).or_default();
        *of_its_kind += 1;
        if *of_its_kind > MOST_TOLD {
            continue;
        }
        writeln!(found, "{violation}").expect("a string takes everything");
        for event in &violation.events {
            writeln!(found, "    {}", history[*event]).expect("a string takes everything");
        }
    }
    for ((rule, thing), count) in told.into_iter().filter(|(_, count)| *count > MOST_TOLD) {
        writeln!(found, "{rule:?}: {thing}: {} more", count - MOST_TOLD).expect("a string takes everything");
    }
    found
}

/// Keeps a run that failed, and says how to play it again.
pub fn keep(plan: &Plan, history: &[Event], violations: &[Violation]) -> String {
    let directory = kept_at(plan.seed);
    let found = told(history, violations);
    let write = || {
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("plan.txt"), plan.to_string())?;
        std::fs::write(directory.join("violations.txt"), &found)?;
        history::save(history, &directory.join("history.jsonl"))
    };
    let kept: std::io::Result<()> = write();
    let kept = kept
        .map_or_else(|error| format!("not kept: {error}"), |()| format!("kept in {}", directory.display()));
    let seed = plan.seed;
    format!(
        "{plan}{found}{kept}\nplay it again: SEED={seed} cargo test --test faults one_seed -- --ignored --nocapture\n"
    )
}

fn good(plan: &Plan, outcome: &Outcome) -> Result<(), String> {
    let Outcome { history, judgement, .. } = outcome;
    if judgement.violations.is_empty() { Ok(()) } else { Err(keep(plan, history, &judgement.violations)) }
}

/// Plays the run of `SEED` alone.
#[test]
#[ignore = "for playing a run again"]
fn one_seed() {
    let seed = std::env::var("SEED").expect("SEED=…").parse().expect("a number");
    let stage = stage(1, 3);
    let plan = Plan::of(seed, &stage);
    eprint!("{plan}");
    let began = Instant::now();
    let outcome = play(&stage, &plan, GENTLE).expect("the stage holds");
    let weight = outcome.judgement.weight;
    eprintln!("{:?} {} events, {weight:?}, {:?}", began.elapsed(), outcome.history.len(), outcome.operations);
    good(&plan, &outcome).unwrap_or_else(|why| panic!("{why}"));
}
