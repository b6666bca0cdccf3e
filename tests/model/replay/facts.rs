//! What took effect at the authority, and when at the earliest and the latest. Read before the replay,
//! for a line may be written later than what it brought about.

use std::collections::HashMap;

use super::log::{Event, Line};
use super::world::Rising;

/// Regions, their epochs, and what they have acknowledged.
#[derive(Default, Debug)]
pub struct Facts<'a> {
    /// By region and credential.
    acknowledged: HashMap<(&'a str, &'a str), Vec<Acknowledgement>>,
    epochs: HashMap<&'a str, Epochs>,
    /// By region, in the order in which they were written.
    states: HashMap<&'a str, Vec<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledgement {
    at_ms: i64,
    version: i64,
    epoch: i64,
}

/// The epochs of a region, which never go down. (After it was removed they begin at one, in which nobody
/// acknowledges anything, and then go on.)
#[derive(Default, Debug)]
struct Epochs {
    /// When each began at the earliest.
    began: HashMap<i64, i64>,
    newest: Rising,
}

/// A region was, or was not, required at some moment from `asked_ms` to `at_ms`.
#[derive(Clone, Copy, Debug)]
struct Seen {
    asked_ms: i64,
    at_ms: i64,
    required: bool,
}

impl<'a> Facts<'a> {
    /// Collects them from the merged lines.
    pub fn of(lines: &'a [Line]) -> Self {
        let mut facts = Self::default();
        let mut regions: HashMap<&str, &str> = HashMap::new();
        for Line { at_ms, event } in lines {
            match event {
                Event::Registered { instance, region, .. } => {
                    regions.insert(instance, region);
                }
                Event::Acknowledged { region, credential, version, epoch } => {
                    let it = Acknowledgement { at_ms: *at_ms, version: *version, epoch: *epoch };
                    facts.acknowledged.entry((region, credential)).or_default().push(it);
                }
                Event::Epoch { region, epoch, asked_ms } => facts.epoch(region, *epoch, *asked_ms, *at_ms),
                Event::Placed { instance, epoch } => {
                    if let Some(region) = regions.get(instance.as_str()) {
                        facts.epoch(region, *epoch, *at_ms, *at_ms);
                    }
                }
                Event::RegionState { region, state, asked_ms } => {
                    facts.state(region, state, *asked_ms, *at_ms);
                }
                Event::Lease { instance, state, asked_ms, .. } => {
                    if let Some(region) = regions.get(instance.as_str()) {
                        facts.state(region, state, *asked_ms, *at_ms);
                    }
                }
                _ => {}
            }
        }
        facts
    }

    fn epoch(&mut self, region: &'a str, epoch: i64, asked_ms: i64, at_ms: i64) {
        let epochs = self.epochs.entry(region).or_default();
        let began = epochs.began.entry(epoch).or_insert(asked_ms);
        *began = asked_ms.min(*began);
        epochs.newest.note(at_ms, epoch);
    }

    fn state(&mut self, region: &'a str, state: &str, asked_ms: i64, at_ms: i64) {
        let seen = Seen { asked_ms, at_ms, required: state == "required" };
        self.states.entry(region).or_default().push(seen);
    }

    /// The regions that were certainly required all the time from one moment to another: seen so before
    /// and after, and never otherwise in between.
    pub fn required(&self, from_ms: i64, to_ms: i64) -> Vec<&'a str> {
        let throughout = |seen: &[Seen]| {
            let later = seen.partition_point(|seen| seen.at_ms <= from_ms);
            let was = later.checked_sub(1).is_some_and(|last| seen[last].required);
            let next = seen[later..].iter().find(|seen| !seen.required || seen.asked_ms >= to_ms);
            was && next.is_some_and(|seen| seen.required)
        };
        let regions = self.states.iter().filter(|(_, seen)| throughout(seen));
        regions.map(|(region, _)| *region).collect()
    }

    /// Whether a region had acknowledged this version of a credential by `to_ms`, in an epoch that it may
    /// have been in at some moment since `from_ms`. A later version counts as well: it is one that came
    /// while the question was under way.
    pub fn has_acknowledged(
        &self,
        region: &str,
        (credential, version): (&str, i64),
        from_ms: i64,
        to_ms: i64,
    ) -> bool {
        let Some(epochs) = self.epochs.get(region) else { return false };
        let newest = epochs.newest.before(from_ms);
        let counts = |it: &Acknowledgement| {
            it.at_ms <= to_ms
                && it.version >= version
                && epochs.began.get(&it.epoch).is_some_and(|began| *began <= to_ms)
                && newest.is_none_or(|newest| newest <= it.epoch)
        };
        // The latest first: that is where it is found.
        self.acknowledged.get(&(region, credential)).is_some_and(|all| all.iter().rev().any(counts))
    }
}
