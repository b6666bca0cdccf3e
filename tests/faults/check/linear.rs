//! Linearizable per key: is there an order of events, true to the clock, that one machine could have gone through?
//!
//! The turn to valid is one moment for everybody. A withdrawal is one moment in the authority, and then, for each
//! instance, another of its own: *observers may see either until the receipt is complete*. So a history is judged
//! once for each instance, and the acceptances of the others are only evidence that the turn to valid is behind.
//!
//! The search is exponential in what happens at once, and a history has thousands of events. But states only ever
//! go forward, so what no order explains shows in two events already, if the operations stand beside them and the
//! first event that tells of each state. Windows of that size are judged; a property below holds that cutting
//! changes no judgement.

use std::collections::{BTreeMap, BTreeSet};

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::story::{Shown, Sight, Span, Story};
use super::{Rule, Violation};
use crate::history::Moment;

/// What can happen to a thing, or be seen of it by one observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Create,
    /// The authority withdraws it.
    Withdraw,
    /// The observer has heard of that.
    Hear,
    /// The observer was asked, or the authority was read.
    See(Sight),
    /// Another observer accepted it, or read that it is valid.
    Evidence,
}

/// One machine's idea of a thing.
#[expect(clippy::struct_excessive_bools, reason = "each is a step that is taken or not")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    created: bool,
    valid: bool,
    withdrawn: bool,
    heard: bool,
}

impl Life {
    const NONE: Self = Self { created: false, valid: false, withdrawn: false, heard: false };

    /// It is valid at the latest now: nothing tells of the turn but its first effect, which may well come after
    /// the withdrawal.
    fn turned(&mut self) -> bool {
        self.valid |= self.created;
        self.valid
    }
}

impl SequentialSpec for Life {
    type Op = Step;
    type Ret = ();

    fn invoke(&mut self, step: &Step) {
        self.is_valid_step(step, &());
    }

    fn is_valid_step(&mut self, step: &Step, (): &()) -> bool {
        match step {
            Step::Create => {
                self.created = true;
                true
            }
            Step::Withdraw => {
                self.withdrawn = self.created;
                self.created
            }
            Step::Hear => {
                self.heard = self.withdrawn;
                self.withdrawn
            }
            Step::Evidence => self.turned(),
            // What is read through an instance that a former primary still answers may be late as well.
            Step::See(Sight::Accepted | Sight::Read(Shown::Valid)) => self.turned() && !self.heard,
            Step::See(Sight::Refused) => !self.created || self.heard,
            Step::See(Sight::PassedOver) => !self.valid || self.heard,
            Step::See(Sight::Pending) => true,
            Step::See(Sight::Read(Shown::Pending)) => self.created && !self.valid && !self.withdrawn,
            Step::See(Sight::Read(Shown::Leaving)) => self.withdrawn,
            Step::See(Sight::Read(Shown::Gone)) => self.withdrawn && self.heard,
        }
    }
}

/// A step, when it took place, and which event of the history it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Act {
    step: Step,
    span: Span,
    event: Option<usize>,
}

/// Judges a thing's story as each of its observers saw it.
pub fn judge(story: &Story<'_>) -> Vec<Violation> {
    let observers: BTreeSet<&str> = story.sightings.iter().map(|seen| seen.by).collect();
    observers.into_iter().filter_map(|observer| judge_for(story, observer)).collect()
}

fn judge_for(story: &Story<'_>, observer: &str) -> Option<Violation> {
    let clear = story.sightings.iter().filter(|seen| !story.is_blurred(seen));
    let acts: Vec<Act> = clear.filter_map(|seen| act(seen, observer)).collect();
    let window = unexplained(&operations(story), &acts)?;
    let what = format!("no order of events explains what {observer} answered");
    let events = window.iter().filter_map(|act| act.event).collect();
    Some(Violation { rule: Rule::Linear, thing: story.thing, what, events })
}

fn act(seen: &super::story::Sighting<'_>, observer: &str) -> Option<Act> {
    let step = match seen.sight {
        Sight::Pending => return None,
        _ if seen.by == observer => Step::See(seen.sight),
        Sight::Accepted | Sight::Read(Shown::Valid) => Step::Evidence,
        // The authority says the same to everybody.
        Sight::Read(_) => Step::See(seen.sight),
        Sight::Refused | Sight::PassedOver => return None,
    };
    let span = Span { sent: seen.sent, returned: Some(seen.returned) };
    Some(Act { step, span, event: Some(seen.event) })
}

fn operations(story: &Story<'_>) -> Vec<Act> {
    let created = story.created.map(|span| Act { step: Step::Create, span, event: None });
    let mut operations: Vec<Act> = created.into_iter().collect();
    if let Some(span) = story.withdrawn {
        operations.extend([Step::Withdraw, Step::Hear].map(|step| Act { step, span, event: None }));
    }
    operations
}

/// A window that no order explains.
fn unexplained(operations: &[Act], acts: &[Act]) -> Option<Vec<Act>> {
    let witnesses = witnesses(acts);
    let deciding = deciding(operations, &witnesses, acts);
    let mut windows = vec![];
    for earlier in &deciding {
        let later = deciding.iter().filter(|later| earlier.span.returned < Some(later.span.sent));
        windows.extend(later.map(|later| vec![*earlier, *later]));
    }
    windows.extend(deciding.iter().map(|act| vec![*act]));
    for mut window in windows {
        window.extend(
            witnesses.iter().filter(|witness| !window.contains(witness)).copied().collect::<Vec<_>>(),
        );
        if !is_explained(operations, &window) {
            return Some(window);
        }
    }
    None
}

/// The first to return of those that tell that it is there, valid, and withdrawn.
fn witnesses(acts: &[Act]) -> Vec<Act> {
    let valid =
        |step: Step| matches!(step, Step::Evidence | Step::See(Sight::Accepted | Sight::Read(Shown::Valid)));
    let there = move |step: Step| valid(step) || matches!(step, Step::See(Sight::Read(_)));
    let gone = |step: Step| matches!(step, Step::See(Sight::Read(Shown::Leaving | Shown::Gone)));
    let first = |tells: &dyn Fn(Step) -> bool| {
        acts.iter().filter(|act| tells(act.step)).min_by_key(|act| act.span.returned).copied()
    };
    let mut witnesses: Vec<Act> = vec![];
    for witness in [first(&there), first(&valid), first(&gone)].into_iter().flatten() {
        if !witnesses.contains(&witness) {
            witnesses.push(witness);
        }
    }
    witnesses
}

/// Of all acts of one kind between the same two milestones the first to return and the last to be sent.
fn deciding(operations: &[Act], witnesses: &[Act], acts: &[Act]) -> Vec<Act> {
    let ends = operations.iter().chain(witnesses).filter_map(|act| act.span.returned);
    let milestones: BTreeSet<Moment> = ends.chain(operations.iter().map(|act| act.span.sent)).collect();
    let passed = |moment: Moment| milestones.range(..moment).count();
    let mut kinds: BTreeMap<(Step, usize, usize), (Act, Act)> = BTreeMap::new();
    for act in acts {
        let returned = act.span.returned.unwrap_or(Moment::MAX);
        let kind = (act.step, passed(act.span.sent), passed(returned));
        let (first, last) = kinds.entry(kind).or_insert((*act, *act));
        if act.span.returned < first.span.returned {
            *first = *act;
        }
        if act.span.sent > last.span.sent {
            *last = *act;
        }
    }
    let both = |(first, last): (Act, Act)| if first == last { vec![first] } else { vec![first, last] };
    kinds.into_values().flat_map(both).collect()
}

/// Asks the tester. Every act is its own thread, so that only the clock orders them.
fn is_explained(operations: &[Act], acts: &[Act]) -> bool {
    let all: Vec<Act> = operations.iter().chain(acts).copied().collect();
    // At one moment questions come before answers: then nothing is ordered that might not be.
    let mut turns: Vec<(Moment, bool, usize)> = vec![];
    for (thread, act) in all.iter().enumerate() {
        turns.push((act.span.sent, false, thread));
        turns.extend(act.span.returned.map(|returned| (returned.max(act.span.sent), true, thread)));
    }
    turns.sort_unstable();
    let mut tester = LinearizabilityTester::new(Life::NONE);
    for (_, is_return, thread) in turns {
        let noted = if is_return {
            tester.on_return(thread, ()).map(|_| ())
        } else {
            tester.on_invoke(thread, all[thread].step).map(|_| ())
        };
        noted.expect("a question before its answer, and one in each thread");
    }
    tester.is_consistent()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 8] = [
        Step::Evidence,
        Step::See(Sight::Accepted),
        Step::See(Sight::Refused),
        Step::See(Sight::PassedOver),
        Step::See(Sight::Read(Shown::Pending)),
        Step::See(Sight::Read(Shown::Valid)),
        Step::See(Sight::Read(Shown::Leaving)),
        Step::See(Sight::Read(Shown::Gone)),
    ];

    fn span() -> impl Strategy<Value = Span> {
        (0..40_u64, 1..12_u64).prop_map(|(sent, took)| Span { sent, returned: Some(sent + took) })
    }

    fn open_span() -> impl Strategy<Value = Span> {
        (span(), any::<bool>())
            .prop_map(|(span, open)| Span { returned: span.returned.filter(|_| !open), ..span })
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = (0..STEPS.len(), span()).prop_map(|(step, span)| (STEPS[step], span));
        prop::collection::vec(act, 1..8).prop_map(|acts| {
            let number = |(number, (step, span))| Act { step, span, event: Some(number) };
            acts.into_iter().enumerate().map(number).collect()
        })
    }

    fn operations() -> impl Strategy<Value = Vec<Act>> {
        (open_span(), prop::option::of(open_span())).prop_map(|(created, withdrawn)| {
            let mut operations = vec![Act { step: Step::Create, span: created, event: None }];
            if let Some(span) = withdrawn {
                operations.extend([Step::Withdraw, Step::Hear].map(|step| Act { step, span, event: None }));
            }
            operations
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn cutting_a_history_into_windows_changes_no_judgement(operations in operations(), acts in acts()) {
            let whole = is_explained(&operations, &acts);
            prop_assert_eq!(unexplained(&operations, &acts).is_none(), whole);
        }
    }
}
