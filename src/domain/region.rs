//! The states of a region, and whether keys wait for it.
//!
//! As with keys it is the SQL that moves regions; the functions of `sql/migrations/V6__regions.sql` say when.

use serde::{Deserialize, Serialize};

/// What a region is right now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionState {
    /// New: it serves by asking the authority, and warms its cache. No key waits for it yet.
    Joining,
    /// No key is valid without its acknowledgement.
    Required,
    /// Silent or stuck: no key waits for it.
    Quarantined,
    /// Heard of again after a quarantine: it serves, and catches up. No key waits for it yet.
    Rejoining,
    /// An operator is taking it away: it serves whoever still asks, and says that it is not ready.
    Draining,
}

impl RegionState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Joining, Self::Required, Self::Quarantined, Self::Rejoining, Self::Draining];

    /// Its name, as in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Required => "required",
            Self::Quarantined => "quarantined",
            Self::Rejoining => "rejoining",
            Self::Draining => "draining",
        }
    }

    /// Whether it becomes required by itself once its cache is warm.
    #[must_use]
    pub fn is_catching_up(self) -> bool {
        matches!(self, Self::Joining | Self::Rejoining)
    }
}
