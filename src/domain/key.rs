//! The life of an API key: one state machine, every transition named.
//!
//! It is the SQL that moves keys, by guarded `UPDATE`s, because only the database sees them all at once.
//! This is the table that it is held to: `tests/integration/key_states.rs` compares the two, state by state.

use serde::{Deserialize, Serialize};

/// What the record of a key begins with that is presented by itself.
const OF_KEY: &str = "key:";

/// The name that the record of a key has which is presented by itself; others are in the record of their account.
#[must_use]
pub fn credential_of(api_key_id: i64) -> String {
    format!("{OF_KEY}{api_key_id}")
}

/// The number of the key whose record has this name.
#[must_use]
pub fn number_of(credential: &str) -> Option<i64> {
    let number: i64 = credential.strip_prefix(OF_KEY)?.parse().ok()?;
    // One key, one name.
    (number > 0 && credential_of(number) == credential).then_some(number)
}

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
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmigrated => "unmigrated",
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Inactive => "inactive",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

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
    fn a_key_has_one_name() {
        assert_eq!(super::credential_of(42), "key:42");
        assert_eq!(super::number_of("key:42"), Some(42));
        for other in [
            "key:042",
            "key:+42",
            "key:",
            "key:0",
            "key:-1",
            "key: 42",
            "a@1.iam.x",
            "42",
            "key:99999999999999999999",
        ] {
            assert_eq!(super::number_of(other), None, "{other}");
        }
    }

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
