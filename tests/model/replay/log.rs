//! The protocol log: which lines there are, and what each says.
//!
//! All times that end in `_ms` are milliseconds of the machine's boot clock; those in `_us` are
//! microseconds of the authority's clock. `at_ms` is when the line was written: right after what it
//! tells of, but right before where that entitles to something (`src/protocol_log.rs` says why). What
//! asks the authority also has `asked_ms`: it took effect somewhere between the two.

use serde::{Deserialize, Serialize};

/// The target of the lines.
pub const TARGET: &str = "carnet::protocol";

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    pub at_ms: i64,
    #[serde(flatten)]
    pub event: Event,
}

/// Where an answer came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    Memory,
    Redis,
    Postgres,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An instance has loaded its floor and registered, with a lapsed lease. It knows everything up to
    /// `applied`, but nothing that happened up to `low_water`.
    Registered {
        instance: String,
        region: String,
        history: String,
        asked_ms: i64,
        applied: i64,
        low_water: i64,
    },
    /// It has applied a change: from now on older versions are refused.
    Applied { instance: String, seq: i64, credential: String, version: i64 },
    /// Its region is in this epoch: from now on it opens entries of this one only. Written before.
    Placed { instance: String, epoch: i64 },
    /// Its lease is extended to `until_ms`; written before. `acknowledged` is what it said it had
    /// applied, `applied` what it has applied now; the lease was committed at `leased_us`, the snapshot
    /// taken at `snapshot_us`, which also told the state of its region.
    Lease {
        instance: String,
        asked_ms: i64,
        until_ms: i64,
        leased_us: i64,
        snapshot_us: i64,
        acknowledged: i64,
        applied: i64,
        low_water: i64,
        state: String,
    },
    /// It stops serving and starts over: another history, or nobody knows it any more; or it ends.
    StartedOver { instance: String },
    /// A request that came at `asked_ms` was answered from a record that was believed at `judged_ms`.
    /// `armed`: what was granted is pending in that record.
    Served {
        instance: String,
        credential: String,
        version: i64,
        read_seq: i64,
        epoch: i64,
        from: From,
        armed: bool,
        asked_ms: i64,
        judged_ms: i64,
    },
    /// Changes are committed, all of a transaction up to this one.
    Committed { seq: i64, asked_ms: i64 },
    /// The region has read this version back from Redis and says so. Written before.
    Acknowledged { region: String, credential: String, version: i64, epoch: i64 },
    /// What was pending in this version, or in one that came while the question was under way, is valid.
    /// `seq` is that of the version.
    Flipped { credential: String, version: i64, seq: i64, asked_ms: i64 },
    /// A receipt is complete, up to this change: whoever waited is answered now.
    Returned { seq: i64 },
    /// The region's Redis is another, or has lost what it had.
    Epoch { region: String, epoch: i64, asked_ms: i64 },
    /// The region is now in this state (`required` is the one that matters).
    RegionState { region: String, state: String, asked_ms: i64 },
}

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not of the protocol log: {cause}")]
pub struct Unreadable {
    pub line: usize,
    pub cause: serde_json::Error,
}

/// As `tracing-subscriber` writes a line of JSON.
#[derive(Deserialize)]
struct Written {
    fields: Line,
}

/// Reads the lines of one process; those of other targets are passed over, and so is what is no JSON: last
/// words.
pub fn read(text: &str) -> Result<Vec<Line>, Unreadable> {
    let ours = format!(r#""target":"{TARGET}""#);
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('{') && line.contains(&ours) {
            let written: Result<Written, _> = serde_json::from_str(line);
            let written = written.map_err(|cause| Unreadable { line: number + 1, cause })?;
            lines.push(written.fields);
        }
    }
    Ok(lines)
}

/// Merges the lines of several processes by time; what one process wrote keeps its order.
pub fn merge(processes: impl IntoIterator<Item = Vec<Line>>) -> Vec<Line> {
    let mut all: Vec<Line> = processes.into_iter().flatten().collect();
    all.sort_by_key(|line| line.at_ms);
    all
}
