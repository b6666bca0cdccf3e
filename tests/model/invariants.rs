//! The invariants of DESIGN §3, one function each.

use carnet::domain::key::KeyStatus;
use stateright::Property;

use crate::calm;
use crate::protocol::Protocol;
use crate::scenario::{STALE_AFTER, Scenario, Write};
use crate::state::{ENDINGS, Entry, Fault, KEYS, RegionState, State};

pub const I1: &str = "I1 valid only with every required region's acknowledgement in its present epoch";
pub const I1_ALWAYS: &str = "I1 there is always a required region";
pub const I2: &str = "I2 what has ended by receipt is refused everywhere";
pub const I2_BOUND: &str = "I2 a receipt is complete at its bound";
pub const I3: &str = "I3 what was never valid never authenticates";
pub const I4: &str = "I4 one active key; never neither while one is rotated";
pub const I5: &str = "I5 nothing acknowledged is lost, no change without its audit event";
pub const I6: &str = "I6 a version never goes down for any observer";
pub const I7: &str = "I7 with all regions up, Pending ends";
pub const I8: &str = "I8 an outage is never the caller's fault";
pub const I9: &str = "I9 once valid, every serving instance of a required region accepts";
pub const REACHED: &str = "what the scenario is about is reached";

/// All of them; the seventh where the scenario asks for it.
pub fn all(scenario: &Scenario) -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always(I1, valid_is_acknowledged),
        Property::always(I1_ALWAYS, some_region_is_required),
        Property::always(I2, ended_is_refused),
        Property::always(I2_BOUND, receipts_have_a_bound),
        Property::always(I3, only_valid_authenticates),
        Property::always(I4, one_key_at_a_time),
        Property::always(I5, nothing_is_lost),
        Property::always(I6, versions_never_go_down),
        Property::always(I8, outages_are_not_blamed),
        Property::always(I9, valid_is_honoured),
        Property::sometimes(REACHED, everything_was_done),
    ];
    if scenario.calms {
        all.push(Property::always(I7, pending_ends));
    }
    all
}

fn faultless(s: &State, faults: &[Fault]) -> bool {
    s.ghost.fault.is_none_or(|fault| !faults.contains(&fault))
}

/// Every answer that some instance would give now without asking Postgres.
fn answers(m: &Protocol, s: &State, mut holds: impl FnMut(usize, Entry) -> bool) -> bool {
    (0..m.scenario.instances()).all(|i| m.cached(s, i).into_iter().flatten().all(|entry| holds(i, entry)))
}

pub fn valid_is_acknowledged(_: &Protocol, s: &State) -> bool {
    faultless(s, &[Fault::ValidButNotHeld, Fault::RequiredButBehind])
}

pub fn some_region_is_required(_: &Protocol, s: &State) -> bool {
    s.authority.required().next().is_some()
}

pub fn ended_is_refused(m: &Protocol, s: &State) -> bool {
    let refused = |_: usize, e: Entry| {
        (0..ENDINGS).all(|ending| !s.ghost.ended[ending] || !m.grants(s, e.record, ending))
    };
    faultless(s, &[Fault::ServedWhatEnded]) && answers(m, s, refused)
}

/// The bound of a receipt: the commit, the time after which a lease is not renewed by who has not
/// applied the change, and the longest lease.
pub fn receipts_have_a_bound(m: &Protocol, s: &State) -> bool {
    let Some((seq, age)) = s.ghost.waiting else { return true };
    age < STALE_AFTER + m.scenario.believed() || !s.authority.is_settled() || m.is_finished(s, seq)
}

pub fn only_valid_authenticates(m: &Protocol, s: &State) -> bool {
    answers(m, s, |_, e| (0..KEYS).all(|key| s.ghost.ever_valid[key] || !m.honours(s, e.record, key)))
}

pub fn one_key_at_a_time(m: &Protocol, s: &State) -> bool {
    let valid = Protocol::valid(s).into_iter().filter(|valid| *valid).count();
    // Where nothing but the rotation takes a key away, there is one at all times.
    let only_rotates = m.scenario.writes.iter().all(|w| matches!(w, Write::Create(_) | Write::CutRole));
    let rotating = only_rotates && s.ghost.ever_valid[0] && m.scenario.faults.restores == 0;
    let some = |_: usize, e: Entry| e.record.keys.iter().any(Option::is_some);
    valid <= 1 && (!rotating || (valid == 1 && (!s.ghost.ever_valid[1] || answers(m, s, some))))
}

pub fn nothing_is_lost(_: &Protocol, s: &State) -> bool {
    s.authority.changes == s.authority.audited && faultless(s, &[Fault::AcknowledgedAndLost])
}

pub fn versions_never_go_down(m: &Protocol, s: &State) -> bool {
    faultless(s, &[Fault::WentBack]) && answers(m, s, |i, e| e.record.version >= s.instances[i].seen)
}

pub fn pending_ends(m: &Protocol, s: &State) -> bool {
    let pending = |s: &State| s.authority.keys.contains(&Some(KeyStatus::Pending));
    !pending(s) || !pending(&calm::after_calm(m, s))
}

pub fn outages_are_not_blamed(_: &Protocol, s: &State) -> bool {
    faultless(s, &[Fault::OutageBlamed])
}

pub fn valid_is_honoured(m: &Protocol, s: &State) -> bool {
    let valid = Protocol::seen_valid(s);
    let required = |i: usize| s.authority.regions[m.scenario.homes[i]].state == Some(RegionState::Required);
    let honoured =
        |i: usize, e: Entry| !required(i) || (0..KEYS).all(|key| !valid[key] || e.record.keys[key].is_some());
    faultless(s, &[Fault::ValidButNotHonoured]) && answers(m, s, honoured)
}

/// The administrator has done everything, and every receipt is complete.
pub fn everything_was_done(m: &Protocol, s: &State) -> bool {
    let done = (1_u16 << m.scenario.writes.len()) - 1 == s.budget.written;
    let pending = s.authority.keys.contains(&Some(KeyStatus::Pending));
    done && s.authority.receipts == [0; ENDINGS] && !pending
}
