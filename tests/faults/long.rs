//! `make faults`: many runs, then the figures, and one report of all.

use crate::report::Report;
use crate::{figures, runs};

/// All of it; with `FIGURE=name` that figure alone, with `RUNS=0` all figures and no run.
#[test]
#[ignore = "long: make faults"]
fn runs_and_figures() {
    let mut report = Report::default();
    let figure = std::env::var("FIGURE").ok().filter(|name| !name.is_empty());
    if figure.is_none() {
        report = runs::many(report);
        // What comes next takes long, too.
        eprintln!("{}", report.finish());
    }
    let measured = figures::measure(&mut report, figure.as_deref());
    eprintln!("{}", report.finish());
    assert!(measured, "there is no such figure");
    assert!(report.is_good(), "see above");
}
