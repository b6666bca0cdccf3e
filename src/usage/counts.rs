//! How many tokens the accounts of each tenant have got on each day, UTC, since the last flush.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::quota::day_of;
use crate::store::usage::Counted;

/// Parts with a lock each.
const PARTS: usize = 16;
/// The most tenants in each part between two flushes; the tokens of more are not counted, and that is.
const MOST_IN_PART: usize = 10_000;
const SECONDS_OF_DAY: i64 = 86_400;

/// Tokens by day, counted from 1970; as a rule one day.
type Days = Vec<(i64, i64)>;

/// What was counted since the last flush.
#[derive(Default)]
pub(super) struct Counts {
    hasher: RandomState,
    parts: [Mutex<HashMap<Box<str>, Days>>; PARTS],
}

impl Counts {
    fn part(&self, tsg_id: &str) -> &Mutex<HashMap<Box<str>, Days>> {
        &self.parts[usize::try_from(self.hasher.hash_one(tsg_id) % PARTS as u64).unwrap_or_default()]
    }

    /// Counts a token.
    pub fn note(&self, tsg_id: &str, now: Timestamp) {
        let day = now.as_second().div_euclid(SECONDS_OF_DAY);
        let mut part = self.part(tsg_id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(days) = part.get_mut(tsg_id) {
            match days.iter_mut().rev().find(|(of, _)| *of == day) {
                Some((_, tokens)) => *tokens += 1,
                None => days.push((day, 1)),
            }
        } else if part.len() < MOST_IN_PART {
            part.insert(tsg_id.into(), vec![(day, 1)]);
        } else {
            metrics::counter!("carnet_usage_dropped_total").increment(1);
        }
    }

    /// How many tokens of a tenant are counted and not yet taken.
    pub fn of(&self, tsg_id: &str) -> u64 {
        let part = self.part(tsg_id).lock().unwrap_or_else(PoisonError::into_inner);
        let days = part.get(tsg_id).map(Vec::as_slice).unwrap_or_default();
        days.iter().map(|(_, tokens)| tokens.unsigned_abs()).sum()
    }

    /// The counts of at most so many tenants, which are forgotten.
    pub fn take(&self, most: usize) -> Vec<Counted> {
        let mut taken = Vec::new();
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let some = part.extract_if(|_, _| true).take(most.saturating_sub(taken.len()));
            taken.extend(some.flat_map(|(tsg_id, days)| {
                days.into_iter().filter_map(move |(day, tokens)| {
                    let begins = Timestamp::from_second(day * SECONDS_OF_DAY).ok()?;
                    Some(Counted { tsg_id: tsg_id.to_string(), day: day_of(begins), tokens })
                })
            }));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_is_counted_by_itself() {
        let counts = Counts::default();
        for moment in ["2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", "2026-11-30T23:59:59.9Z"] {
            counts.note("1", moment.parse().expect("a moment"));
        }
        assert_eq!((counts.of("1"), counts.of("2")), (3, 0));
        let mut taken = counts.take(10);
        taken.sort_by_key(|counted| counted.day);
        let shown: Vec<_> = taken.iter().map(|counted| (counted.day.to_string(), counted.tokens)).collect();
        assert_eq!(shown, [("2026-11-30".to_owned(), 2), ("2026-12-01".to_owned(), 1)]);
        assert_eq!(counts.of("1"), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let counts = Counts::default();
        for n in 0..PARTS * MOST_IN_PART * 2 {
            counts.note(&n.to_string(), Timestamp::UNIX_EPOCH);
        }
        assert!(counts.take(usize::MAX).len() <= PARTS * MOST_IN_PART);
    }
}
