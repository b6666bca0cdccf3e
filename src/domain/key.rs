//! The life of an API key: one state machine, every transition named.
//!
//! It is the SQL that moves keys, by guarded `UPDATE`s, because only the database sees them all at once.
//! This is the table that it is held to: `tests/integration/key_states.rs` compares the two, state by state.

use serde::{Deserialize, Serialize};

/// What an API key is right now. `Expired` is computed from the authority's clock, never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Imported from an older system; works in its old form and blocks new keys of its type.
    Unmigrated,
    /// In the authority, not yet in every region: never authenticates.
    Pending,
    /// Every required region honours it.
    Valid,
    /// Switched off by its owner; may be activated again.
    Inactive,
    /// Refused by whoever has heard; visible until every instance has.
    Revoking,
    /// Refused everywhere, for ever.
    Revoked,
    /// Past its time; for ever.
    Expired,
}

/// What can happen to a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyEvent {
    /// Bound to a service account.
    Migrate,
    /// Every required region has acknowledged it.
    Settled,
    /// Switched off by its owner.
    Deactivate,
    /// Switched on again: through the regions once more.
    Activate,
    /// Withdrawn by somebody, or gone with its license, account or role.
    Revoke,
    /// Every instance has applied the revocation or lost its lease.
    Withdrawn,
    /// Its time came.
    Expire,
}

impl KeyStatus {
    /// The next status, or nothing when this event cannot happen to such a key.
    #[must_use]
    pub fn after(self, event: KeyEvent) -> Option<Self> {
        use KeyEvent as E;
        use KeyStatus as S;
        match (self, event) {
            (S::Unmigrated, E::Migrate) | (S::Inactive, E::Activate) => Some(S::Pending),
            (S::Unmigrated | S::Valid, E::Revoke) => Some(S::Revoking),
            (S::Pending, E::Settled) => Some(S::Valid),
            // It never worked, so nobody has to hear of it first.
            (S::Pending | S::Inactive, E::Revoke) | (S::Revoking, E::Withdrawn) => Some(S::Revoked),
            (S::Valid, E::Deactivate) => Some(S::Inactive),
            (S::Valid | S::Inactive, E::Expire) => Some(S::Expired),
            _ => None,
        }
    }

    /// Whether nothing can happen to it any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyEvent as E;
    use super::KeyStatus as S;

    const STATES: [S; 7] =
        [S::Unmigrated, S::Pending, S::Valid, S::Inactive, S::Revoking, S::Revoked, S::Expired];
    const EVENTS: [E; 7] =
        [E::Migrate, E::Settled, E::Deactivate, E::Activate, E::Revoke, E::Withdrawn, E::Expire];

    #[test]
    fn nothing_leaves_a_final_state_and_only_settling_makes_valid() {
        for state in STATES {
            for event in EVENTS {
                let next = state.after(event);
                assert!(!state.is_final() || next.is_none(), "{state:?} {event:?}");
                if next == Some(S::Valid) {
                    assert_eq!((state, event), (S::Pending, E::Settled));
                }
            }
        }
    }

    #[test]
    fn a_key_that_ever_worked_is_revoking_first() {
        assert_eq!(S::Valid.after(E::Revoke), Some(S::Revoking));
        assert_eq!(S::Unmigrated.after(E::Revoke), Some(S::Revoking));
        assert_eq!(S::Pending.after(E::Revoke), Some(S::Revoked));
    }
}
