//! What happens to one process.

use std::fs;
use std::path::PathBuf;

use super::{Fault, Heal};
use crate::stage::{Instance, Stage};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InstanceKind {
    /// Killed, and started again when healed.
    Killed,
    /// Asked to end, and started again when healed.
    Stopped,
    /// Stands still for less than its lease.
    PausedBriefly,
    /// Stands still until nobody believes its lease any more.
    PausedBeyondLease,
    /// Its machine's clock is ten minutes fast. Started anew with it, and again without.
    ClockAhead,
    /// Its machine's clock is ten minutes slow.
    ClockBehind,
}

impl InstanceKind {
    pub const ALL: [Self; 6] = [
        Self::Killed,
        Self::Stopped,
        Self::PausedBriefly,
        Self::PausedBeyondLease,
        Self::ClockAhead,
        Self::ClockBehind,
    ];

    pub(super) fn is_possible(self) -> bool {
        !matches!(self, Self::ClockAhead | Self::ClockBehind) || faketime().is_some()
    }
}

pub(super) fn begin(kind: InstanceKind, fault: &Fault, stage: &Stage) -> Heal {
    let instance = stage.region(&fault.region).instances[fault.number].clone();
    match kind {
        InstanceKind::Killed => instance.kill(),
        InstanceKind::Stopped => instance.stop(),
        InstanceKind::PausedBriefly | InstanceKind::PausedBeyondLease => instance.pause(),
        InstanceKind::ClockAhead => with_clock(&instance, "+600"),
        InstanceKind::ClockBehind => with_clock(&instance, "-600"),
    }
    Box::new(move |_| match kind {
        InstanceKind::Killed | InstanceKind::Stopped => instance.launch(),
        InstanceKind::PausedBriefly | InstanceKind::PausedBeyondLease => instance.resume(),
        InstanceKind::ClockAhead | InstanceKind::ClockBehind => {
            // Not asked to end: while its Postgres hangs, one that is starting does not listen.
            instance.kill();
            instance.launch();
        }
    })
}

/// Only the date is another: what leases are counted on (`CLOCK_BOOTTIME`) goes on as it does on a machine whose clock is wrong.
fn with_clock(instance: &Instance, seconds: &str) {
    let library = faketime().expect("faults that cannot be played are not chosen");
    let library = library.to_str().expect("a path in UTF-8");
    instance.stop();
    let clock = [("LD_PRELOAD", library), ("FAKETIME", seconds), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    instance.launch_with(&clock);
}

/// Debian's libfaketime (`scripts/deps.sh test`), where it is installed.
fn faketime() -> Option<PathBuf> {
    let triplets = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let libraries = triplets.map(|triplet| triplet.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.exists())
}
