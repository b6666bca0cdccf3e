//! Faults upon faults: whatever is planned and does not touch what another touches, the stage is whole again afterwards.

use std::time::{Duration, Instant};

use crate::stage::fault::{Begun, Fault, Thing};
use crate::stage::proxy::chance::Chance;
use crate::stage::{Stage, StageOptions};

/// The most faults at once.
const AT_ONCE: usize = 3;

/// Plans a fault that gets in none of these's way.
fn plan(stage: &Stage, there: &[Thing], chance: &mut Chance) -> Option<Fault> {
    let kinds = stage.faults();
    let plans = (0..20).map(|_| Fault::plan(*chance.one_of(&kinds), stage, chance));
    let mut plans = plans.collect::<Vec<_>>().into_iter();
    plans.find(|fault| !there.iter().any(|thing| thing.touches(&fault.thing())))
}

fn heal(stage: &Stage, fault: &Fault, begun: Begun) {
    let since = Instant::now();
    begun.heal(stage);
    eprintln!("  healed in {:>4} ms: {fault}", since.elapsed().as_millis());
}

/// Begins up to three, heals them in the order that chance decides, and looks.
fn round(stage: &Stage, chance: &mut Chance) {
    let mut there: Vec<(Fault, Begun)> = Vec::new();
    for _ in 0..=chance.below(AT_ONCE) {
        let things: Vec<_> = there.iter().map(|(fault, _)| fault.thing()).collect();
        let Some(fault) = plan(stage, &things, chance) else { continue };
        let since = Instant::now();
        let begun = fault.begin(stage);
        eprintln!("  there  in {:>4} ms: {fault}", since.elapsed().as_millis());
        std::thread::sleep(fault.holds_for() / 4);
        there.push((fault, begun));
    }
    while !there.is_empty() {
        let (fault, begun) = there.swap_remove(chance.below(there.len()));
        heal(stage, &fault, begun);
    }
    let since = Instant::now();
    stage.await_whole();
    eprintln!("  whole  in {:>4} ms", since.elapsed().as_millis());
}

/// `RUNS` seeds of as many seconds as `SECONDS` says, in as many `REGIONS`.
#[test]
#[ignore = "takes minutes"]
fn faults_upon_faults_leave_the_stage_whole() {
    let number =
        |name: &str, or: u64| std::env::var(name).map_or(or, |value| value.parse().expect("a number"));
    for seed in 0..number("RUNS", 1) {
        let regions = usize::try_from(number("REGIONS", 1)).expect("a small number");
        let options = StageOptions { regions, lease_seconds: 2, ..StageOptions::default() };
        let (stage, mut chance) = (Stage::start(options), Chance::of(seed));
        let began = Instant::now();
        for round_of_it in 0.. {
            if began.elapsed() > Duration::from_secs(number("SECONDS", 60)) {
                break;
            }
            eprintln!("seed {seed}, round {round_of_it}");
            round(&stage, &mut chance);
        }
        for instance in stage.instances() {
            assert_eq!(stage.token_status(&instance), Some(200), "{}", instance.name());
        }
        assert_eq!(stage.postgres.copies(), 1, "every former primary was rewound");
    }
}
