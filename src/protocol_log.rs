//! The protocol log: what this process does in the protocol of the promise, one line each, for who replays it.
//!
//! Lines of the target `carnet::protocol` at the level DEBUG, which is off by default. With `CARNET_LOG_FORMAT=json`
//! their fields are what `tests/model/replay` reads, which steps through the merged lines of all processes of a machine
//! and finds the first that the rules forbid. Times (`…_ms`) are on the machine's boot clock, the one that leases are
//! counted on; `at_ms` is when the line was written.
//!
//! **When a line is written** decides what it proves. What binds this process (a floor, the end of a lease, a receipt) is
//! written right after; what entitles it (a lease, an epoch, an acknowledgement) right before, because others may act on
//! it before the next instruction runs, or the process may not live to write it. What asks the authority says when that
//! was, too: it took effect in between.
//!
//! No line has anything secret in it. While the level is off nothing is formatted, and no clock is read.

use uuid::Uuid;

use crate::clock::{self, BootInstant};

/// The target of all lines.
const TARGET: &str = "carnet::protocol";

/// Whether anybody reads the lines: what is only there for them need not be worked out otherwise.
pub fn is_on() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

fn at_ms() -> u64 {
    clock::since_boot().as_millis()
}

/// One line: its name, and its fields.
macro_rules! say {
    ($event:literal, $($fields:tt)*) => {
        tracing::debug!(target: TARGET, event = $event, at_ms = at_ms(), $($fields)*)
    };
}

/// An instance has loaded its floor, which knows all up to `applied` but nothing up to `low_water`, and has registered.
pub fn registered(instance: Uuid, region: &str, history: &str, asked: BootInstant, known: (i64, i64)) {
    let (low_water, applied) = known;
    let asked_ms = asked.as_millis();
    say!("registered", %instance, region, history, asked_ms, applied, low_water);
}

/// It has applied a change: from now on older versions are refused.
pub fn applied(instance: Uuid, seq: i64, credential: &str, version: i64) {
    say!("applied", %instance, seq, credential, version);
}

/// It knows its region's epoch now: from now on it opens entries of this one only.
pub fn placed(instance: Uuid, epoch: i64) {
    say!("placed", %instance, epoch);
}

/// A lease, and the answer that it came with.
pub struct Lease<'a> {
    /// Before the question.
    pub asked: BootInstant,
    /// Its end.
    pub until: BootInstant,
    /// When the authority wrote it down, and when it took the snapshot of the changes: microseconds of its own clock.
    pub leased_us: i64,
    /// See there.
    pub snapshot_us: i64,
    /// What the instance said that it had applied.
    pub acknowledged: i64,
    /// What it has applied now.
    pub applied: i64,
    /// It remembers every change above this one.
    pub low_water: i64,
    /// How its region is.
    pub state: &'a str,
}

/// An instance may serve until the end of this lease.
pub fn lease(instance: Uuid, lease: &Lease<'_>) {
    let Lease { leased_us, snapshot_us, acknowledged, applied, low_water, state, .. } = *lease;
    let (asked_ms, until_ms) = (lease.asked.as_millis(), lease.until.as_millis());
    say!(
        "lease",
        %instance,
        asked_ms,
        until_ms,
        leased_us,
        snapshot_us,
        acknowledged,
        applied,
        low_water,
        state
    );
}

/// An instance serves no more under this name.
pub fn started_over(instance: Uuid) {
    say!("started_over", %instance);
}

/// What a request was answered from.
pub struct Served<'a> {
    /// Whose record.
    pub credential: &'a str,
    /// Of which version.
    pub version: i64,
    /// It is known to be true up to this change.
    pub read_seq: i64,
    /// The epoch that it was opened in, if it was sealed at all.
    pub epoch: i64,
    /// `memory`, `redis` or `postgres`.
    pub from: &'static str,
    /// What was granted is pending in it.
    pub armed: bool,
}

/// A request that came at `asked` is answered from a record that was believed at `judged`.
pub fn served(instance: Uuid, served: &Served<'_>, asked: BootInstant, judged: BootInstant) {
    let Served { credential, version, read_seq, epoch, from, armed } = *served;
    let (asked_ms, judged_ms) = (asked.as_millis(), judged.as_millis());
    say!("served", %instance, credential, version, read_seq, epoch, from, armed, asked_ms, judged_ms);
}

/// All changes of a transaction are committed, the last of them at this place.
pub fn committed(seq: i64, asked: BootInstant) {
    say!("committed", seq, asked_ms = asked.as_millis());
}

/// A region has read this version back and says so.
pub fn acknowledged(region: &str, credential: &str, version: i64, epoch: i64) {
    say!("acknowledged", region, credential, version, epoch);
}

/// What was pending in this version, or in one that came while the question was under way, is valid. `seq`: the change
/// that the version came with.
pub fn flipped(credential: &str, version: i64, seq: i64, asked: BootInstant) {
    say!("flipped", credential, version, seq, asked_ms = asked.as_millis());
}

/// Every instance has applied all changes up to this one, or has no lease: whoever waited is answered.
pub fn returned(seq: i64) {
    say!("returned", seq);
}

/// A region's cache is another, or has lost what it had.
pub fn epoch(region: &str, epoch: i64, asked: BootInstant) {
    say!("epoch", region, epoch, asked_ms = asked.as_millis());
}

/// A region was moved to this state, or (`removed`) away.
pub fn region_state(region: &str, state: &str, asked: BootInstant) {
    say!("region_state", region, state, asked_ms = asked.as_millis());
}
