//! What a whole session has shown: a table for people, and `target/faults/report.json` for machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::check::Weight;
use crate::plan::Plan;
use crate::play::Outcome;
use crate::workload::Operation;

/// Everything that was run.
#[derive(Default, Serialize)]
pub struct Report {
    /// By fault and operation, in the order in which they first came.
    cells: Vec<Cell>,
    figures: Vec<Figure>,
    /// What the stage itself could not do, by seed. None of that is the program's fault until somebody has looked.
    stage_failures: BTreeMap<u64, String>,
    /// What the protocol log says that the rules forbid, by seed.
    forbidden: BTreeMap<u64, String>,
}

/// One kind of fault beside one kind of operation.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    fault: String,
    operation: Operation,
    runs: usize,
    violations: usize,
    /// The seeds of the runs with violations.
    seeds: Vec<u64>,
    /// The longest that the operation took until it was settled everywhere.
    longest_ms: u128,
    weight: Weight,
}

/// A number that was to be reached.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: &'static str,
    pub what: String,
    pub target: String,
    pub measured: String,
    pub reached: bool,
}

/// Where reports and runs are kept.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults")
}

impl Report {
    /// Adds what a run has shown.
    pub fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        let fault = plan.about_what();
        for (subject, (operation, went)) in outcome.operations.iter().enumerate() {
            let violations = outcome.judgement.violations.iter();
            let violations = violations.filter(|violation| violation.thing.subject == subject).count();
            let cell = self.cell(&fault, *operation);
            cell.runs += 1;
            cell.violations += violations;
            cell.seeds.extend((violations > 0).then_some(plan.seed));
            cell.longest_ms = cell.longest_ms.max(went.as_ref().map_or(0, std::time::Duration::as_millis));
            cell.weight.add(outcome.judgement.weights.get(&subject).copied().unwrap_or_default());
        }
    }

    /// Adds a figure.
    pub fn add_figure(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Notes that the stage could not do what a run asked of it.
    pub fn add_stage_failure(&mut self, seed: u64, why: String) {
        self.stage_failures.insert(seed, why);
    }

    /// Notes that the protocol log of a run has a line that is forbidden.
    pub fn add_forbidden(&mut self, seed: u64, why: String) {
        self.forbidden.insert(seed, why);
    }

    fn cell(&mut self, fault: &str, operation: Operation) -> &mut Cell {
        let is = |cell: &Cell| cell.fault == fault && cell.operation == operation;
        let at = self.cells.iter().position(is).unwrap_or_else(|| {
            let (fault, weight) = (fault.to_owned(), Weight::default());
            let seeds = vec![];
            self.cells.push(Cell { fault, operation, runs: 0, violations: 0, seeds, longest_ms: 0, weight });
            self.cells.len() - 1
        });
        &mut self.cells[at]
    }

    /// Whether there is nothing to look at.
    pub fn is_good(&self) -> bool {
        let broken = self.cells.iter().any(|cell| cell.violations > 0);
        let broken = broken || !self.forbidden.is_empty();
        !broken && self.stage_failures.is_empty() && self.figures.iter().all(|figure| figure.reached)
    }

    /// Writes `report.json` and gives the tables.
    pub fn finish(&self) -> String {
        let path = directory().join("report.json");
        let json = serde_json::to_vec_pretty(self).expect("a report is JSON");
        let written = std::fs::create_dir_all(directory()).and_then(|()| std::fs::write(&path, json));
        let written = written.map_or_else(|error| error.to_string(), |()| path.display().to_string());
        let mut parts = vec![];
        if !self.cells.is_empty() {
            parts.push(self.runs().to_string());
        }
        if !self.figures.is_empty() {
            parts.push(self.figures().to_string());
        }
        parts.extend(
            self.stage_failures.iter().map(|(seed, why)| format!("seed {seed}: the stage failed: {why}")),
        );
        parts.extend(self.forbidden.values().cloned());
        parts.push(written);
        parts.join("\n")
    }

    fn runs(&self) -> Table {
        let mut table = new_table();
        let operations = Operation::ALL.map(Operation::name);
        let head = ["fault"].into_iter().chain(operations).chain(["after proof", "violations"]);
        table.set_header(head);
        let mut faults: Vec<&str> = vec![];
        for cell in &self.cells {
            if !faults.contains(&cell.fault.as_str()) {
                faults.push(&cell.fault);
            }
        }
        for fault in faults {
            let of_fault = || self.cells.iter().filter(|cell| cell.fault == fault);
            let shown = |operation| {
                of_fault().find(|cell| cell.operation == operation).map_or_else(String::new, Cell::shown)
            };
            let mut row = vec![fault.to_owned()];
            row.extend(Operation::ALL.map(shown));
            row.push(of_fault().map(|cell| cell.weight.after_proof).sum::<usize>().to_string());
            row.push(of_fault().map(|cell| cell.violations).sum::<usize>().to_string());
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn figures(&self) -> Table {
        let mut table = new_table();
        table.set_header(["figure", "what", "target", "measured", "reached"]);
        for Figure { name, what, target, measured, reached } in &self.figures {
            table.add_row([*name, what, target, measured, if *reached { "yes" } else { "NO" }]);
        }
        table
    }
}

impl Cell {
    fn shown(&self) -> String {
        let Self { runs, violations, longest_ms, .. } = self;
        let bad = if *violations > 0 { format!(" {violations} bad") } else { String::new() };
        format!("{runs}×{bad} ≤{longest_ms} ms")
    }
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(reached: bool) -> Figure {
        let words = || "words".to_owned();
        Figure { name: "a_figure", what: words(), target: words(), measured: words(), reached }
    }

    #[test]
    fn a_figure_that_is_not_reached_is_not_good() {
        let mut report = Report::default();
        report.add_figure(figure(true));
        assert!(report.is_good());
        report.add_figure(figure(false));
        assert!(!report.is_good());
    }

    #[test]
    fn a_protocol_log_with_a_forbidden_line_is_not_good() {
        let mut report = Report::default();
        report.add_forbidden(7, "ServedArmed".to_owned());
        assert!(!report.is_good());
    }

    #[test]
    fn a_stage_that_fails_is_not_good() {
        let mut report = Report::default();
        report.add_stage_failure(1, "it did not come back".to_owned());
        assert!(!report.is_good());
    }
}
