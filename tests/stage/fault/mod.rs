//! What can go wrong: kinds of fault, planned by a seed, begun, and healed.
//!
//! A fault is first planned, which decides where and how strong and changes nothing, so that a run can be written down before it happens. `begin`
//! returns when the fault is there; `heal` when what was done is undone. Whether everything is well again is [`Stage::await_whole`]'s question, for
//! with other faults about it may not be.

mod instance;
mod link;
mod postgres;
mod redis;
mod region;

use std::fmt;
use std::time::Duration;

use super::Stage;
use super::proxy::chance::Chance;

pub use instance::InstanceKind;
pub use link::{Link, LinkKind};
pub use postgres::PostgresKind;
pub use redis::RedisKind;
pub use region::RegionKind;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Of one process.
    Instance(InstanceKind),
    /// Of one instance's way to one of its stores.
    Link(Link, LinkKind),
    /// Of one region's Redis.
    Redis(RedisKind),
    /// Of the authority.
    Postgres(PostgresKind),
    /// Of a whole region.
    Region(RegionKind),
}

impl Kind {
    /// Every kind that there is.
    pub fn all() -> Vec<Self> {
        let links =
            LinkKind::ALL.iter().flat_map(|kind| [Link::Postgres, Link::Redis].map(|link| (link, *kind)));
        let mut all: Vec<_> = links.map(|(link, kind)| Self::Link(link, kind)).collect();
        all.extend(InstanceKind::ALL.map(Self::Instance));
        all.extend(RedisKind::ALL.map(Self::Redis));
        all.extend(PostgresKind::ALL.map(Self::Postgres));
        all.extend(RegionKind::ALL.map(Self::Region));
        all
    }

    /// Whether this stage can play it.
    pub fn is_possible(self, stage: &Stage) -> bool {
        match self {
            Self::Instance(kind) => kind.is_possible(),
            Self::Region(kind) => kind.is_possible(stage),
            Self::Postgres(kind) => kind.is_possible(stage),
            Self::Link(..) | Self::Redis(_) => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(kind) => write!(f, "instance {kind:?}"),
            Self::Link(link, kind) => write!(f, "link to {link:?} {kind:?}"),
            Self::Redis(kind) => write!(f, "Redis {kind:?}"),
            Self::Postgres(kind) => write!(f, "Postgres {kind:?}"),
            Self::Region(kind) => write!(f, "region {kind:?}"),
        }
    }
}

/// What a fault touches.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Thing {
    Instance(String, usize),
    Link(Link, String, usize),
    Redis(String),
    Postgres,
    Region(String),
}

impl Thing {
    /// Whether faults of the two would get in each other's way.
    pub fn touches(&self, other: &Self) -> bool {
        let inside = |region: &str, thing: &Self| match thing {
            Self::Instance(name, _) | Self::Link(_, name, _) | Self::Redis(name) | Self::Region(name) => {
                name == region
            }
            Self::Postgres => false,
        };
        match (self, other) {
            (Self::Region(region), thing) | (thing, Self::Region(region)) => inside(region, thing),
            (one, other) => one == other,
        }
    }
}

/// A fault that is planned.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: Kind,
    /// Where: what of it counts depends on the kind.
    pub region: String,
    pub number: usize,
    lease: Duration,
    chance: Chance,
}

/// How a fault is undone.
type Heal = Box<dyn FnOnce(&Stage) + Send>;

/// A fault that is there.
#[must_use = "a fault lasts until it is healed"]
pub struct Begun(Heal);

impl Fault {
    /// Chooses where and how strong.
    pub fn plan(kind: Kind, stage: &Stage, chance: &mut Chance) -> Self {
        let regions = stage.regions();
        let region = chance.one_of(&regions);
        let number = chance.below(region.instances.len().max(1));
        let lease = Duration::from_secs(stage.options.lease_seconds);
        Self { kind, region: region.name.clone(), number, lease, chance: chance.branch(1) }.moved_on(chance)
    }

    /// The plan's own numbers are not drawn again by the next.
    fn moved_on(self, chance: &mut Chance) -> Self {
        chance.draw();
        self
    }

    /// What it touches.
    pub fn thing(&self) -> Thing {
        let region = self.region.clone();
        match self.kind {
            Kind::Instance(_) => Thing::Instance(region, self.number),
            Kind::Link(link, _) => Thing::Link(link, region, self.number),
            Kind::Redis(_) => Thing::Redis(region),
            Kind::Postgres(_) => Thing::Postgres,
            Kind::Region(RegionKind::Joins) => Thing::Region(region::LATE.to_owned()),
            Kind::Region(_) => Thing::Region(region),
        }
    }

    /// How long it should last, to be what it is meant to be.
    pub fn holds_for(&self) -> Duration {
        match self.kind {
            Kind::Instance(InstanceKind::PausedBriefly) => self.lease / 3,
            // Longer than anybody believes the lease.
            Kind::Instance(InstanceKind::PausedBeyondLease) => {
                self.lease + self.lease / 20 + Duration::from_secs(2)
            }
            _ => Duration::from_millis(500 + u64::from(self.drawn(2500))),
        }
    }

    /// Lets it happen; returns when it is there.
    pub fn begin(&self, stage: &Stage) -> Begun {
        Begun(match self.kind {
            Kind::Instance(kind) => instance::begin(kind, self, stage),
            Kind::Link(link, kind) => link::begin(link, kind, self, stage),
            Kind::Redis(kind) => redis::begin(kind, self, stage),
            Kind::Postgres(kind) => postgres::begin(kind, self, stage),
            Kind::Region(kind) => region::begin(kind, self, stage),
        })
    }

    /// A number below this one that belongs to this fault.
    fn drawn(&self, limit: u32) -> u32 {
        let drawn = self.chance.clone().draw() % u64::from(limit);
        u32::try_from(drawn).expect("below the limit")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.kind, self.thing())
    }
}

impl Begun {
    /// Undoes it.
    pub fn heal(self, stage: &Stage) {
        (self.0)(stage);
    }
}

/// For what is over as soon as it is there.
fn nothing() -> Heal {
    Box::new(|_| ())
}
