//! The broken twins: each takes one protection away. The checker must then find the harm.

/// A protection that is missing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Twin {
    /// Revoking deletes the entry in every region and returns; whatever is in Redis is served.
    DeleteThenReturn,
    /// Revoking writes a tombstone into every region and returns; whatever is in Redis is served.
    TombstonesInRedis,
    /// What opens is served, whatever version the instance has heard of.
    NoFloor,
    /// What was read before the low water is believed.
    LowWaterIgnored,
    /// The lease is counted from the answer.
    LeaseFromAnswer,
    /// The snapshot is taken before the lease is committed.
    SnapshotBeforeLease,
    /// The lease is renewed, however old the changes are that were not applied.
    RenewedWithoutCondition,
    /// The lease is counted on a clock that stands still while the machine sleeps.
    ClockSleeps,
    /// `seq` is drawn before the commit, and not under the lock: `seq > applied` skips.
    UnorderedSequence,
    /// The outbox is pruned without asking who has heard.
    PrunedUnheard,
    /// A pending key becomes valid without acknowledgements.
    FlipUnacknowledged,
    /// Acknowledgements of an earlier epoch count.
    FlipOfAnyEpoch,
    /// A pending key becomes valid while instances still answer from the record before it.
    FlipBeforeApplied,
    /// Instances whose lease is over are waited for.
    FlipWaitsForTheDead,
    /// A pending key becomes valid while leases of another history may be alive.
    FlipUnsettled,
    /// Old and new change places in two transactions.
    RotatedInTwo,
    /// An armed entry is served.
    ArmedServed,
    /// The warmer acknowledges what it has written, and does not read it back.
    AcknowledgedUnread,
    /// A fill overwrites whatever there is.
    FillWithoutCompare,
    /// A fill of an earlier epoch overwrites one of a later.
    FillOfEarlierEpoch,
    /// The new mark is written into Redis after the epoch was raised, not before.
    MarkAfterEpoch,
    /// A new history begins with the epochs, and so the acknowledgements, of the one before.
    HistoryKeepsEpochs,
    /// A revoke returns when it is committed.
    ReturnAtCommit,
    /// A revoke does not wait for leases that a new history may not know of.
    ReturnUnsettled,
    /// An instance that hears another history goes on.
    HistoryUnheeded,
    /// An instance keeps its id when it starts over, so that old renewals still count.
    SameIdAgain,
    /// What was read in Postgres is served without a lease.
    ReadWithoutLease,
    /// A primary that was replaced can still commit leases.
    FormerGivesLeases,
    /// A request joins a flight that is already in the air.
    JoinedInTheAir,
    /// An instance may serve an older version than it has served.
    ServedIsForgotten,
    /// Nothing answers, and the caller is told that it is wrong.
    OutageRefuses,
    /// The last required region is quarantined like any other.
    LastIsQuarantined,
    /// A region is required again as soon as it has a lease.
    RequiredBehind,
    /// The audit event is written after the change.
    AuditAfterwards,
    /// Commits are acknowledged before the standby has them.
    AsynchronousStandby,
}
