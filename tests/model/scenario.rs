//! A scenario: how many there are, what the administrator does, which faults may happen, what is broken.

use crate::state::{Budget, INSTANCES};
use crate::step::Step;
use crate::twin::Twin;

/// What an administrator does, once each, in any order that the key's status allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    /// Makes a key. The second one is what the first is rotated to.
    Create(usize),
    Revoke(usize),
    Deactivate(usize),
    Activate(usize),
    /// Takes the role away.
    CutRole,
    /// Brings the keys' expiry forward.
    Shorten,
    /// Takes a region out.
    Drain(usize),
    /// Takes it back.
    Rejoin(usize),
}

/// What there is when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// A credential without keys; its record is in no cache.
    NoKey,
    /// The first key is valid; the regions hold it live.
    Valid,
}

/// What the warmers look after. (The product's do all of it; a scenario that is about something else
/// is smaller without.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warms {
    Nothing,
    /// Only what is pending.
    Pending,
    /// Whatever is not acknowledged, or not held any more.
    Everything,
}

/// One configuration of the model.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Scenario {
    pub name: &'static str,
    /// The region of each instance.
    pub homes: &'static [usize],
    /// How many of the regions are there from the beginning; the others join.
    pub regions: usize,
    pub start: Start,
    /// What has happened before it begins.
    pub before: &'static [Step],
    pub writes: &'static [Write],
    /// The faults that may happen.
    pub faults: Budget,
    /// Ticks.
    pub lease: u8,
    /// The clocks stand still: all that happens, happens within one lease.
    pub still: bool,
    /// How many changes a floor holds.
    pub floor_limit: u8,
    /// Instances remember what they have read.
    pub memory: bool,
    /// Instances note what they have served (I6).
    pub serving: bool,
    /// Which instances read through.
    pub readers: [bool; INSTANCES],
    /// What is warmed.
    pub warms: Warms,
    /// Several instances of a region may warm at once.
    pub many_warmers: bool,
    /// Regions are watched, quarantined, taken back.
    pub tending: bool,
    /// Renewals may be executed late, when their connection was given up long ago.
    pub strays: bool,
    /// Instances of one region are told apart only by what they are in.
    pub symmetric: bool,
    /// Whether it is also checked that from every state Pending ends (I7).
    pub calms: bool,
    /// The protection that is missing.
    pub broken: Option<Twin>,
}

/// Ticks after which a change that was not applied keeps a lease from being renewed.
pub const STALE_AFTER: u8 = 1;
/// Ticks that a region which comes back may lag.
pub const LAG: u8 = 1;
/// Ticks after which a region that holds a key up is quarantined.
pub const QUARANTINE: u8 = 2;

/// A budget without any fault.
pub const NO_FAULTS: Budget = Budget {
    crashes: 0,
    suspends: 0,
    flushes: 0,
    cache_failovers: 0,
    evictions: 0,
    lost_writes: 0,
    promotions: 0,
    restores: 0,
    prunes: 0,
    others: 0,
    written: 0,
};

impl Scenario {
    /// One region, one instance, the first key revoked, no fault: where the others begin.
    pub const PLAIN: Self = Self {
        name: "plain",
        homes: &[0],
        regions: 1,
        start: Start::NoKey,
        before: &[],
        writes: &[Write::Create(0), Write::Revoke(0)],
        faults: NO_FAULTS,
        lease: 1,
        still: false,
        floor_limit: 100,
        memory: false,
        serving: false,
        readers: [true; INSTANCES],
        warms: Warms::Pending,
        many_warmers: false,
        tending: false,
        strays: false,
        symmetric: false,
        calms: false,
        broken: None,
    };

    /// Whether this protection is missing.
    pub fn lacks(&self, twin: Twin) -> bool {
        self.broken == Some(twin)
    }

    /// How many instances there are.
    pub fn instances(&self) -> usize {
        self.homes.len()
    }

    /// Ticks for which the authority believes a lease: all clocks go at one pace here, so there is no margin.
    pub fn believed(&self) -> u8 {
        self.lease
    }
}
