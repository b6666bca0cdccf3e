//! Time: one clock that a lease is counted on, and the authority's time told by it.
//!
//! `CLOCK_BOOTTIME` goes on while the machine sleeps, so a suspended instance does not wake up with
//! a lease. Everything that has a date (expiry, `iat`, `exp`) follows Postgres's clock, which every
//! poll carries; the error is at most one round trip, on the early side.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A moment on `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct BootInstant(Duration);

impl BootInstant {
    /// This moment, later.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0 + wait)
    }

    /// How long ago `earlier` was; zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment so many milliseconds after boot.
    #[must_use]
    pub fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// Milliseconds since boot, for atomics and metrics.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The two clocks. Cheap to share; read on every request.
#[derive(Debug, Default)]
pub struct Clock {
    /// Authority's time minus boot time, as of the last answer.
    offset: RwLock<Option<(Timestamp, BootInstant)>>,
    /// Added to boot time; tests push time forward with it.
    pushed_ms: AtomicU64,
}

impl Clock {
    /// The time since boot, sleep included.
    #[must_use]
    pub fn boot(&self) -> BootInstant {
        since_boot().plus(Duration::from_millis(self.pushed_ms.load(Ordering::Relaxed)))
    }

    /// Notes that the authority said `time` in an answer that came at `answered`.
    pub fn hear(&self, time: Timestamp, answered: BootInstant) {
        if let Ok(mut offset) = self.offset.write() {
            *offset = Some((time, answered));
        }
    }

    /// The authority's time now, or nothing before it was ever heard.
    #[must_use]
    pub fn authority(&self) -> Option<Timestamp> {
        let (time, heard) = (*self.offset.read().ok()?)?;
        let passed = SignedDuration::try_from(self.boot().since(heard)).ok()?;
        time.checked_add(passed).ok()
    }

    /// Lets time pass at once, for tests.
    pub fn push(&self, wait: Duration) {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.pushed_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// The time since the machine's boot, whatever tests have pushed: what its processes have in common.
#[must_use]
pub fn since_boot() -> BootInstant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    BootInstant(Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0)))
}

/// What the system's own clock says: to be compared with the authority's, for nothing else.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place: how else would anybody know that it is wrong?")]
pub fn system() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_s_time_goes_on_between_answers() {
        let clock = Clock::default();
        assert_eq!(clock.authority(), None);
        let said = Timestamp::from_second(1_800_000_000).expect("a date");
        clock.hear(said, clock.boot());
        clock.push(Duration::from_mins(1));
        let now = clock.authority().expect("heard");
        assert!(now.duration_since(said) >= SignedDuration::from_secs(60));
        assert!(now.duration_since(said) < SignedDuration::from_secs(70));
    }
}
