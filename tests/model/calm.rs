//! I7 as a check of every state: were all faults over now, would Pending end?
//!
//! A calm is one fair schedule, always the same: every instance runs, every region is up, nothing is
//! lost any more, and everybody does what is theirs to do. If the key is still pending after it, it
//! may be pending for ever.

use crate::protocol::Protocol;
use crate::state::{Budget, Poll, State, Warm};
use crate::step::Step;

/// Rounds of everybody doing everything; more than any state needs.
const ROUNDS: usize = 12;

/// The state after a calm.
pub fn after_calm(m: &Protocol, s: &State) -> State {
    let mut s = State { budget: Budget { written: s.budget.written, ..Budget::default() }, ..*s };
    // What is on its way arrives; which of them comes first makes no difference to where it ends.
    for _ in 0..ROUNDS {
        for i in 0..m.scenario.instances() {
            turn(m, &mut s, i);
        }
        for region in 0..m.scenario.regions {
            if m.scenario.tending {
                take(m, &mut s, Step::Tend(region));
            }
        }
        take(m, &mut s, Step::Flip);
        take(m, &mut s, Step::Tick);
    }
    s
}

/// A crashed instance stays away, as long as its region has another one.
fn turn(m: &Protocol, s: &mut State, i: usize) {
    use Step as S;
    let others = m.homes(m.scenario.homes[i]).filter(|other| *other != i);
    let alone = !others.into_iter().any(|other| s.instances[other].runs());
    take(m, s, S::Resume(i));
    if alone {
        for step in [S::Load(i), S::Register(i)] {
            take(m, s, step);
        }
    }
    for _ in 0..2 {
        for step in [S::PollAsk(i), S::PollLease(i), S::PollSnapshot(i), S::PollAnswer(i)] {
            if s.instances[i].poll != Poll::Idle || step == S::PollAsk(i) {
                take(m, s, step);
            }
        }
    }
    for step in [S::Land(i), S::RaiseEpoch(i), S::Look(i), S::RaiseEpoch(i)] {
        take(m, s, step);
    }
    if s.instances[i].warm == Warm::Idle {
        take(m, s, S::WarmRead(i));
    }
    for step in [S::WarmWrite(i), S::WarmReadBack(i), S::WarmAcknowledge(i)] {
        take(m, s, step);
    }
}

fn take(m: &Protocol, s: &mut State, step: Step) {
    if let Some(next) = m.step(s, step) {
        *s = next;
    }
}
