//! Judges a history: what DESIGN §3 promises to callers (I1, I2, I3, I4, I8, I9), rule by rule, and as a whole.
//!
//! [`rules`] look for what each promise forbids, in all of a history, and say in a sentence what happened.
//! [`linear`] asks the more general question, thing by thing and observer by observer: is there any order of
//! events, true to the clock, that a single machine could have gone through?

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::history::{Event, Subject};

pub mod linear;
pub mod rules;
pub mod story;
#[cfg(test)]
mod tests;

use story::{Sight, Span, Story, Thing};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Nothing turns valid while a region's cache can take nothing.
    I1,
    /// A request sent after a withdrawal returned with proof is refused everywhere.
    I2,
    /// What is pending or revoked never authenticates.
    I3,
    /// A rotation has one winner, and of old and new one is always accepted.
    I4,
    /// With everything up, Pending ends, and so does a receipt.
    I7,
    /// What holds against a good credential is said as an outage, never as a refusal.
    I8,
    /// Once anyone has seen `valid`, everybody accepts.
    I9,
    /// No order of events explains what one observer saw.
    Linear,
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub thing: Thing,
    /// What happened.
    pub what: String,
    /// The events that show it.
    pub events: Vec<usize>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.rule, self.thing, self.what)
    }
}

/// What a history has been judged by. A run that looked at nothing proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Weight {
    /// Sightings of acceptance.
    pub accepted: usize,
    /// Sightings of refusal.
    pub refused: usize,
    /// Sightings by requests that were sent after a withdrawal was proven.
    pub after_proof: usize,
}

/// The judgement.
#[derive(Debug)]
pub struct Judgement {
    pub violations: Vec<Violation>,
    /// By subject.
    pub weights: BTreeMap<Subject, Weight>,
}

impl Judgement {
    /// Of all subjects together.
    pub fn weight(&self) -> Weight {
        let mut sum = Weight::default();
        self.weights.values().for_each(|weight| sum.add(*weight));
        sum
    }
}

/// What the one who breaks things knows, and answers alone do not show.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// When some region's cache took nothing.
    pub silences: Vec<Span>,
    /// When a former primary, that nobody had fenced, still answered somebody.
    pub deposed: Vec<Span>,
}

/// Judges all of a history. Lifetimes may be off by `clock_error`.
pub fn judge(history: &[Event], clock_error: Duration, troubles: &Troubles) -> Judgement {
    let mut stories = story::tell(history, clock_error);
    for story in &mut stories {
        story.forgive_the_deposed(&troubles.deposed);
    }
    let mut violations = rules::odd_answers(history);
    violations.extend(rules::rotations(history, &stories));
    for story in &stories {
        violations.extend(rules::judge(story));
        violations.extend(rules::valid_in_silence(story, &troubles.silences));
        violations.extend(linear::judge(story));
    }
    let mut weights: BTreeMap<Subject, Weight> = BTreeMap::new();
    for story in &stories {
        weights.entry(story.thing.subject).or_default().add(Weight::of(story));
    }
    Judgement { violations, weights }
}

impl Weight {
    fn of(story: &Story<'_>) -> Self {
        let mut sum = Self::default();
        for seen in &story.sightings {
            sum.accepted += usize::from(seen.sight == Sight::Accepted);
            sum.refused += usize::from(seen.sight == Sight::Refused);
            let asked = !matches!(seen.sight, Sight::Read(_));
            sum.after_proof += usize::from(asked && story.proven().is_some_and(|proven| seen.sent > proven));
        }
        sum
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.after_proof += other.after_proof;
    }
}
