//! Which part of the memory is compared next, and how fast: every record in its turn, and never more of them in a second
//! than Postgres bears from many instances at once.

use std::time::Duration;

/// How many records are read at once.
pub(super) const BATCH: usize = 50;
/// The rest after them.
pub(super) const REST: Duration = Duration::from_millis(500);

/// How many records are read at most in so much time, and in the shortest: a hundred in each second, by these two.
pub(super) fn most_within(time: Duration) -> usize {
    let batches = usize::try_from(time.as_millis() / REST.as_millis()).unwrap_or(usize::MAX);
    batches.max(1).saturating_mul(BATCH)
}

/// How far the comparing has come, in the order of names.
#[derive(Debug, Default)]
pub(super) struct Turns {
    after: String,
}

impl Turns {
    /// Those of the names whose turn is next, at most so many: after the last name comes the first one.
    pub fn next(&self, mut names: Vec<String>, most: usize) -> Vec<String> {
        names.sort_unstable();
        let done = names.partition_point(|name| *name <= self.after);
        names.rotate_left(done);
        names.truncate(most);
        names
    }

    /// These have been compared.
    pub fn came_to(&mut self, names: &[String]) {
        if let Some(last) = names.last() {
            self.after.clone_from(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
        numbers.into_iter().map(|number| format!("{number:03}")).collect()
    }

    #[test]
    fn every_record_that_stays_has_its_turn_whatever_comes_and_goes() {
        let (mut turns, mut compared) = (Turns::default(), Vec::new());
        for round in 0..4 {
            // As they lie in the memory: in no order, and not the same each time.
            let next = turns.next(names((0..100).rev().filter(|number| number % 5 != round)), 25);
            assert_eq!(next.len(), 25);
            turns.came_to(&next);
            compared.extend(next);
        }
        let stayed = names((0..100).filter(|number| number % 5 == 4));
        assert!(stayed.iter().all(|name| compared.contains(name)), "{compared:?}");
    }

    #[test]
    fn a_round_that_was_broken_off_goes_on_where_it_was() {
        let mut turns = Turns::default();
        let next = turns.next(names(0..10), 6);
        turns.came_to(&next[..2]);
        assert_eq!(turns.next(names(0..10), 6), names(2..8));
        turns.came_to(&names(2..8));
        assert_eq!(turns.next(names(0..10), 6), names([8, 9, 0, 1, 2, 3]));
        turns.came_to(&names([999]));
        assert_eq!(turns.next(names(0..3), 6), names(0..3));
        assert!(turns.next(vec![], 6).is_empty());
    }

    #[test]
    fn a_hundred_in_a_second_and_never_none() {
        let seconds = [0, 1, 600].map(Duration::from_secs);
        assert_eq!(seconds.map(most_within), [50, 100, 60_000]);
    }
}
