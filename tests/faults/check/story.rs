//! The life of one thing as its callers saw it: when it was made, when it was withdrawn, who was accepted with it.
//!
//! One answer says something of several things. A product token says that the secret, the key and, by its claims,
//! the role were accepted; a refused target says that the secret was accepted and the key was not.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::history::{Ask, Came, Event, Moment, SecretNumber, Status, Subject, Wants};

/// What can be accepted or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    pub subject: Subject,
    pub part: Part,
}

/// Which one of its subject's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Key,
    Secret(SecretNumber),
    Role,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject;
        match self.part {
            Part::Key => write!(f, "the key of subject {subject}"),
            Part::Secret(number) => write!(f, "secret {number} of subject {subject}"),
            Part::Role => write!(f, "the role of subject {subject}"),
        }
    }
}

/// What one answer says of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    Accepted,
    Refused,
    /// Another token was given, as if there were no key.
    PassedOver,
    /// 503: not yet valid.
    Pending,
    /// The authority's own word.
    Read(Shown),
}

/// [`Status`], as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    Pending,
    Valid,
    /// Revoking, inactive or expired: whoever has not heard may still accept it.
    Leaving,
    /// Revoked: accepted nowhere, which is a proof.
    Gone,
}

/// One sight of a thing; `event` is its place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting<'h> {
    pub event: usize,
    pub by: &'h str,
    pub sent: Moment,
    pub returned: Moment,
    pub sight: Sight,
}

/// A time in which something took effect; open when nobody knows that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub sent: Moment,
    pub returned: Option<Moment>,
}

/// A thing's life. There is at most one withdrawal of a thing in a history, asked for as often as one likes.
#[derive(Clone, Debug)]
pub struct Story<'h> {
    pub thing: Thing,
    /// From when it was asked for to when it was there. None, when nobody did.
    pub created: Option<Span>,
    /// From when it may first be refused to when it must be.
    pub withdrawn: Option<Span>,
    /// The end of its own time, before which no proof says that it is refused.
    ends: Moment,
    pub sightings: Vec<Sighting<'h>>,
}

impl Story<'_> {
    /// Whether something explains that it was refused by an answer that had come at `returned`.
    pub fn may_be_withdrawn(&self, returned: Moment) -> bool {
        self.withdrawn.is_some_and(|span| span.sent <= returned)
    }

    /// Whether this was seen about when its own time ended. Each instance has that moment from a clock, and a token
    /// of the thing ends with the whole second before; so what is seen then is in no order.
    pub fn is_blurred(&self, seen: &Sighting<'_>) -> bool {
        let ending = |span: Span| span.sent <= seen.returned && seen.sent <= self.ends;
        self.ends > 0 && self.withdrawn.is_some_and(ending)
    }

    /// What was made after its standby had taken over a former primary does not know. Until its lease is over, who still
    /// hears that one refuses it as unknown (README, the honest limits); once it is valid anywhere, nobody does.
    pub fn forgive_the_deposed(&mut self, deposed: &[Span]) {
        let valid = |seen: &&Sighting<'_>| matches!(seen.sight, Sight::Accepted | Sight::Read(Shown::Valid));
        let valid =
            self.sightings.iter().filter(valid).map(|seen| seen.returned).min().unwrap_or(Moment::MAX);
        let made = self.created.and_then(|span| span.returned);
        let unknown = |seen: &Sighting<'_>| {
            let during = |span: &Span| {
                made > Some(span.sent) && span.sent < seen.sent && Some(seen.sent) < span.returned
            };
            seen.sight == Sight::Refused && seen.sent < valid && deposed.iter().any(during)
        };
        self.sightings.retain(|seen| !unknown(seen));
    }

    /// Since when nobody may accept it.
    pub fn proven(&self) -> Option<Moment> {
        self.withdrawn.and_then(|span| span.returned)
    }
}

/// Tells the stories of all things in a history. Lifetimes follow the authority's clock, which `clock_error`
/// holds for: an expiry may be seen that much earlier or later.
pub fn tell(history: &[Event], clock_error: Duration) -> Vec<Story<'_>> {
    let mut stories = BTreeMap::new();
    let error = Moment::try_from(clock_error.as_nanos()).unwrap_or(Moment::MAX);
    for event in history {
        note_life(&mut stories, event, error);
    }
    // Afterwards, because a proof is of what is known to be withdrawn.
    for event in history {
        note_proof(&mut stories, event);
    }
    for (number, event) in history.iter().enumerate() {
        for (part, sight) in sights(event) {
            let part = part.unwrap_or_else(|| blamed(&stories, event));
            let Event { subject, instance, sent, returned, .. } = event;
            let seen = Sighting { event: number, by: instance, sent: *sent, returned: *returned, sight };
            story(&mut stories, *subject, part).sightings.push(seen);
        }
    }
    let mut stories: Vec<_> = stories.into_values().collect();
    stories.iter_mut().filter(|story| story.thing.part == Part::Role).for_each(forget_before_accepted);
    stories
}

type Stories<'h> = BTreeMap<Thing, Story<'h>>;

fn story<'s, 'h>(stories: &'s mut Stories<'h>, subject: Subject, part: Part) -> &'s mut Story<'h> {
    let thing = Thing { subject, part };
    stories.entry(thing).or_insert_with(|| Story {
        thing,
        // Grants are there before a history begins.
        created: (part == Part::Role).then_some(Span { sent: 0, returned: Some(0) }),
        withdrawn: None,
        ends: 0,
        sightings: vec![],
    })
}

/// When things are made, and from when on they may be withdrawn.
fn note_life(stories: &mut Stories<'_>, event: &Event, clock_error: Moment) {
    let Event { subject, sent, returned, ask, came, .. } = event;
    if !came.may_have_happened() {
        return;
    }
    let made = Span { sent: *sent, returned: matches!(came, Came::Made { .. }).then_some(*returned) };
    match ask {
        Ask::CreateAccount => create(story(stories, *subject, Part::Secret(0)), made),
        Ask::CreateKey => create(story(stories, *subject, Part::Key), made),
        Ask::Rotate { secret, next } => {
            create(story(stories, *subject, Part::Secret(*next)), made);
            withdraw(story(stories, *subject, Part::Secret(*secret)), *sent);
        }
        Ask::Revoke => withdraw(story(stories, *subject, Part::Key), *sent),
        Ask::CutRole => withdraw(story(stories, *subject, Part::Role), *sent),
        Ask::Expire { at } => {
            let key = story(stories, *subject, Part::Key);
            // Asked for more than once, any of the times may be the one.
            key.ends = key.ends.max(at.saturating_add(clock_error));
            withdraw(key, (*sent).max(at.saturating_sub(clock_error)));
        }
        _ => {}
    }
}

fn create(story: &mut Story<'_>, made: Span) {
    let known = story.created.unwrap_or(made);
    let returned = [known.returned, made.returned].into_iter().flatten().min();
    story.created = Some(Span { sent: known.sent.min(made.sent), returned });
}

fn withdraw(story: &mut Story<'_>, sent: Moment) {
    let sent = story.withdrawn.map_or(sent, |span| span.sent.min(sent));
    story.withdrawn = Some(Span { sent, returned: None });
}

/// Since when it is proven that a thing is withdrawn.
fn note_proof(stories: &mut Stories<'_>, event: &Event) {
    let part = match (&event.ask, &event.came) {
        (Ask::Revoke | Ask::Expire { .. } | Ask::ReadReceipt, Came::Proven)
        | (Ask::ReadKey, Came::Status { status: Status::Revoked }) => Part::Key,
        (Ask::CutRole, Came::Proven) => Part::Role,
        (Ask::ReadSecret { secret }, Came::Status { status: Status::Revoked }) => Part::Secret(*secret),
        _ => return,
    };
    let story = story(stories, event.subject, part);
    let Span { sent, returned } = story.withdrawn.unwrap_or(Span { sent: 0, returned: None });
    let proven = event.returned.max(story.ends);
    let returned = Some(returned.map_or(proven, |known| known.min(proven)));
    story.withdrawn = Some(Span { sent, returned });
}

/// What an answer says, and of which part. No part: of one of those behind a token, see [`blamed`].
fn sights(event: &Event) -> Vec<(Option<Part>, Sight)> {
    let role = |has: bool| (Some(Part::Role), if has { Sight::Accepted } else { Sight::Refused });
    let key = |sight| (Some(Part::Key), sight);
    match (&event.ask, &event.came) {
        (Ask::Token { secret, wants }, came) => {
            let secret = |sight| (Some(Part::Secret(*secret)), sight);
            match came {
                Came::ProductToken { role: has } => {
                    vec![secret(Sight::Accepted), key(Sight::Accepted), role(*has)]
                }
                Came::ManagementToken { role: has } if *wants == Wants::Unsaid => {
                    vec![secret(Sight::Accepted), key(Sight::PassedOver), role(*has)]
                }
                Came::ManagementToken { role: has } => vec![secret(Sight::Accepted), role(*has)],
                Came::Refused { code } if code == "invalid_client" => vec![secret(Sight::Refused)],
                Came::Refused { code } if code == "invalid_target" => {
                    vec![secret(Sight::Accepted), key(Sight::Refused)]
                }
                // For the others it may be the key that is pending.
                Came::Pending if *wants == Wants::Management => vec![secret(Sight::Pending)],
                _ => vec![],
            }
        }
        (Ask::Whoami { secret, product }, Came::Known) => {
            let mut seen = vec![(Some(Part::Secret(*secret)), Sight::Accepted)];
            seen.extend(product.then_some(key(Sight::Accepted)));
            seen
        }
        (Ask::Whoami { .. }, Came::Refused { .. }) => vec![(None, Sight::Refused)],
        (Ask::ReadKey, Came::Status { status }) => shown(*status).map(key).into_iter().collect(),
        (Ask::ReadSecret { secret }, Came::Status { status }) => {
            shown(*status).map(|sight| (Some(Part::Secret(*secret)), sight)).into_iter().collect()
        }
        _ => vec![],
    }
}

fn shown(status: Status) -> Option<Sight> {
    let shown = match status {
        Status::Pending => Shown::Pending,
        Status::Valid => Shown::Valid,
        Status::Revoking | Status::Inactive | Status::Expired => Shown::Leaving,
        Status::Revoked => Shown::Gone,
        Status::Unmigrated => return None,
    };
    Some(Sight::Read(shown))
}

/// Whose refusal it is that a token was refused: of what may be withdrawn, else of the secret.
fn blamed(stories: &Stories<'_>, event: &Event) -> Part {
    let Ask::Whoami { secret, product } = event.ask else { return Part::Secret(0) };
    let secret = Part::Secret(secret);
    let candidates = [Some(secret), product.then_some(Part::Key)];
    let explains = |part: &Part| {
        let thing = Thing { subject: event.subject, part: *part };
        stories.get(&thing).is_some_and(|story| story.may_be_withdrawn(event.returned))
    };
    candidates.into_iter().flatten().find(explains).unwrap_or(secret)
}

/// A grant has no pending: each instance begins to see it at a moment of its own.
fn forget_before_accepted(story: &mut Story<'_>) {
    let mut since: BTreeMap<&str, Moment> = BTreeMap::new();
    for seen in story.sightings.iter().filter(|seen| seen.sight == Sight::Accepted) {
        let first = since.entry(seen.by).or_insert(seen.returned);
        *first = (*first).min(seen.returned);
    }
    let began = |seen: &Sighting<'_>| since.get(seen.by).is_some_and(|first| seen.returned >= *first);
    // One that had been asked before the first acceptance came says nothing against it.
    let says = |seen: &Sighting<'_>| seen.sight == Sight::Accepted || seen.sent > since[seen.by];
    story.sightings.retain(|seen| began(seen) && says(seen));
}
