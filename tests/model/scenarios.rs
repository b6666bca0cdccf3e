//! The scenarios that together cover the protocol. Each is about one thing, and small enough to be
//! walked to its end; the long run walks larger ones.

use crate::scenario::{NO_FAULTS, Scenario, Start, Warms, Write};
use crate::state::{Budget, INSTANCES};

const ONLY_FIRST: [bool; INSTANCES] = [true, false, false, false];
const NOBODY: [bool; INSTANCES] = [false; INSTANCES];

/// A valid key is revoked. Polls are lost at every point, fills and answers come late, a process dies
/// and another takes its place: leases, floors, receipts, and the bound of a receipt.
pub const REVOKE: Scenario = Scenario {
    name: "revoke",
    homes: &[0, 0],
    start: Start::Valid,
    writes: &[Write::Revoke(0)],
    warms: Warms::Nothing,
    faults: Budget { crashes: 1, ..NO_FAULTS },
    readers: ONLY_FIRST,
    symmetric: false,
    ..Scenario::PLAIN
};

/// The same with longer leases, in which several polls overlap with one lease; the machine may sleep, and
/// Redis may lose the entry.
pub const SLEEP: Scenario = Scenario {
    name: "sleep",
    homes: &[0],
    lease: 2,
    faults: Budget { suspends: 1, crashes: 1, evictions: 1, ..NO_FAULTS },
    ..REVOKE
};

/// The life of a key: created, valid, switched off and on again, revoked.
pub const LIFE: Scenario = Scenario {
    name: "life",
    writes: &[Write::Create(0), Write::Deactivate(0), Write::Activate(0), Write::Revoke(0)],
    readers: NOBODY,
    calms: true,
    ..Scenario::PLAIN
};

/// Two regions, and a key that becomes valid in both; a write into Redis is lost, or Redis is flushed.
pub const FLIP: Scenario = Scenario {
    name: "flip",
    homes: &[0, 1],
    regions: 2,
    writes: &[Write::Create(0)],
    faults: Budget { flushes: 1, lost_writes: 1, ..NO_FAULTS },
    readers: NOBODY,
    calms: true,
    ..Scenario::PLAIN
};

/// Two instances of one region, both of which warm and look at Redis; it is flushed, fails over to an
/// older copy, or loses an entry. Fills come late.
pub const CACHE: Scenario = Scenario {
    name: "cache",
    homes: &[0, 0],
    writes: &[Write::Create(0)],
    faults: Budget { flushes: 1, cache_failovers: 1, ..NO_FAULTS },
    readers: ONLY_FIRST,
    many_warmers: true,
    ..Scenario::PLAIN
};

/// The standby becomes the primary while a key is made and revoked; the old one still answers reads.
pub const PROMOTE: Scenario = Scenario {
    name: "promote",
    homes: &[0],
    writes: &[Write::Create(0), Write::Revoke(0)],
    faults: Budget { promotions: 1, ..NO_FAULTS },
    ..Scenario::PLAIN
};

/// An old backup is restored under running instances; renewals of connections that were given up are
/// executed late.
pub const RESTORE: Scenario = Scenario {
    name: "restore",
    homes: &[0],
    start: Start::Valid,
    writes: &[Write::Revoke(0)],
    warms: Warms::Nothing,
    faults: Budget { restores: 1, others: 2, ..NO_FAULTS },
    readers: NOBODY,
    strays: true,
    ..Scenario::PLAIN
};

/// The same, while a key becomes valid.
pub const RESTORE_FLIP: Scenario = Scenario {
    name: "restore and flip",
    start: Start::NoKey,
    writes: &[Write::Create(0)],
    warms: Warms::Pending,
    faults: Budget { restores: 1, ..NO_FAULTS },
    readers: ONLY_FIRST,
    strays: false,
    ..RESTORE
};

/// A region joins, lapses, holds a key up, is quarantined, comes back, is drained.
pub const REGIONS: Scenario = Scenario {
    name: "regions",
    homes: &[0, 1],
    regions: 1,
    writes: &[Write::Create(0), Write::Drain(1), Write::Rejoin(1)],
    readers: NOBODY,
    warms: Warms::Everything,
    tending: true,
    calms: true,
    ..Scenario::PLAIN
};

/// A key is rotated: the new one is warmed beside the old, then both change places.
pub const ROTATE: Scenario = Scenario {
    name: "rotate",
    homes: &[0, 0],
    start: Start::Valid,
    writes: &[Write::Create(1)],
    readers: ONLY_FIRST,
    calms: true,
    ..Scenario::PLAIN
};

/// A role is cut, an expiry is brought forward; other credentials change, floors are full, the outbox is
/// pruned, rows of instances are forgotten.
pub const OUTBOX: Scenario = Scenario {
    name: "outbox",
    homes: &[0],
    start: Start::Valid,
    writes: &[Write::CutRole, Write::Shorten],
    warms: Warms::Nothing,
    faults: Budget { others: 2, prunes: 1, crashes: 1, ..NO_FAULTS },
    floor_limit: 1,
    readers: NOBODY,
    ..Scenario::PLAIN
};

/// What one instance serves, answer after answer: from memory, from a Redis that falls back to an older
/// copy, from Postgres ahead of the feed.
pub const OBSERVER: Scenario = Scenario {
    name: "observer",
    homes: &[0],
    start: Start::Valid,
    writes: &[Write::CutRole],
    warms: Warms::Everything,
    faults: Budget { cache_failovers: 1, crashes: 1, ..NO_FAULTS },
    memory: true,
    serving: true,
    ..Scenario::PLAIN
};

/// What a walk at every run of the tests can afford: the same ideas, a little smaller.
pub mod small {
    use super::{
        Budget, CACHE, FLIP, NO_FAULTS, NOBODY, OBSERVER, OUTBOX, PROMOTE, REGIONS, RESTORE, RESTORE_FLIP,
        REVOKE, ROTATE, Scenario, Start, Warms, Write,
    };

    const LOST: Budget = Budget { lost_writes: 1, ..NO_FAULTS };
    pub const FLUSH: Budget = Budget { flushes: 1, ..NO_FAULTS };
    const FAILOVER: Budget = Budget { cache_failovers: 1, ..NO_FAULTS };
    const EVICTED: Budget = Budget { evictions: 1, ..NO_FAULTS };
    const GONE: Budget = Budget { restores: 1, others: 1, ..NO_FAULTS };
    const FULL: Budget = Budget { others: 1, prunes: 1, crashes: 1, ..NO_FAULTS };

    pub const FLIP_LOST: Scenario = Scenario { faults: LOST, ..FLIP };
    pub const FLIP_FLUSHED: Scenario = Scenario { homes: &[0], regions: 1, faults: FLUSH, ..FLIP };
    pub const CACHE_FLUSHED: Scenario = Scenario { homes: &[0], faults: FLUSH, ..CACHE };
    pub const CACHE_BEHIND: Scenario = Scenario { faults: FAILOVER, readers: NOBODY, ..CACHE_FLUSHED };
    pub const PROMOTE_FLIP: Scenario = Scenario { writes: FLIP.writes, ..PROMOTE };
    pub const PROMOTE_REVOKE: Scenario = Scenario { start: Start::Valid, writes: REVOKE.writes, ..PROMOTE };
    pub const RESTORE_REVOKE: Scenario = Scenario { faults: GONE, ..RESTORE };
    pub const RESTORE_FLIPPED: Scenario = Scenario { readers: NOBODY, ..RESTORE_FLIP };
    pub const JOIN: Scenario = Scenario { writes: &[Write::Drain(1), Write::Rejoin(1)], ..REGIONS };
    pub const QUARANTINE: Scenario =
        Scenario { regions: 2, writes: &[Write::Create(0)], warms: Warms::Pending, ..REGIONS };
    pub const ROTATED: Scenario = Scenario { readers: NOBODY, faults: EVICTED, ..ROTATE };
    pub const OUTBOX_ROLE: Scenario = Scenario { faults: FULL, writes: &[Write::CutRole], ..OUTBOX };
    pub const OBSERVED: Scenario = Scenario { warms: Warms::Nothing, faults: NO_FAULTS, ..OBSERVER };
}

/// Two regions of two instances each.
const TWO_BY_TWO: &[usize] = &[0, 0, 1, 1];

/// What the long run walks: two regions of two, and everything above in full.
pub const LONG: &[Scenario] = &[
    Scenario {
        name: "2x2 revoke",
        homes: TWO_BY_TWO,
        regions: 2,
        symmetric: true,
        readers: NOBODY,
        ..REVOKE
    },
    Scenario {
        name: "2x2 flip",
        homes: TWO_BY_TWO,
        still: true,
        symmetric: true,
        calms: false,
        faults: NO_FAULTS,
        ..FLIP
    },
    FLIP,
    Scenario { name: "two warmers", still: true, symmetric: true, faults: NO_FAULTS, ..CACHE },
    Scenario {
        name: "two look at Redis",
        still: true,
        many_warmers: false,
        readers: NOBODY,
        symmetric: true,
        faults: small::FLUSH,
        ..CACHE
    },
    PROMOTE,
    RESTORE,
    RESTORE_FLIP,
    Scenario { name: "join and drain", ..small::JOIN },
    Scenario { name: "join under a flip", writes: &[Write::Create(0)], ..REGIONS },
    Scenario { faults: REVOKE.faults, ..ROTATE },
    Scenario { faults: Budget { others: 2, prunes: 1, ..NO_FAULTS }, ..OUTBOX },
    Scenario { faults: Budget { cache_failovers: 1, ..NO_FAULTS }, ..OBSERVER },
];
