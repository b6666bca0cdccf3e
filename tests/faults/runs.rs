//! Runs: a few with every test run, as many as one likes with `make faults`.
//!
//! A run that fails is kept in `target/faults/<seed>/`: its plan, its history, and what was found in it; with
//! `protocol.jsonl`, what all instances did in the protocol since the stage began, when a rule of the model forbids it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::check::story::Thing;
use crate::check::{self, Rule, Violation};
use crate::history::{self, Event};
use crate::plan::Plan;
use crate::play::{CLOCK_ERROR, Outcome, play, words};
use crate::report::{self, Report};
use crate::stage::fault::Kind;
use crate::stage::{Stage, StageOptions};
use crate::trail::{self, Found, Trail};
use crate::workload::{Effort, Operation};

/// A lease that is short enough to see many of them end.
const LEASE_SECONDS: u64 = 2;

/// The most violations of one rule by one thing that are told.
const MOST_TOLD: usize = 3;

/// How hard a build without optimisation is asked on two cores.
pub const GENTLE: Effort = Effort {
    pace: Duration::from_millis(120),
    askers: 1,
    question: Duration::from_secs(3),
    operation: Duration::from_secs(8),
    settle: Duration::from_secs(30),
};

/// How hard an optimised build is asked.
pub const EAGER: Effort = Effort { pace: Duration::from_millis(60), ..GENTLE };

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
    let directory = report::directory().join(plan.seed.to_string());
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

/// Keeps the protocol log in which a line is forbidden, and tells of it.
fn forbidden(seed: u64, trail: &Trail, found: &Found) -> String {
    let directory = report::directory().join(seed.to_string());
    let path = directory.join("protocol.jsonl");
    let kept = std::fs::create_dir_all(&directory).and_then(|()| trail.save(&path));
    let kept = kept.map_or_else(|error| format!("not kept: {error}"), |()| path.display().to_string());
    format!("seed {seed}: {found}{kept}\n")
}

/// A stage, and another when it has failed.
struct Theatre {
    shape: StageOptions,
    effort: Effort,
    stage: Option<(Stage, Trail)>,
    report: Report,
}

impl Theatre {
    fn new(regions: usize, instances: usize, effort: Effort) -> Self {
        let shape =
            StageOptions { regions, instances, lease_seconds: LEASE_SECONDS, ..StageOptions::default() };
        let shape = StageOptions { log: trail::LOG.to_owned(), ..shape };
        Self { shape, effort, stage: None, report: Report::default() }
    }

    /// Plays the run of this seed; what is to be told of it.
    fn play(&mut self, seed: u64) -> Result<String, String> {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let started = || (Stage::start(self.shape.clone()), Trail::default());
            let (stage, trail) = self.stage.get_or_insert_with(started);
            let plan = Plan::of(seed, stage).only(&wanted_operations());
            let outcome = play(stage, &plan, self.effort)?;
            let replayed = trail.replay(stage).map_err(|found| forbidden(seed, trail, &found));
            Ok((plan, outcome, replayed))
        }));
        match played.unwrap_or_else(|panic| Err(words(&*panic))) {
            Ok((plan, outcome, replayed)) => {
                self.report.add(&plan, &outcome);
                let told = told_of(&plan, &outcome);
                match (told, replayed) {
                    (Ok(told), Ok(lines)) => Ok(format!("{told}, {lines} lines replayed")),
                    (Err(told), Ok(_)) => Err(told),
                    (Ok(told) | Err(told), Err(why)) => {
                        // It would be found again after every run.
                        self.stage = None;
                        self.report.add_forbidden(seed, why.clone());
                        Err(format!("{told}\n{why}"))
                    }
                }
            }
            Err(why) => {
                // Whatever it left behind is no place for another run.
                self.stage = None;
                self.report.add_stage_failure(seed, why.clone());
                Err(format!("seed {seed}: the stage failed: {why}"))
            }
        }
    }
}

/// All operations, or those that `OPERATIONS` names, separated by commas.
fn wanted_operations() -> Vec<Operation> {
    let names = std::env::var("OPERATIONS").unwrap_or_default();
    let wanted =
        |operation: &Operation| names.is_empty() || names.split(',').any(|name| name == operation.name());
    Operation::ALL.into_iter().filter(wanted).collect()
}

/// A line about a good run; all about a bad one.
fn told_of(plan: &Plan, outcome: &Outcome) -> Result<String, String> {
    let Outcome { history, judgement, .. } = outcome;
    if !judgement.violations.is_empty() {
        return Err(keep(plan, history, &judgement.violations));
    }
    let (fault, events, weight) = (&plan.faults[0], history.len(), judgement.weight());
    Ok(format!("seed {}: {fault}: {events} events, {} after a proof", plan.seed, weight.after_proof))
}

/// A number of the environment.
pub fn number(name: &str, otherwise: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(otherwise, |said| said.parse().unwrap_or_else(|_| panic!("{name}={said} is no number")))
}

/// Seeds of faults that are unlike each other.
const A_FEW: [u64; 6] = [2, 9, 18, 24, 31, 40];

#[test]
fn a_few_seeds_break_no_promise() {
    let mut theatre = Theatre::new(2, 2, GENTLE);
    for seed in A_FEW {
        let told = theatre.play(seed).unwrap_or_else(|why| panic!("{why}"));
        eprintln!("{told}");
    }
}

/// Plays `RUNS` seeds from `SEED` on: as many as there are kinds of fault, unless told, so that each has met each
/// operation.
pub fn many(report: Report) -> Report {
    let shape = |name| usize::try_from(number(name, 3)).expect("a small number");
    let mut theatre = Theatre::new(shape("REGIONS"), shape("INSTANCES"), EAGER);
    theatre.report = report;
    let first = number("SEED", 0);
    let runs = number("RUNS", u64::try_from(Kind::all().len()).expect("64 bits"));
    let bar = ProgressBar::new(runs);
    let style =
        ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {eta}").expect("a template");
    bar.set_style(style);
    for seed in first..first + runs {
        let (Ok(told) | Err(told)) = theatre.play(seed);
        bar.suspend(|| eprintln!("{told}"));
        bar.inc(1);
    }
    bar.finish_and_clear();
    theatre.report
}

/// Plays the run of `SEED` alone, on the stage of the many.
#[test]
#[ignore = "for playing a run again"]
fn one_seed() {
    let (regions, instances) = (number("REGIONS", 3), number("INSTANCES", 3));
    let small = |number: u64| usize::try_from(number).expect("a small number");
    let mut theatre = Theatre::new(small(regions), small(instances), GENTLE);
    let told = theatre.play(number("SEED", 0)).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{told}");
}

/// Judges the history of `SEED` again that was kept.
#[test]
#[ignore = "for a checker that has changed"]
fn judge_again() {
    let kept = report::directory().join(number("SEED", 0).to_string()).join("history.jsonl");
    let history = history::load(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
    let violations = check::judge(&history, CLOCK_ERROR, &check::Troubles::default()).violations;
    assert!(violations.is_empty(), "{}", told(&history, &violations));
}
