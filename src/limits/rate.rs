//! So many a minute for each key, all at once or one after the other.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::Quota;
use governor::clock::Clock as _;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::ticks::{Bucket, Ticks, bucket};
use super::{Allowance, Policy, TooMany};
use crate::clock::Clock;

/// What limits are told by.
pub(super) const WINDOW_SECONDS: u32 = 60;

/// A limit for each key.
pub(super) struct Rates {
    policy: Policy,
    quota: Quota,
    ticks: Ticks,
    hasher: RandomState,
    /// By a keyed hash: nobody can choose keys that share a bucket.
    buckets: Cache<u64, Arc<Bucket>>,
}

impl Rates {
    /// None where there is no limit. Of more than `most_keys`, those that came last are told apart.
    pub fn new(name: &'static str, per_minute: u32, most_keys: u64, clock: &Arc<Clock>) -> Option<Self> {
        let most = NonZeroU32::new(per_minute)?;
        let policy = Policy { name, quota: per_minute.into(), window_seconds: Some(WINDOW_SECONDS) };
        let buckets = Cache::builder().max_capacity(most_keys).eviction_policy(EvictionPolicy::lru()).build();
        let (ticks, hasher) = (Ticks(Arc::clone(clock)), RandomState::new());
        Some(Self { policy, quota: Quota::per_minute(most), ticks, hasher, buckets })
    }

    /// Takes one of what a key may have; what is left.
    pub fn take(&self, key: impl Hash) -> Result<Allowance, TooMany> {
        let new = || Arc::new(bucket(self.quota, &self.ticks));
        let found = self.buckets.get_with(self.hasher.hash_one(key), new);
        match found.check() {
            Ok(state) => Ok(Allowance {
                policy: self.policy,
                remaining: state.remaining_burst_capacity().into(),
                seconds: WINDOW_SECONDS.into(),
            }),
            Err(until) => {
                Err(TooMany { policy: self.policy, retry_after: until.wait_time_from(self.ticks.now()) })
            }
        }
    }

    #[cfg(test)]
    fn kept(&self) -> u64 {
        self.buckets.run_pending_tasks();
        self.buckets.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_key_has_its_own_and_gets_it_back_with_time() {
        let clock = Arc::new(Clock::default());
        let rates = Rates::new("client", 6, 10, &clock).expect("a limit");
        for left in (0..6).rev() {
            assert_eq!(rates.take("a").expect("some are left").remaining, left);
        }
        let refused = rates.take("a").expect_err("none is left");
        assert_eq!((refused.policy.name, refused.policy.quota), ("client", 6));
        assert!((9..=10).contains(&refused.retry_after_seconds()), "{refused:?}");
        assert!(rates.take("b").is_ok(), "that was somebody else");
        clock.push(Duration::from_secs(10));
        assert!(rates.take("a").is_ok(), "one every ten seconds");
        assert!(rates.take("a").is_err());
        assert!(Rates::new("client", 0, 10, &clock).is_none(), "no limit");
    }

    #[test]
    fn memory_is_bounded_however_many_come_and_who_is_forgotten_begins_anew() {
        let rates = Rates::new("address", 1, 1_000, &Arc::new(Clock::default())).expect("a limit");
        assert!(rates.take("first").is_ok() && rates.take("first").is_err());
        for n in 0..20_000 {
            assert!(rates.take(n).is_ok(), "{n}");
        }
        assert!(rates.kept() <= 1_000, "{}", rates.kept());
        assert!(rates.take("first").is_ok());
    }
}
