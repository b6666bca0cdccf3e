//! Everything that can happen, one database statement, one message or one fault at a time.
//!
//! A pause, a slow link and a cut link need no step of their own: every step of an instance may be
//! any time late, and what is on its way may be lost.

/// One step. Numbers are of instances, unless they are said to be of regions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// The clocks go on.
    Tick,
    /// The time has come that the keys' expiry was brought forward to.
    TimeComes,

    /// The administrator's write of this number.
    Write(usize),
    /// A change of another credential.
    Other,
    /// A `seq` is drawn, long before its commit.
    Draw,
    /// The audit event that was left for later.
    Audit,
    /// What is pending becomes valid.
    Flip,
    /// A receipt is complete: the request is answered.
    Return,
    /// A look at this region's state.
    Tend(usize),
    /// Changes nobody needs are removed, and rows of instances long gone.
    Prune,
    Forget(usize),

    /// The floor is loaded.
    Load(usize),
    Register(usize),
    PollAsk(usize),
    PollLease(usize),
    PollSnapshot(usize),
    PollAnswer(usize),
    PollLost(usize),
    /// A renewal of a connection that was given up is executed.
    StrayLands(usize),
    /// The primary that was replaced answers a poll, lease and all.
    PollFormer(usize),

    /// A request is answered from the caches.
    Serve(usize),
    /// A request asks Postgres: the flight's snapshot.
    Read(usize),
    /// It asks the primary that was replaced.
    ReadFormer(usize),
    Land(usize),
    FlightLost(usize),
    /// A fill arrives at this region's Redis, or never.
    FillLands(usize),
    FillLost(usize),

    WarmRead(usize),
    WarmWrite(usize),
    WarmWriteLost(usize),
    WarmReadBack(usize),
    WarmAcknowledge(usize),
    /// Redis is another than before: the first half of raising the epoch, and the second.
    Look(usize),
    RaiseEpoch(usize),

    Crash(usize),
    Suspend(usize),
    Resume(usize),
    /// Faults of a region's Redis.
    Flush(usize),
    Replicate(usize),
    CacheFailover(usize),
    Evict(usize),
    /// The entry is deleted in this region, as a naive revoke does.
    Delete(usize),

    /// The standby becomes the primary; the old one is not fenced.
    Promote,
    Backup,
    Restore,
}
