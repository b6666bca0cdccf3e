//! Tables for people: columns without lines, so that other programs can cut them as well; colours on a terminal only.

use std::io::IsTerminal;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, Table};

use super::regions::Region;

/// Regions, one a line.
pub(super) fn of_many(regions: &[Region]) -> String {
    let mut table = plain();
    table.set_header([
        "REGION",
        "STATE",
        "SINCE",
        "WARMED",
        "AWAITED",
        "LAG",
        "EPOCH",
        "LEASES",
        "LEASE UNTIL",
    ]);
    for region in regions {
        table.add_row(vec![
            Cell::new(&region.name).add_attribute(Attribute::Bold),
            state(region),
            Cell::new(moment(&region.state_changed_at)),
            warmed(region),
            Cell::new(region.awaited),
            lag(region),
            Cell::new(region.epoch),
            Cell::new(region.instances.len()),
            lease(region.lease_until.as_deref()),
        ]);
    }
    lines(&table)
}

/// One region and its instances.
pub(super) fn of_one(region: &Region) -> String {
    let mut table = plain();
    let mut row = |name: &str, value: Cell| {
        table.add_row(vec![Cell::new(name), value]);
    };
    row("region", Cell::new(&region.name).add_attribute(Attribute::Bold));
    row("state", state(region));
    row("since", Cell::new(moment(&region.state_changed_at)));
    row("warmed", warmed(region));
    row("credentials", Cell::new(format!("{} of {}", region.warmed, region.total)));
    row("poisoned", alarming(region.poisoned));
    row("awaited", Cell::new(region.awaited));
    row("lag", lag(region));
    row("epoch", Cell::new(format!("{} since {}", region.epoch, moment(&region.epoch_changed_at))));
    row("lease until", lease(region.lease_until.as_deref()));
    let audited = region.audited_at.as_deref().map_or_else(|| "never".to_owned(), moment);
    row("audited", Cell::new(audited));
    row("divergent", region.divergent.map_or_else(|| Cell::new("not known"), alarming));
    row("created", Cell::new(moment(&region.created_at)));
    if region.instances.is_empty() {
        return format!("{}\n\nNo instance of it is alive.", lines(&table));
    }
    let mut instances = plain();
    instances.set_header(["INSTANCE", "APPLIED", "LEASE UNTIL", "STARTED"]);
    for instance in &region.instances {
        instances.add_row([
            instance.id.clone(),
            instance.applied.to_string(),
            moment(&instance.lease_until),
            moment(&instance.started_at),
        ]);
    }
    format!("{}\n\n{}", lines(&table), lines(&instances))
}

pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    {
        table.force_no_tty();
    }
    table
}

pub(super) fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn state(region: &Region) -> Cell {
    let color = match &*region.state {
        "required" => Color::Green,
        "quarantined" => Color::Red,
        "draining" => Color::Blue,
        _ => Color::Yellow,
    };
    Cell::new(&region.state).fg(color)
}

/// In whole percent, and a hundred only when nothing is missing.
fn warmed(region: &Region) -> Cell {
    let percent = (region.warmed * 100).checked_div(region.total).unwrap_or(100);
    let cell = Cell::new(format!("{percent} %"));
    if percent < 100 { cell.fg(Color::Yellow) } else { cell }
}

fn lag(region: &Region) -> Cell {
    match region.lag_changes {
        0 => Cell::new("none"),
        1 => Cell::new(format!("1 change, {:.1} s", region.lag_seconds)),
        changes => Cell::new(format!("{changes} changes, {:.1} s", region.lag_seconds)),
    }
}

fn lease(until: Option<&str>) -> Cell {
    until.map_or_else(|| Cell::new("none").fg(Color::Red), |until| Cell::new(moment(until)))
}

fn alarming(count: u64) -> Cell {
    let cell = Cell::new(count);
    if count > 0 { cell.fg(Color::Red) } else { cell }
}

/// `2026-11-22T08:30:00.123456Z` in whole seconds, for people.
pub(super) fn moment(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(warmed: u64, total: u64) -> Region {
        let now = "2026-11-22T08:30:00.123456Z".to_owned();
        Region {
            name: "eu".to_owned(),
            state: "quarantined".to_owned(),
            state_changed_at: now.clone(),
            epoch: 3,
            epoch_changed_at: now.clone(),
            warmed,
            total,
            poisoned: 0,
            awaited: 2,
            lag_changes: 7,
            lag_seconds: 1.26,
            lease_until: None,
            audited_at: None,
            divergent: None,
            instances: Vec::new(),
            created_at: now,
        }
    }

    #[test]
    fn a_table_can_be_cut_into_columns_and_a_hundred_percent_means_all() {
        let table = of_many(&[region(999, 1000), region(0, 0)]);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[0][..4], ["REGION", "STATE", "SINCE", "WARMED"]);
        let cells =
            ["eu", "quarantined", "2026-11-22 08:30:00Z", "99 %", "2", "7 changes, 1.3 s", "3", "0", "none"];
        assert_eq!(rows[1], cells);
        assert_eq!(rows[2][3], "100 %");
        assert!(of_one(&region(1, 2)).ends_with("No instance of it is alive."));
    }
}
