//! The promises, one function each: what it forbids is looked for in all of a thing's life.
//!
//! Each compares two moments only, an answer that had come and a question that was sent later, so none of them
//! depends on how fast anything is.

use std::collections::{BTreeMap, BTreeSet};

use super::story::{Part, Shown, Sight, Sighting, Span, Story, Thing};
use super::{Rule, Violation};
use crate::history::{Ask, Came, Event, Subject};

/// All promises about one thing.
pub fn judge(story: &Story<'_>) -> Vec<Violation> {
    let rules = [accepted_after_proof, accepted_while_pending, refused_while_good, refused_though_valid];
    rules.iter().flat_map(|rule| rule(story)).collect()
}

/// I2: a request sent after a withdrawal returned with proof is refused by every instance.
fn accepted_after_proof(story: &Story<'_>) -> Vec<Violation> {
    let Some(proven) = story.proven() else { return vec![] };
    let late = |seen: &&Sighting<'_>| seen.sight == Sight::Accepted && seen.sent > proven;
    let tell = |seen: &Sighting<'_>| {
        let late = late_by(proven, seen.sent);
        violation(Rule::I2, story, &[seen], format!("{} accepted it {late} after the proof", seen.by))
    };
    story.sightings.iter().filter(late).map(tell).collect()
}

/// I3: what the authority still calls pending had been accepted before, or what it calls revoked is accepted after.
fn accepted_while_pending(story: &Story<'_>) -> Vec<Violation> {
    let mut found = vec![];
    let first = first_returned(story, |sight| sight == Sight::Accepted);
    let last = last_sent(story, |sight| sight == Sight::Read(Shown::Pending));
    if let (Some(accepted), Some(read)) = (first, last)
        && accepted.returned < read.sent
    {
        let what = format!("{} accepted it while it was pending", accepted.by);
        found.push(violation(Rule::I3, story, &[accepted, read], what));
    }
    let first = first_returned(story, |sight| sight == Sight::Read(Shown::Gone));
    let last = last_sent(story, |sight| sight == Sight::Accepted);
    if let (Some(read), Some(accepted)) = (first, last)
        && read.returned < accepted.sent
    {
        let what = format!("{} accepted it after it was seen revoked", accepted.by);
        found.push(violation(Rule::I3, story, &[read, accepted], what));
    }
    found
}

/// I8: what is there and not withdrawn is never refused. (A pending one gets 503, and so does everybody in an
/// outage.) A key is refused before it is there, so that is where it begins.
fn refused_while_good(story: &Story<'_>) -> Vec<Violation> {
    let Some(created) = story.created.and_then(|span| span.returned) else { return vec![] };
    let wrong = |seen: &&Sighting<'_>| {
        seen.sight == Sight::Refused && seen.sent > created && !story.may_be_withdrawn(seen.returned)
    };
    let tell = |seen: &Sighting<'_>| {
        violation(Rule::I8, story, &[seen], format!("{} refused it, and nobody had withdrawn it", seen.by))
    };
    story.sightings.iter().filter(wrong).map(tell).collect()
}

/// I9: once anyone has seen `valid`, everybody accepts (or says 503).
fn refused_though_valid(story: &Story<'_>) -> Vec<Violation> {
    let valid = |sight| matches!(sight, Sight::Accepted | Sight::Read(Shown::Valid));
    let Some(first) = first_returned(story, valid) else { return vec![] };
    let wrong = |seen: &&Sighting<'_>| {
        let held_against = matches!(seen.sight, Sight::Refused | Sight::PassedOver);
        held_against && seen.sent > first.returned && !story.may_be_withdrawn(seen.returned)
    };
    let tell = |seen: &Sighting<'_>| {
        let (by, late) = (seen.by, late_by(first.returned, seen.sent));
        let what = format!("{by} did not accept it, {late} after {} had it valid", first.by);
        violation(Rule::I9, story, &[first, seen], what)
    };
    story.sightings.iter().filter(wrong).map(tell).collect()
}

/// I1: what was asked for after a region's cache had fallen silent is not valid before it speaks again.
pub fn valid_in_silence(story: &Story<'_>, silences: &[Span]) -> Vec<Violation> {
    let Some(created) = story.created else { return vec![] };
    let valid = |sight| matches!(sight, Sight::Accepted | Sight::Read(Shown::Valid));
    let Some(first) = first_returned(story, valid) else { return vec![] };
    let within = |silence: &&Span| silence.sent < created.sent && Some(first.returned) < silence.returned;
    let tell = |_| {
        let what = format!("{} had it valid while a region could not have it", first.by);
        violation(Rule::I1, story, &[first], what)
    };
    silences.iter().find(within).map(tell).into_iter().collect()
}

/// I4: of all who rotate one secret one wins; and of the old and the new one is always accepted.
pub fn rotations(history: &[Event], stories: &[Story<'_>]) -> Vec<Violation> {
    let mut won: BTreeMap<(Subject, u8), BTreeMap<&str, usize>> = BTreeMap::new();
    let mut pairs = BTreeSet::new();
    for (number, event) in history.iter().enumerate() {
        let Ask::Rotate { secret, next } = event.ask else { continue };
        pairs.insert((event.subject, secret, next));
        if let Came::Made { made } = &event.came {
            won.entry((event.subject, secret)).or_default().entry(made).or_insert(number);
        }
    }
    let mut found = vec![];
    for ((subject, secret), winners) in won.into_iter().filter(|(_, winners)| winners.len() > 1) {
        let thing = Thing { subject, part: Part::Secret(secret) };
        let what = format!("{} rotations of it won", winners.len());
        found.push(Violation { rule: Rule::I4, thing, what, events: winners.into_values().collect() });
    }
    let of = |subject, number| {
        let thing = Thing { subject, part: Part::Secret(number) };
        stories.iter().find(|story| story.thing == thing)
    };
    for (subject, old, new) in pairs {
        if let (Some(old), Some(new)) = (of(subject, old), of(subject, new)) {
            found.extend(neither(old, new));
        }
    }
    found
}

/// The old is refused, so the new is valid: the authority no longer calls it pending, nor does who refused the old.
fn neither(old: &Story<'_>, new: &Story<'_>) -> Vec<Violation> {
    let mut refused: BTreeMap<&str, &Sighting<'_>> = BTreeMap::new();
    for seen in old.sightings.iter().filter(|seen| seen.sight == Sight::Refused) {
        let first = refused.entry(seen.by).or_insert(seen);
        if seen.returned < first.returned {
            *first = seen;
        }
    }
    let before = |seen: &Sighting<'_>| match seen.sight {
        Sight::Read(Shown::Pending) => {
            refused.values().copied().filter(|old| old.returned < seen.sent).min_by_key(|old| old.returned)
        }
        Sight::Pending => refused.get(seen.by).copied().filter(|old| old.returned < seen.sent),
        _ => None,
    };
    let tell = |seen: &Sighting<'_>| {
        let old = before(seen)?;
        let what = format!("pending at {}, though {} refuses the old one already", seen.by, old.by);
        Some(violation(Rule::I4, new, &[old, seen], what))
    };
    new.sightings.iter().filter_map(tell).collect()
}

/// I8: an outage is a 503. Nothing else but a refusal is an answer.
pub fn odd_answers(history: &[Event]) -> Vec<Violation> {
    let tell = |(number, event): (usize, &Event)| {
        let what = match (&event.ask, &event.came) {
            (_, Came::Odd { status, body }) => format!("{} answered {status}: {body}", event.instance),
            (Ask::Token { .. }, Came::Refused { code }) if !is_ordinary(code) => {
                format!("{} answered {code}", event.instance)
            }
            _ => return None,
        };
        let thing = Thing { subject: event.subject, part: Part::Key };
        Some(Violation { rule: Rule::I8, thing, what, events: vec![number] })
    };
    history.iter().enumerate().filter_map(tell).collect()
}

fn is_ordinary(code: &str) -> bool {
    matches!(code, "invalid_client" | "invalid_target")
}

fn first_returned<'s, 'h>(story: &'s Story<'h>, is: impl Fn(Sight) -> bool) -> Option<&'s Sighting<'h>> {
    story.sightings.iter().filter(|seen| is(seen.sight)).min_by_key(|seen| seen.returned)
}

fn last_sent<'s, 'h>(story: &'s Story<'h>, is: impl Fn(Sight) -> bool) -> Option<&'s Sighting<'h>> {
    story.sightings.iter().filter(|seen| is(seen.sight)).max_by_key(|seen| seen.sent)
}

fn late_by(earlier: u64, later: u64) -> String {
    format!("{:?}", std::time::Duration::from_micros((later - earlier) / 1_000))
}

fn violation(rule: Rule, story: &Story<'_>, seen: &[&Sighting<'_>], what: String) -> Violation {
    let events = seen.iter().map(|seen| seen.event).collect();
    Violation { rule, thing: story.thing, what, events }
}
