//! So many failures a minute for each key; who had them waits before it may try again. Nothing is kept for who never fails.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock as _;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::rate::WINDOW_SECONDS;
use super::ticks::{Bucket, Ticks, bucket};
use super::{Policy, TooMany};
use crate::clock::Clock;

/// Failures of each key.
pub(super) struct Failures {
    policy: Policy,
    quota: Quota,
    ticks: Ticks,
    hasher: RandomState,
    failed: Cache<u64, Arc<Failed>>,
}

/// The failures of one key.
struct Failed {
    left: Bucket,
    /// Until when it waits, milliseconds on the same clock.
    until: AtomicU64,
}

impl Failures {
    /// None where there is no limit. Of more than `most_keys`, those that failed last are told apart.
    pub fn new(name: &'static str, per_minute: u32, most_keys: u64, clock: &Arc<Clock>) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute)?);
        let policy = Policy { name, quota: per_minute.into(), window_seconds: Some(WINDOW_SECONDS) };
        let failed = Cache::builder().max_capacity(most_keys).eviction_policy(EvictionPolicy::lru()).build();
        let (ticks, hasher) = (Ticks(Arc::clone(clock)), RandomState::new());
        Some(Self { policy, quota, ticks, hasher, failed })
    }

    /// Whether a key may try.
    pub fn check(&self, key: impl Hash) -> Result<(), TooMany> {
        let Some(failed) = self.failed.get(&self.hasher.hash_one(key)) else { return Ok(()) };
        let until = Duration::from_millis(failed.until.load(Ordering::Relaxed));
        match until.checked_sub(self.ticks.now()) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(retry_after) => Err(TooMany { policy: self.policy, retry_after }),
        }
    }

    /// Counts a failure of a key. With the last one that it may have begins its wait for the next.
    pub fn count(&self, key: impl Hash) {
        let new = || Arc::new(Failed { left: bucket(self.quota, &self.ticks), until: AtomicU64::default() });
        let failed = self.failed.get_with(self.hasher.hash_one(key), new);
        let wait = match failed.left.check() {
            Ok(state) if state.remaining_burst_capacity() > 0 => return,
            Ok(_) => self.quota.replenish_interval(),
            // Those that were under way at once.
            Err(until) => until.wait_time_from(self.ticks.now()),
        };
        let until = u64::try_from((self.ticks.now() + wait).as_millis()).unwrap_or(u64::MAX);
        failed.until.fetch_max(until, Ordering::Relaxed);
    }

    #[cfg(test)]
    fn kept(&self) -> u64 {
        self.failed.run_pending_tasks();
        self.failed.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_may_fail_and_then_they_wait_and_nobody_else_does() {
        let clock = Arc::new(Clock::default());
        let failures = Failures::new("client_failures", 3, 10, &clock).expect("a limit");
        for _ in 0..3 {
            assert!(failures.check("a").is_ok());
            failures.count("a");
        }
        let refused = failures.check("a").expect_err("it waits");
        assert!((19..=20).contains(&refused.retry_after_seconds()), "{refused:?}");
        assert!(failures.check("b").is_ok());
        clock.push(Duration::from_secs(20));
        assert!(failures.check("a").is_ok(), "one more try");
        failures.count("a");
        assert!(failures.check("a").is_err());
        clock.push(Duration::from_mins(2));
        assert!(failures.check("a").is_ok());
        failures.count("a");
        assert!(failures.check("a").is_ok(), "it has three again");
    }

    #[test]
    fn memory_is_bounded_and_who_never_fails_takes_none() {
        let failures =
            Failures::new("address_failures", 1, 500, &Arc::new(Clock::default())).expect("a limit");
        for n in 0..10_000 {
            assert!(failures.check(n).is_ok());
        }
        assert_eq!(failures.kept(), 0);
        for n in 0..10_000 {
            failures.count(n);
        }
        assert!(failures.kept() <= 500, "{}", failures.kept());
    }
}
