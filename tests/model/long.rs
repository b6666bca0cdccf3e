//! The long run (`make model`): larger scenarios, at least ten million states in total.

use std::time::Instant;

use crate::scenarios::LONG;
use crate::walk::{Progress, walk};

/// What the run must reach, of different states.
const STATES: usize = 10_000_000;

#[test]
#[ignore = "takes minutes, and an optimised build: make model"]
fn the_invariants_hold_in_ten_million_states() {
    let started = Instant::now();
    let states: usize = LONG.iter().map(|scenario| walk(*scenario, Progress::Lines)).sum();
    println!("{states} states in {:.0} s", started.elapsed().as_secs_f64());
    assert!(states >= STATES, "{states} states are too few");
}
