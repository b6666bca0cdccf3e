//! What a log tells of the world: who knew what at which moment.

use std::collections::HashMap;

use super::log::{Event, Line};
use crate::rules::Known;

/// One process, as far as it has been read.
#[derive(Default, Debug)]
pub struct Process {
    pub registered: bool,
    pub epoch: i64,
    pub until_ms: i64,
    /// When the present lease was logged.
    pub leased_ms: i64,
    pub applied: i64,
    /// `(at_ms, low_water)`.
    low_waters: Vec<(i64, i64)>,
    /// By credential, `(at_ms, version)`: what it had to know.
    floor: HashMap<String, Vec<(i64, i64)>>,
    /// By credential, `(at_ms, version)`: what it has answered.
    served: HashMap<String, Vec<(i64, i64)>>,
}

impl Process {
    /// Starts knowing: everything before belongs to another life.
    pub fn register(&mut self, at_ms: i64, applied: i64, low_water: i64) {
        *self = Self { registered: true, applied, low_waters: vec![(at_ms, low_water)], ..Self::default() };
    }

    pub fn apply(&mut self, at_ms: i64, seq: i64, credential: &str, version: i64) {
        self.applied = self.applied.max(seq);
        self.floor.entry(credential.to_owned()).or_default().push((at_ms, version));
    }

    pub fn extend(&mut self, at_ms: i64, until_ms: i64, low_water: i64) {
        (self.leased_ms, self.until_ms) = (at_ms, self.until_ms.max(until_ms));
        self.low_waters.push((at_ms, low_water));
    }

    /// What it knew of a credential when a request came. (It may have learnt more before it answered.)
    pub fn known(&self, credential: &str, asked_ms: i64) -> Known {
        let low_water = self.low_waters.iter().filter(|(at, _)| *at < asked_ms).map(|(_, low)| *low).max();
        let newest = self.floor.get(credential).and_then(|known| newest(known, asked_ms));
        Known { low_water: low_water.unwrap_or(0), newest }
    }

    /// The newest version it had answered before a request came.
    pub fn served_before(&self, credential: &str, asked_ms: i64) -> Option<i64> {
        self.served.get(credential).and_then(|served| newest(served, asked_ms))
    }

    pub fn note_served(&mut self, at_ms: i64, credential: &str, version: i64) {
        self.served.entry(credential.to_owned()).or_default().push((at_ms, version));
    }
}

fn newest(of: &[(i64, i64)], before_ms: i64) -> Option<i64> {
    of.iter().filter(|(at, _)| *at < before_ms).map(|(_, version)| *version).max()
}

/// Something that was so from one moment to another, as far as the log can tell.
#[derive(Clone, Debug)]
struct Spell {
    value: String,
    from_ms: i64,
    to_ms: i64,
}

/// What took effect at the authority, and when at the earliest and the latest. Read before the
/// replay: a line may be written later than what it brought about.
#[derive(Default, Debug)]
pub struct Facts {
    /// `(asked_ms, region, credential, version, epoch)`.
    acknowledged: Vec<(i64, String, String, i64, i64)>,
    epochs: HashMap<String, Vec<Spell>>,
    states: HashMap<String, Vec<Spell>>,
}

impl Facts {
    /// Collects them from the merged lines.
    pub fn of(lines: &[Line]) -> Self {
        let mut facts = Self::default();
        for Line { at_ms, event } in lines {
            match event {
                Event::Acknowledged { region, credential, version, epoch, asked_ms } => {
                    let what = (*asked_ms, region.clone(), credential.clone(), *version, *epoch);
                    facts.acknowledged.push(what);
                }
                Event::Epoch { region, epoch, asked_ms } => {
                    begin(
                        facts.epochs.entry(region.clone()).or_default(),
                        epoch.to_string(),
                        *asked_ms,
                        *at_ms,
                    );
                }
                Event::RegionState { region, state, asked_ms } => {
                    begin(facts.states.entry(region.clone()).or_default(), state.clone(), *asked_ms, *at_ms);
                }
                _ => {}
            }
        }
        facts
    }

    /// The regions that were required all the time from one moment to another.
    pub fn required(&self, from_ms: i64, to_ms: i64) -> Vec<&str> {
        let throughout = |spells: &[Spell]| {
            // The spell's own beginning is only sure when its line was written.
            let mut there = spells.iter().filter(|spell| spell.from_ms <= to_ms && from_ms <= spell.to_ms);
            there.clone().next().is_some() && there.all(|spell| spell.value == "required")
        };
        let mut regions: Vec<&str> = Vec::new();
        for (region, spells) in &self.states {
            if throughout(spells) {
                regions.push(region);
            }
        }
        regions.sort_unstable();
        regions
    }

    /// The epochs that a region may have been in between one moment and another.
    pub fn epochs(&self, region: &str, from_ms: i64, to_ms: i64) -> Vec<i64> {
        let spells = self.epochs.get(region).map(Vec::as_slice).unwrap_or_default();
        let there = spells.iter().filter(|spell| spell.from_ms <= to_ms && from_ms <= spell.to_ms);
        there.filter_map(|spell| spell.value.parse().ok()).collect()
    }

    /// What a region may have acknowledged by then of a credential: `(version, epoch)`.
    pub fn acknowledged<'a>(
        &'a self,
        region: &'a str,
        credential: &'a str,
        by_ms: i64,
    ) -> impl Iterator<Item = (i64, i64)> + 'a {
        let ours =
            move |a: &&(i64, String, String, i64, i64)| a.0 <= by_ms && a.1 == region && a.2 == credential;
        self.acknowledged.iter().filter(ours).map(|a| (a.3, a.4))
    }
}

/// The spell before ends when this one was written at the latest; this one may have begun when it was
/// asked for.
fn begin(spells: &mut Vec<Spell>, value: String, asked_ms: i64, at_ms: i64) {
    if let Some(before) = spells.last_mut() {
        before.to_ms = at_ms;
    }
    spells.push(Spell { value, from_ms: asked_ms, to_ms: i64::MAX });
}
