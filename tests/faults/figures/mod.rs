//! The numbers that were promised, each measured in a scenario of its own. `FIGURE=name` measures one.
//!
//! They are for an optimised build (`make faults`); without one the same scenarios run, and say what they find.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::play::words;
use crate::report::{Figure, Report};
use crate::stage::{Stage, StageOptions};

mod crowd;
mod never_again;
mod regions;
mod rotations;
mod stores;
mod turnaround;

/// Measures something.
type Scenario = fn() -> Vec<Figure>;

/// What is measured, by name. One scenario may show more than one number.
const SCENARIOS: [(&str, Scenario); 11] = [
    ("far", turnaround::far),
    ("near", turnaround::near),
    ("region_cut", turnaround::region_cut),
    ("region_paused", turnaround::region_paused),
    ("region_dead", turnaround::region_dead),
    ("never_again", never_again::never_again),
    ("region_down", regions::region_down),
    ("region_added", regions::region_added),
    ("flushed", stores::flushed),
    ("primary_killed", stores::primary_killed),
    ("rotations", rotations::rotations),
];

/// How far regions are from each other, there and back.
const DISTANCE: Duration = Duration::from_millis(80);

/// A stage of three regions.
fn stage(instances: usize, delay_between_regions: Duration, lease: Duration) -> Stage {
    let lease_seconds = lease.as_secs();
    let options = StageOptions::default();
    Stage::start(StageOptions { regions: 3, instances, delay_between_regions, lease_seconds, ..options })
}

/// Runs who asks, while the stage may be told to do things in between by [`tokio::task::block_in_place`].
fn run<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(asking)
}

/// What so many hundredths of all stay below.
fn percentile(all: &mut [Duration], hundredths: usize) -> Duration {
    all.sort_unstable();
    let place = (all.len() * hundredths).div_ceil(100).max(1) - 1;
    all.get(place).copied().unwrap_or(Duration::MAX)
}

/// A time that was not to be exceeded.
fn at_most(name: &'static str, what: &str, limit: Duration, measured: Duration) -> Figure {
    let (target, reached) = (format!("≤ {limit:.1?}"), measured <= limit);
    Figure { name, what: what.to_owned(), target, measured: format!("{measured:.1?}"), reached }
}

/// A number of things that were not to happen.
fn none(name: &'static str, what: &str, of: &str, measured: usize) -> Figure {
    let measured_words = format!("{measured} {of}");
    let (what, target) = (what.to_owned(), "0".to_owned());
    Figure { name, what, target, measured: measured_words, reached: measured == 0 }
}

/// Measures all, or the one of this name; whether there was any.
pub fn measure(report: &mut Report, wanted: Option<&str>) -> bool {
    let mut measured = false;
    for (name, scenario) in
        SCENARIOS.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
    {
        measured = true;
        eprintln!("measuring {name}");
        match catch_unwind(AssertUnwindSafe(scenario)) {
            Ok(figures) => figures.into_iter().for_each(|figure| report.add_figure(figure)),
            Err(panic) => report.add_figure(Figure {
                name,
                what: "the scenario".to_owned(),
                target: "it comes to its end".to_owned(),
                measured: words(&*panic),
                reached: false,
            }),
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_what_so_many_stay_below() {
        let mut all: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut all, 50), Duration::from_millis(100));
        assert_eq!(percentile(&mut all, 99), Duration::from_millis(198));
        assert_eq!(percentile(&mut all[..1], 99), Duration::from_millis(1));
    }
}
