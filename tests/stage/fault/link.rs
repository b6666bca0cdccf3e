//! What happens to one instance's way to one of its stores.

use std::time::Duration;

use super::{Fault, Heal};
use crate::stage::proxy::{Trouble, Way};
use crate::stage::{Instance, Stage};

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    Postgres,
    Redis,
}

impl Link {
    pub(super) fn of(self, instance: &Instance) -> &crate::stage::proxy::Proxy {
        match self {
            Self::Postgres => &instance.database,
            Self::Redis => &instance.redis,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkKind {
    /// Everything takes 20 to 420 ms longer, each way.
    Delayed,
    /// Everything takes up to 50 to 450 ms longer, each way, each piece otherwise.
    Jittery,
    /// Closed, and nothing gets in.
    Cut,
    /// Questions do not arrive, until it is healed.
    HalfOpenTowards,
    /// Answers do not arrive, until it is healed.
    HalfOpenBack,
    /// What is open is reset.
    Reset,
    /// Connections are taken, and nothing comes of them.
    Blackholed,
    /// 2 to 10 kB in a second.
    Slow,
    /// What is open hangs, what is opened is fine.
    Frozen,
}

impl LinkKind {
    pub const ALL: [Self; 9] = [
        Self::Delayed,
        Self::Jittery,
        Self::Cut,
        Self::HalfOpenTowards,
        Self::HalfOpenBack,
        Self::Reset,
        Self::Blackholed,
        Self::Slow,
        Self::Frozen,
    ];

    /// The trouble that it is, if it is one that lasts.
    fn trouble(self, fault: &Fault) -> Option<Trouble> {
        let up_to_400 = Duration::from_millis(fault.drawn(400).into());
        Some(match self {
            Self::Delayed => Trouble::Delay(Duration::from_millis(20) + up_to_400),
            Self::Jittery => Trouble::Jitter(Duration::from_millis(50) + up_to_400),
            Self::Cut => Trouble::Cut,
            Self::HalfOpenTowards => Trouble::HalfOpen(Way::Towards),
            Self::HalfOpenBack => Trouble::HalfOpen(Way::Back),
            Self::Blackholed => Trouble::Blackhole,
            Self::Slow => Trouble::Slow { bytes_per_second: 2_000 + fault.drawn(8_000) },
            Self::Reset | Self::Frozen => return None,
        })
    }
}

pub(super) fn begin(link: Link, kind: LinkKind, fault: &Fault, stage: &Stage) -> Heal {
    let instance = stage.region(&fault.region).instances[fault.number].clone();
    if let Some(trouble) = kind.trouble(fault) {
        let imposed = link.of(&instance).impose(trouble);
        return Box::new(move |_| link.of(&instance).lift(&imposed));
    }
    if kind == LinkKind::Reset {
        link.of(&instance).reset();
        return super::nothing();
    }
    link.of(&instance).freeze();
    Box::new(move |_| link.of(&instance).resume())
}
