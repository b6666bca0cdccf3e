//! The rules of the protocol, pure: the checker steps by them, and logs of real runs are judged by them.
//!
//! What the product has as a pure rule is the product's own (`floor::admits`, `Standing`,
//! `KeyStatus::after`); what it has as SQL or Lua is said here once more, in the same words.

use carnet::directory::floor;

/// What an instance knows when it judges a reading.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub low_water: i64,
    /// The newest version of the credential that it knows of.
    pub newest: Option<i64>,
}

impl Known {
    /// Serve only what is as new as the floor says (DESIGN §3.4).
    pub fn admits(self, version: i64, read_seq: i64) -> bool {
        floor::admits(self.low_water, self.newest, version, read_seq)
    }
}

/// `instance_renew_lease`: only who has applied every change that is older than `STALE_AFTER` goes on.
pub fn extends(applied: i64, newest_stale: i64) -> bool {
    applied >= newest_stale
}

/// A receipt's mark of one instance: it has applied the change, or its lease is over.
pub fn has_passed(applied: i64, seq: i64, lease_alive: bool) -> bool {
    applied >= seq || !lease_alive
}

/// Whether an acknowledgement is of this very version, in this very epoch.
pub fn counts(acknowledged: Option<(i64, i64)>, version: i64, epoch: i64) -> bool {
    acknowledged == Some((version, epoch))
}

/// Pending becomes valid: at least one region is required, all of those have acknowledged, and every
/// instance with a live lease, of whatever region, has applied the credential's last change.
pub fn may_flip(
    required: impl IntoIterator<Item = bool>,
    passed: impl IntoIterator<Item = bool>,
    settled: bool,
) -> bool {
    let mut regions = 0;
    let acknowledged = required.into_iter().inspect(|_| regions += 1).all(|acknowledged| acknowledged);
    acknowledged && regions > 0 && settled && passed.into_iter().all(|passed| passed)
}

/// An entry opens where it was sealed: same history, same epoch.
pub fn opens(sealed: (i64, i64), place: (i64, i64)) -> bool {
    sealed == place
}
