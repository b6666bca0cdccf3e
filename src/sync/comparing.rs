//! What is wrong with what a cache holds: judged against the authority, and never in haste.
//!
//! Things change while they are compared. So what looks as if it would be served wrongly is looked at again, between two
//! readings of the authority that say the same, and after the floor has heard of all that the first of them saw.

use std::collections::HashMap;
use std::time::Duration;

use super::warming::Warming;
use crate::directory::Knowledge;
use crate::domain::record::Entry;
use crate::region::{Found, Place};
use crate::store::records::Batch;

/// How often something suspicious is looked at before it is left to the next audit, because it changes all the time.
const LOOKS: usize = 4;
/// The longest wait for the feed to have heard of what the authority says.
const HEAR: Duration = Duration::from_secs(5);

/// What is wrong with what is held of one credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Flaw {
    /// There is nothing.
    Missing,
    /// It does not open.
    Unreadable,
    /// An earlier reading, which is not served: the floor refuses it, or it is armed.
    Stale,
    /// It would be served, and the authority does not say so.
    Divergent,
}

impl Flaw {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Stale => "stale",
            Self::Divergent => "divergent",
        }
    }
}

/// Something that holds entries.
pub(super) enum Cache<'a> {
    /// The region's Redis.
    Redis(&'a Place),
    /// This instance's own memory.
    Memory,
}

impl Cache<'_> {
    async fn look(&self, warming: &Warming, credentials: &[&str]) -> anyhow::Result<Vec<Found>> {
        match self {
            Self::Redis(place) => Ok(warming.region.get_many(place, credentials).await?),
            Self::Memory => {
                let held = credentials.iter().map(|credential| warming.knowledge.held(credential));
                Ok(held.map(|entry| entry.map_or(Found::Nothing, Found::Entry)).collect())
            }
        }
    }
}

/// What is wrong with `found`, at first sight, when the authority says `truth`.
fn judge(truth: &Entry, found: &Found, knowledge: &Knowledge) -> Option<Flaw> {
    let held = match found {
        // What nobody can use needs no place.
        Found::Nothing => return (!truth.record.secrets.is_empty()).then_some(Flaw::Missing),
        Found::Unreadable => return Some(Flaw::Unreadable),
        Found::Entry(held) => held,
    };
    match held.version == truth.version {
        _ if !knowledge.admits(held) => Some(Flaw::Stale),
        true if held.record == truth.record => None,
        true if held.record.flips_to(&truth.record) => Some(Flaw::Stale),
        _ => Some(Flaw::Divergent),
    }
}

/// Compares what a cache holds of these credentials with what the authority says of them; what is wrong, and what
/// would be right.
pub(super) async fn compare(
    warming: &Warming,
    cache: &Cache<'_>,
    batch: &Batch,
) -> anyhow::Result<Vec<(Entry, Flaw)>> {
    let names: Vec<&str> = batch.entries.iter().map(|entry| entry.record.credential.as_str()).collect();
    let found = cache.look(warming, &names).await?;
    let (mut flaws, mut suspects) = (Vec::new(), Vec::new());
    for (truth, found) in batch.entries.iter().zip(&found) {
        match judge(truth, found, &warming.knowledge) {
            None => {}
            Some(Flaw::Divergent) => suspects.push(truth.clone()),
            Some(flaw) => flaws.push((truth.clone(), flaw)),
        }
    }
    for _ in 0..LOOKS {
        if suspects.is_empty() {
            break;
        }
        suspects = look_again(warming, cache, suspects, &mut flaws).await?;
    }
    Ok(flaws)
}

/// Looks at suspects between two readings that say the same; those left over of which the readings differ.
async fn look_again(
    warming: &Warming,
    cache: &Cache<'_>,
    suspects: Vec<Entry>,
    flaws: &mut Vec<(Entry, Flaw)>,
) -> anyhow::Result<Vec<Entry>> {
    let head = suspects.iter().map(|truth| truth.read_seq).max().unwrap_or(0);
    let mut status = warming.status.clone();
    tokio::time::timeout(HEAR, status.wait_for(|status| status.applied >= head)).await??;
    let names: Vec<&str> = suspects.iter().map(|truth| truth.record.credential.as_str()).collect();
    let found = cache.look(warming, &names).await?;
    let asked: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let again = warming.store.read_records(&asked).await?;
    let again: HashMap<&str, &Entry> =
        again.entries.iter().map(|entry| (entry.record.credential.as_str(), entry)).collect();
    let mut changed = Vec::new();
    for (before, found) in suspects.iter().zip(&found) {
        let Some(&after) = again.get(before.record.credential.as_str()) else { continue };
        if after.version == before.version && after.record == before.record {
            flaws.extend(judge(after, found, &warming.knowledge).map(|flaw| (after.clone(), flaw)));
        } else {
            changed.push(after.clone());
        }
    }
    Ok(changed)
}
