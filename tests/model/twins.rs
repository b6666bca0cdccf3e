//! Each protection is needed: without it the checker finds the harm, by a short trace.

use rstest::rstest;
use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::invariants::{I1, I1_ALWAYS, I2, I2_BOUND, I3, I4, I5, I6, I7, I8, I9};
use crate::protocol::Protocol;
use crate::scenario::{NO_FAULTS, Scenario, Start, Warms};
use crate::scenarios::{FLIP, OBSERVER, OUTBOX, PROMOTE, REGIONS, RESTORE, RESTORE_FLIP, REVOKE, ROTATE};
use crate::state::{Budget, INSTANCES};
use crate::step::Step;
use crate::twin::Twin;

/// No harm takes more steps from state to state to be found.
const ENOUGH: usize = 2_000_000;
const EVERYBODY: [bool; INSTANCES] = [true; INSTANCES];

/// One instance, a valid key that is revoked, no fault.
const ALONE: Scenario = Scenario { homes: &[0], faults: NO_FAULTS, ..REVOKE };
/// One region, one instance, a key that becomes valid.
const FLIP_ALONE: Scenario = Scenario { homes: &[0], regions: 1, faults: NO_FAULTS, ..FLIP };
/// Another instance may come, of a region that joins, and hear the new primary before the first one does.
const REPLACED: Scenario =
    Scenario { homes: &[0, 1], start: Start::Valid, writes: REVOKE.writes, warms: Warms::Nothing, ..PROMOTE };

/// An instance has heard of a change that a restored backup does not have.
const AHEAD: &[Step] =
    &[Step::Backup, Step::Other, Step::PollAsk(0), Step::PollSnapshot(0), Step::PollAnswer(0), Step::Restore];
/// The same, and a renewal that says so is still on its way.
const ASTRAY: &[Step] = &[
    Step::Backup,
    Step::Other,
    Step::PollAsk(0),
    Step::PollLease(0),
    Step::PollSnapshot(0),
    Step::PollAnswer(0),
    Step::PollAsk(0),
    Step::PollLost(0),
    Step::Restore,
];

/// Where a twin does harm, and which.
fn harm(twin: Twin) -> (Scenario, &'static str) {
    use Twin as T;
    let faults = |scenario: Scenario, faults: Budget| Scenario { faults, ..scenario };
    let read = |scenario: Scenario| Scenario { readers: EVERYBODY, ..scenario };
    let (crash, suspend) = (Budget { crashes: 1, ..NO_FAULTS }, Budget { suspends: 1, ..NO_FAULTS });
    let (flush, failover) = (Budget { flushes: 1, ..NO_FAULTS }, Budget { cache_failovers: 1, ..NO_FAULTS });
    let (lose, prune) = (Budget { lost_writes: 1, ..NO_FAULTS }, Budget { prunes: 1, ..NO_FAULTS });
    let (other, flushes) = (Budget { others: 1, ..NO_FAULTS }, Budget { flushes: 2, ..NO_FAULTS });
    let set_back = faults(RESTORE, Budget { restores: 1, ..other });
    let (scenario, harm) = match twin {
        T::DeleteThenReturn
        | T::LeaseFromAnswer
        | T::NoFloor
        | T::ReturnAtCommit
        | T::SnapshotBeforeLease
        | T::JoinedInTheAir => (ALONE, I2),
        T::TombstonesInRedis => (faults(Scenario { warms: Warms::Everything, ..ALONE }, failover), I2),
        T::RenewedWithoutCondition => (ALONE, I2_BOUND),
        T::ClockSleeps => (faults(ALONE, suspend), I2),
        T::UnorderedSequence => (faults(ALONE, other), I2),
        T::PrunedUnheard => (faults(ALONE, prune), I2),
        T::LowWaterIgnored => (Scenario { writes: REVOKE.writes, ..OUTBOX }, I2),
        T::FlipUnacknowledged => (FLIP_ALONE, I1),
        T::FlipOfAnyEpoch => (faults(FLIP_ALONE, flush), I1),
        T::AcknowledgedUnread => (faults(FLIP_ALONE, lose), I1),
        T::ArmedServed => (FLIP_ALONE, I3),
        T::FlipBeforeApplied => (Scenario { memory: true, ..read(FLIP_ALONE) }, I9),
        T::FlipWaitsForTheDead => (faults(ROTATE, crash), I7),
        T::FlipUnsettled => (Scenario { memory: true, ..RESTORE_FLIP }, I9),
        T::RotatedInTwo => (ROTATE, I4),
        T::FillWithoutCompare => (read(FLIP_ALONE), I1),
        T::FillOfEarlierEpoch => (faults(read(FLIP_ALONE), flush), I1),
        T::MarkAfterEpoch => (faults(FLIP_ALONE, flushes), I1),
        T::HistoryKeepsEpochs => (Scenario { writes: FLIP.writes, ..PROMOTE }, I1),
        T::ReturnUnsettled => (RESTORE, I2),
        T::HistoryUnheeded => (Scenario { homes: &[0, 1], before: AHEAD, strays: false, ..set_back }, I2),
        T::SameIdAgain => (Scenario { before: ASTRAY, ..read(set_back) }, I2),
        T::ReadWithoutLease | T::FormerGivesLeases => (REPLACED, I2),
        T::ServedIsForgotten => (OBSERVER, I6),
        T::OutageRefuses => (ALONE, I8),
        T::LastIsQuarantined => (REGIONS, I1_ALWAYS),
        T::RequiredBehind => (REGIONS, I1),
        T::AuditAfterwards => (ALONE, I5),
        T::AsynchronousStandby => (Scenario { writes: FLIP.writes, ..PROMOTE }, I5),
    };
    (Scenario { broken: Some(twin), ..scenario }, harm)
}

#[rstest]
#[case(Twin::DeleteThenReturn)]
#[case(Twin::TombstonesInRedis)]
#[case(Twin::NoFloor)]
#[case(Twin::LowWaterIgnored)]
#[case(Twin::LeaseFromAnswer)]
#[case(Twin::SnapshotBeforeLease)]
#[case(Twin::RenewedWithoutCondition)]
#[case(Twin::ClockSleeps)]
#[case(Twin::UnorderedSequence)]
#[case(Twin::PrunedUnheard)]
#[case(Twin::FlipUnacknowledged)]
#[case(Twin::FlipOfAnyEpoch)]
#[case(Twin::FlipBeforeApplied)]
#[case(Twin::FlipWaitsForTheDead)]
#[case(Twin::FlipUnsettled)]
#[case(Twin::RotatedInTwo)]
#[case(Twin::ArmedServed)]
#[case(Twin::AcknowledgedUnread)]
#[case(Twin::FillWithoutCompare)]
#[case(Twin::FillOfEarlierEpoch)]
#[case(Twin::MarkAfterEpoch)]
#[case(Twin::HistoryKeepsEpochs)]
#[case(Twin::ReturnAtCommit)]
#[case(Twin::ReturnUnsettled)]
#[case(Twin::HistoryUnheeded)]
#[case(Twin::SameIdAgain)]
#[case(Twin::ReadWithoutLease)]
#[case(Twin::FormerGivesLeases)]
#[case(Twin::JoinedInTheAir)]
#[case(Twin::ServedIsForgotten)]
#[case(Twin::OutageRefuses)]
#[case(Twin::LastIsQuarantined)]
#[case(Twin::RequiredBehind)]
#[case(Twin::AuditAfterwards)]
#[case(Twin::AsynchronousStandby)]
fn a_missing_protection_is_found(#[case] twin: Twin) {
    let (scenario, harm) = harm(twin);
    let (found, steps) = search(scenario, harm, ENOUGH);
    let found = found.unwrap_or_else(|| panic!("{twin:?} does no harm to: {harm}"));
    println!("{twin:?}: {harm}: after {} steps: {found:?}", found.len());
    // It is the missing protection that does it: with it, there is nothing to be found as far away.
    let (sound, _) = search(Scenario { broken: None, ..scenario }, harm, steps);
    assert_eq!(sound, None, "{harm} is broken without {twin:?}");
}

/// Searches, by so many steps from state to state, for a trace that breaks an invariant; and how many it took.
fn search(scenario: Scenario, invariant: &'static str, most: usize) -> (Option<Vec<Step>>, usize) {
    let until = HasDiscoveries::AllOf([invariant].into_iter().collect());
    let checker =
        Protocol { scenario }.checker().finish_when(until).target_state_count(most).spawn_bfs().join();
    (checker.discovery(invariant).map(Path::into_actions), checker.state_count())
}
