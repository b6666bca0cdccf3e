//! What is checked whenever the tests are run: every idea of the protocol, in a scenario small enough to
//! be walked to its end.

use rstest::rstest;

use crate::scenario::Scenario;
use crate::scenarios::small::{
    CACHE_BEHIND, CACHE_FLUSHED, FLIP_FLUSHED, FLIP_LOST, JOIN, OBSERVED, OUTBOX_ROLE, PROMOTE_FLIP,
    PROMOTE_REVOKE, QUARANTINE, RESTORE_FLIPPED, RESTORE_REVOKE, ROTATED,
};
use crate::scenarios::{LIFE, REVOKE, SLEEP};
use crate::walk::{Progress, walk};

#[rstest]
#[case::revoke(REVOKE)]
#[case::sleep(SLEEP)]
#[case::life(LIFE)]
#[case::flip_with_a_write_lost(FLIP_LOST)]
#[case::flip_with_a_flush(FLIP_FLUSHED)]
#[case::flush_with_late_fills(CACHE_FLUSHED)]
#[case::failover_with_late_fills(CACHE_BEHIND)]
#[case::promotion_under_a_flip(PROMOTE_FLIP)]
#[case::promotion_under_a_revoke(PROMOTE_REVOKE)]
#[case::restore_under_a_revoke(RESTORE_REVOKE)]
#[case::restore_under_a_flip(RESTORE_FLIPPED)]
#[case::join(JOIN)]
#[case::quarantine(QUARANTINE)]
#[case::rotate(ROTATED)]
#[case::outbox(OUTBOX_ROLE)]
#[case::observer(OBSERVED)]
fn the_invariants_hold(#[case] scenario: Scenario) {
    walk(scenario, Progress::None);
}
