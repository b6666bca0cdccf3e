//! What happens to one region's Redis.

use super::{Fault, Heal, nothing};
use crate::stage::Stage;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RedisKind {
    /// FLUSHALL.
    Flushed,
    /// Killed and at once there again, empty.
    RestartedEmpty,
    /// Killed, and started again, empty, when healed.
    Killed,
    /// Killed, and its replica takes its place; it comes back as the replica when healed.
    FailedOver,
    /// Takes connections and answers nothing.
    Paused,
    /// Evicts whatever it is given.
    Evicting,
    /// Refuses whatever it is given.
    OutOfMemory,
}

impl RedisKind {
    pub const ALL: [Self; 7] = [
        Self::Flushed,
        Self::RestartedEmpty,
        Self::Killed,
        Self::FailedOver,
        Self::Paused,
        Self::Evicting,
        Self::OutOfMemory,
    ];
}

pub(super) fn begin(kind: RedisKind, fault: &Fault, stage: &Stage) -> Heal {
    let region = stage.region(&fault.region);
    let redis = &region.redis;
    let primary = redis.primary();
    match kind {
        RedisKind::Flushed => {
            redis.tell::<()>(&["FLUSHALL"]);
            return nothing();
        }
        RedisKind::RestartedEmpty => {
            redis.kill(primary);
            redis.launch(primary);
            return nothing();
        }
        RedisKind::Killed => redis.kill(primary),
        RedisKind::FailedOver => {
            redis.promote();
            region.lead_to_primary();
        }
        RedisKind::Paused => redis.pause(primary),
        RedisKind::Evicting => {
            redis.set("maxmemory-policy", "allkeys-random");
            redis.set("maxmemory", "1");
        }
        RedisKind::OutOfMemory => redis.set("maxmemory", "1"),
    }
    Box::new(move |_| match kind {
        RedisKind::Flushed | RedisKind::RestartedEmpty => {}
        RedisKind::Killed | RedisKind::FailedOver => region.redis.launch(primary),
        RedisKind::Paused => region.redis.resume(primary),
        RedisKind::Evicting | RedisKind::OutOfMemory => {
            region.redis.set("maxmemory", "0");
            region.redis.set("maxmemory-policy", "noeviction");
        }
    })
}
