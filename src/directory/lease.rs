//! The permission to answer without asking: counted from before the question, on a clock that does
//! not stop while the machine sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::BootInstant;

/// Until when anything may be answered. Starts lapsed.
#[derive(Debug, Default)]
pub struct Lease {
    until_ms: AtomicU64,
    asked_ms: AtomicU64,
    extended: Notify,
}

impl Lease {
    /// Extends the lease to what was asked for at `asked`, for so long; never shortens it. When it ends.
    pub fn extend(&self, asked: BootInstant, time: Duration) -> BootInstant {
        let until = asked.plus(time);
        self.asked_ms.fetch_max(asked.as_millis(), Ordering::Relaxed);
        self.until_ms.fetch_max(until.as_millis(), Ordering::Release);
        self.extended.notify_waiters();
        until
    }

    /// Resolves when it is extended the next time, counted from the first poll of this.
    pub fn extended(&self) -> impl Future<Output = ()> {
        self.extended.notified()
    }

    /// Ends the lease at once: the authority is not the one that gave it.
    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
    }

    /// When it was asked for that was given last, in milliseconds since boot.
    #[must_use]
    pub fn asked_ms(&self) -> u64 {
        self.asked_ms.load(Ordering::Relaxed)
    }

    /// When it ends, in milliseconds since boot.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.until_ms.load(Ordering::Acquire)
    }
}
