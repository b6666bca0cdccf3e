//! Whether others of this region use another Redis.
//!
//! Each would raise the epoch against the other for ever, and nothing would ever be warm. So each waits longer every
//! time, and says so: an installation that was asleep while another took its name cannot be refused at its start.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{BootInstant, Clock};
use crate::store::regions::CacheLife;

/// The longest wait, as a power of two seconds.
const LONGEST: u32 = 8;

pub(super) struct Contest {
    clock: Arc<Clock>,
    score: RefCell<Score>,
}

#[derive(Default)]
struct Score {
    /// What this instance has raised the epoch to last.
    raised: Option<CacheLife>,
    /// How often somebody else has raised it to another one since, while this instance's was there as before.
    lost: u32,
    not_before: BootInstant,
}

impl Contest {
    pub fn new(clock: Arc<Clock>) -> Self {
        Self { clock, score: RefCell::default() }
    }

    /// Notes that the epoch was raised to this Redis.
    pub fn note_raised(&self, cache: CacheLife) {
        self.score.borrow_mut().raised = Some(cache);
    }

    /// Whether the epoch may be raised to this Redis now, which is not the one that it is for.
    pub fn admits(&self, cache: &CacheLife, region: &str) -> bool {
        let (mut score, now) = (self.score.borrow_mut(), self.clock.boot());
        if score.raised.as_ref() == Some(cache) {
            score.raised = None;
            score.lost = (score.lost + 1).min(LONGEST);
            score.not_before = now.plus(Duration::from_secs(1 << score.lost));
            if score.lost > 1 {
                tracing::error!(
                    region,
                    "others of this region use another Redis: set redis_url to theirs, or give this region another name"
                );
            }
        }
        now >= score.not_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(run_id: &str) -> CacheLife {
        CacheLife { run_id: run_id.to_owned(), life: "life".to_owned() }
    }

    #[test]
    fn who_is_raised_against_waits_longer_each_time() {
        let clock = Arc::new(Clock::default());
        let contest = Contest::new(Arc::clone(&clock));
        for wait_ms in [2_000, 4_000, 8_000] {
            assert!(contest.admits(&cache("ours"), "eu"));
            contest.note_raised(cache("ours"));
            // Somebody else has raised it since.
            assert!(!contest.admits(&cache("ours"), "eu"));
            clock.push(Duration::from_millis(wait_ms - 500));
            assert!(!contest.admits(&cache("ours"), "eu"));
            clock.push(Duration::from_millis(501));
        }
    }

    #[test]
    fn a_redis_that_fails_over_again_and_again_is_no_contest() {
        let contest = Contest::new(Arc::default());
        for run_id in ["a", "b", "c", "d"] {
            assert!(contest.admits(&cache(run_id), "eu"));
            contest.note_raised(cache(run_id));
        }
    }
}
