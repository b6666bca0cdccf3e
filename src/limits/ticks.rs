//! The clock that limits are counted on: the one of leases, so that time is an argument here as everywhere.

use std::sync::Arc;
use std::time::Duration;

use governor::clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::{BootInstant, Clock};

/// [`Clock`], as the limiter reads it.
#[derive(Clone, Debug)]
pub(super) struct Ticks(pub Arc<Clock>);

impl clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.boot().since(BootInstant::default())
    }
}

/// What one key may do: a number that says when it has used up what.
pub(super) type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

pub(super) fn bucket(quota: Quota, ticks: &Ticks) -> Bucket {
    RateLimiter::direct_with_clock(quota, ticks.clone()).with_middleware()
}
