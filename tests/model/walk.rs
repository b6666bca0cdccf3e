//! Walks a scenario to its end, and says what was found.

use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::protocol::Protocol;
use crate::scenario::Scenario;

/// How often a walk says how far it is.
const EVERY: Duration = Duration::from_secs(10);
/// How often it looks whether it is done.
const LOOK: Duration = Duration::from_millis(5);
/// One walker for each of the two cores that the tests are given.
const WALKERS: usize = 2;

/// What a walk says on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    None,
    /// A line now and then.
    Lines,
}

/// Walks through every state of a scenario, and fails if one breaks an invariant, or if what the
/// scenario is about is never reached. How many states there are.
pub fn walk(scenario: Scenario, progress: Progress) -> usize {
    let (model, started) = (Protocol { scenario }, Instant::now());
    let builder = model.checker().threads(WALKERS).finish_when(HasDiscoveries::AnyFailures);
    let mut checker = builder.spawn_bfs();
    let walkers = checker.handles();
    let mut told = started;
    let say = |checker: &dyn Walked, end: &str| {
        let (states, depth) = checker.so_far();
        let taken = started.elapsed().as_secs_f64();
        println!("{:20} {states:10} states, depth {depth:3}, {taken:6.1} s{end}", scenario.name);
    };
    while walkers.iter().any(|walker| !walker.is_finished()) {
        std::thread::sleep(LOOK);
        if progress == Progress::Lines && told.elapsed() > EVERY {
            told = Instant::now();
            say(&checker, " …");
        }
    }
    for walker in walkers {
        walker.join().expect("a walker that does not panic");
    }
    say(&checker, "");
    for property in model.properties() {
        let found = checker.discovery(property.name).map(Path::into_actions);
        let is_example = property.expectation == Expectation::Sometimes;
        assert!(found.is_some() == is_example, "{}: {}: {found:?}", scenario.name, property.name);
    }
    checker.unique_state_count()
}

/// How far a checker is.
trait Walked {
    /// States, and the steps to the furthest of them.
    fn so_far(&self) -> (usize, usize);
}

impl<C: Checker<Protocol>> Walked for C {
    fn so_far(&self) -> (usize, usize) {
        (self.unique_state_count(), self.max_depth())
    }
}
