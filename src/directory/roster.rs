//! Who is known at all: so that a flood of unknown names is told from a known caller whose record
//! happens to be in no cache.
//!
//! Hashes only, under a key of this process. A name that is wrongly taken for known is only read
//! from Postgres in the ordinary way; one that is missing waits with the unknown ones.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::RwLock;

/// The most names that are kept: 8 bytes each and the set's own room.
pub const LIMIT: usize = 2_000_000;

/// A set of names.
#[derive(Debug, Default)]
pub struct Roster {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

impl Roster {
    /// Adds names, as long as there is room.
    pub fn add<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if let Ok(mut known) = self.known.write() {
            for name in names {
                if known.len() >= LIMIT {
                    return;
                }
                known.insert(self.hasher.hash_one(name));
            }
        }
    }

    /// Whether no name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().is_ok_and(|known| known.is_empty())
    }

    /// Whether the name is known.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.known.read().is_ok_and(|known| known.contains(&self.hasher.hash_one(name)))
    }
}
