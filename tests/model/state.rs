//! What the world is made of: the authority (Postgres), the regions' caches (Redis), the instances.
//!
//! Everything is small, flat and copied: a checker holds millions of these. Numbers that would be
//! times are ticks that are left, so that a world which waits comes round to where it was. There is
//! one credential; changes of others only take up a place in the feed.

use carnet::domain::key::KeyStatus;
use carnet::domain::record::{Liveness, Standing};

/// The most regions of a scenario.
pub const REGIONS: usize = 2;
/// The most instances of a scenario.
pub const INSTANCES: usize = 4;
/// The keys of the credential: the second is what the first is rotated to.
pub const KEYS: usize = 2;
/// What can be taken away with a receipt: the two keys, the role, and time (an expiry brought forward).
pub const ENDINGS: usize = 4;
/// The place of the role among the endings.
pub const ROLE: usize = 2;
/// The place of the expiry among the endings.
pub const EXPIRY: usize = 3;

/// The record of the credential: what the view `credential_record` gives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Record {
    pub version: u8,
    pub keys: [Option<Liveness>; KEYS],
    /// Its one role.
    pub role: bool,
    /// The keys end at the time that [`Ghost::late`] says has come.
    pub ends: bool,
}

impl Record {
    /// Something in it is pending.
    pub fn is_armed(self) -> bool {
        self.pending_parts() > 0
    }

    fn pending_parts(self) -> usize {
        self.keys.iter().filter(|part| **part == Some(Liveness::Pending)).count()
    }
}

/// A record as it was read, and the place that it is sealed for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    pub record: Record,
    pub read_seq: u8,
    pub history: u8,
    pub epoch: u8,
}

impl Entry {
    /// The product's own order of readings.
    pub fn standing(self) -> Standing {
        let Record { version, .. } = self.record;
        Standing::new(version.into(), self.record.pending_parts(), self.read_seq.into())
    }

    pub fn is_armed(self) -> bool {
        self.record.is_armed()
    }
}

/// Where a region is in its life; the names are those of the enum in SQL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RegionState {
    /// Serves by read-through; no key waits for it.
    Joining,
    /// No key is valid without its acknowledgement.
    Required,
    /// Back from quarantine, catching up.
    Rejoining,
    /// Not counted: its leases lapsed, or it holds keys up.
    Quarantined,
    /// Taken out by an operator; never counted.
    Draining,
}

/// The row of a region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegionRow {
    /// None: no such region yet.
    pub state: Option<RegionState>,
    pub epoch: u8,
    /// The Redis that the epoch is of.
    pub run: u8,
    /// The mark that this Redis holds for as long as it has not lost its contents.
    pub life: u8,
    /// The version that was acknowledged last, and in which epoch.
    pub acknowledged: Option<(u8, u8)>,
}

/// The row of an instance: what the authority knows of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Row {
    pub registered: bool,
    pub applied: u8,
    pub low_water: u8,
    /// Ticks for which the authority believes the lease alive.
    pub believed: u8,
}

/// Postgres: the primary, everything in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Authority {
    /// Which history it tells.
    pub history: u8,
    /// Whether it has been written down that the history is another one.
    pub noted: bool,
    /// Ticks until `since + longest_lease`.
    pub unsettled: u8,
    /// The newest `seq`.
    pub head: u8,
    /// The newest `seq` that is older than `STALE_AFTER`, here one tick.
    pub stale: u8,
    /// Changes up to here are gone from the outbox.
    pub pruned: u8,
    /// A `seq` that was drawn but is not committed (only without [`append_changes`'s lock]).
    pub drawn: u8,
    /// The credential's version, and the `seq` that made it.
    pub version: u8,
    pub seq: u8,
    /// The `seq` of its last change in the outbox, flips included.
    pub last: u8,
    /// Ticks since that version, up to the longest that anything asks for.
    pub age: u8,
    pub keys: [Option<KeyStatus>; KEYS],
    pub role: bool,
    pub ends: bool,
    /// For each ending the `seq` that its receipt waits for; 0 for none.
    pub receipts: [u8; ENDINGS],
    pub regions: [RegionRow; REGIONS],
    pub rows: [Row; INSTANCES],
    /// Changes of keys, and audit events about them.
    pub changes: u8,
    pub audited: u8,
}

/// Redis of one region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cache {
    pub entry: Option<Entry>,
    /// Which process it is.
    pub run: u8,
    /// The mark that lies in it; 0 for none.
    pub mark: u8,
    /// What its replica holds: entry and mark of some moment before.
    pub replica: (Option<Entry>, u8),
    /// A fill on its way that nobody waits for.
    pub fill: Option<Entry>,
}

/// How far a process is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Life {
    /// Not there, or starting over.
    #[default]
    Down,
    /// Floor loaded, not registered.
    Loaded,
    /// Registered: it polls, and serves while it has a lease.
    Running,
}

/// A poll under way. `left` is what the lease has left, counted from before the question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Poll {
    #[default]
    Idle,
    /// The question is on its way.
    Asked { left: u8 },
    /// The snapshot is taken before the lease is committed (only in the twin that is about that).
    Early { left: u8, heard: Heard },
    /// The lease is committed (or was refused), the snapshot is not taken.
    Leased { left: u8, renewal: Renewal },
    /// The answer is on its way.
    Answered { left: u8, renewal: Renewal, heard: Heard },
}

/// What the statement that renews a lease said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Renewal {
    Extended,
    /// A change is waiting that is too old: first hear it, then ask again.
    Stale,
    /// No such instance here.
    Unknown,
}

/// The snapshot of a poll.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Heard {
    pub history: u8,
    pub epoch: u8,
    pub head: u8,
    /// The credential's last change among the changes after what was applied: `(version, seq)`.
    pub change: Option<(u8, u8)>,
}

/// A question to Postgres about the record, on its way back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flight {
    pub reading: Entry,
    /// How much the instance had heard when it took off.
    pub heard: u8,
    /// The highest version that the instance had served when it took off (for I6 only).
    pub seen: u8,
    /// What had ended for good when the request was sent (for I2 only).
    pub ended: [bool; ENDINGS],
    /// Which keys were valid when the request was sent (for I9 only).
    pub valid: [bool; KEYS],
}

/// How far a warmer is with the credential.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Warm {
    #[default]
    Idle,
    /// Read in Postgres.
    Read(Entry),
    /// Written into Redis.
    Written(Entry),
    /// Read back from Redis: this version, in this epoch.
    ReadBack { version: u8, epoch: u8 },
}

/// A look at Redis that has found another life in it than the region's row says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Look {
    /// The epoch that was known then.
    pub known: u8,
    pub run: u8,
    pub mark: u8,
}

/// One process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instance {
    pub life: Life,
    /// Its machine sleeps.
    pub suspended: bool,
    pub history: u8,
    /// 0: not heard yet.
    pub epoch: u8,
    pub applied: u8,
    pub low_water: u8,
    /// The floor's `(version, seq)` of the credential.
    pub newest: Option<(u8, u8)>,
    /// Ticks.
    pub lease: u8,
    pub memory: Option<Entry>,
    pub poll: Poll,
    /// A renewal of a connection that was given up: it may still be executed.
    pub stray: Option<u8>,
    pub flight: Option<Flight>,
    pub warm: Warm,
    pub look: Option<Look>,
    /// The highest version that it has served (what I6 is about).
    pub seen: u8,
}

/// What no machine knows, and the invariants need.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    /// The keys that ever were valid.
    pub ever_valid: [bool; KEYS],
    /// The keys that are valid, and that anyone may have seen so in the present history.
    pub seen_valid: [bool; KEYS],
    /// The endings whose request was answered: "nobody accepts it any more".
    pub ended: [bool; ENDINGS],
    /// The time that the expiry was brought forward to has come.
    pub late: bool,
    /// For the oldest receipt that is waited for: its `seq`, and the ticks since its commit.
    pub waiting: Option<(u8, u8)>,
    /// An entry was evicted: an acknowledgement may be of what is no longer there.
    pub evicted: bool,
    /// What a step did wrong, if it did.
    pub fault: Option<Fault>,
}

/// Wrongs that are done by a step, and cannot be seen in a state afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// I1: a key turned valid that a required region does not hold.
    ValidButNotHeld,
    /// I1: a region became required that lacks what it should have.
    RequiredButBehind,
    /// I2: a request was sent after a revoke had returned, and was served.
    ServedWhatEnded,
    /// I5: an acknowledged change is gone.
    AcknowledgedAndLost,
    /// I6: somebody saw a version, and then an older one.
    WentBack,
    /// I8: an outage was answered as the caller's fault.
    OutageBlamed,
    /// I9: a key was seen valid, and then not honoured.
    ValidButNotHonoured,
}

/// How often each fault may still happen, and what the administrator has still to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    pub crashes: u8,
    pub suspends: u8,
    pub flushes: u8,
    pub cache_failovers: u8,
    pub evictions: u8,
    pub lost_writes: u8,
    pub promotions: u8,
    pub restores: u8,
    pub prunes: u8,
    /// Changes of other credentials.
    pub others: u8,
    /// Writes of the scenario that were done, as bits.
    pub written: u16,
}

/// The world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub authority: Authority,
    /// A primary that was replaced but not fenced: it still answers reads.
    pub former: Option<Entry>,
    /// What can be restored.
    pub backup: Option<Authority>,
    pub caches: [Cache; REGIONS],
    pub instances: [Instance; INSTANCES],
    pub budget: Budget,
    pub ghost: Ghost,
}
