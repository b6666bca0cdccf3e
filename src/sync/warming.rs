//! From the authority into the cache, by evidence: written, read back, and only then acknowledged.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::FeedStatus;
use crate::directory::Knowledge;
use crate::domain::record::Entry;
use crate::protocol_log;
use crate::region::{Found, Look, Place, Region, RegionError};
use crate::sabotage::Switch;
use crate::store::records::Batch;
use crate::store::regions::RegionNow;
use crate::store::settle::Flipped;
use crate::store::{Store, StoreError};

/// What was read back from the cache, and in which epoch of it.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// The epoch that the acknowledgement is for.
    pub epoch: i64,
    /// `(credential, version)`.
    pub entries: Vec<(String, i64)>,
}

/// What all who warm have in common.
#[derive(Clone)]
pub(super) struct Warming {
    pub store: Store,
    pub knowledge: Arc<Knowledge>,
    pub region: Region,
    pub region_name: String,
    pub status: watch::Receiver<FeedStatus>,
}

impl Warming {
    /// Writes these records and reads them back. Nothing comes of it when the cache is not the one that the
    /// authority knows of: an acknowledgement would be for another one.
    pub async fn warm(&self, batch: &Batch) -> Result<Option<ReadBack>, RegionError> {
        let place = self.region.place();
        let Some(now) = self.status.borrow().region.clone() else { return Ok(None) };
        if now.epoch != place.epoch()
            || batch.history.map(|h| h.to_string()).as_deref() != Some(place.history())
        {
            return Ok(None);
        }
        let entries: Vec<&Entry> = batch.entries.iter().collect();
        if Switch::AcknowledgeUnread.is_on() {
            let entries = entries.iter().map(|entry| (entry.record.credential.clone(), entry.version));
            return Ok(Some(ReadBack { epoch: now.epoch, entries: entries.collect() }));
        }
        self.region.fill_many(&place, &entries, false).await?;
        let entries = self.read_back(&place, &entries).await?;
        // Afterwards, so that what was read was in this cache, and is unless it is lost from now on.
        let look = self.region.look().await?;
        let same = (is_same_cache(&now, &look) || Switch::NoEpoch.is_on())
            && look.keeps_entries()
            && *self.region.place() == *place;
        Ok(same.then_some(ReadBack { epoch: now.epoch, entries }))
    }

    async fn read_back(&self, place: &Place, entries: &[&Entry]) -> Result<Vec<(String, i64)>, RegionError> {
        let names: Vec<&str> = entries.iter().map(|entry| entry.record.credential.as_str()).collect();
        let mut found = self.region.get_many(place, &names).await?;
        // Not ours, or not of this epoch, but claiming to be newer: it must not keep its place.
        let unreadable = |found: &Found| matches!(found, Found::Unreadable);
        if found.iter().any(unreadable) {
            let wrong = entries.iter().zip(&found).filter(|(_, found)| unreadable(found));
            let wrong: Vec<&Entry> = wrong.map(|(entry, _)| *entry).collect();
            self.region.fill_many(place, &wrong, true).await?;
            found = self.region.get_many(place, &names).await?;
        }
        let read = entries.iter().zip(found).filter_map(|(entry, found)| match found {
            Found::Entry(read) if read.version >= entry.version && self.knowledge.admits(&read) => {
                Some((read.record.credential.clone(), read.version))
            }
            _ => None,
        });
        // Of each the newest: one statement acknowledges each once.
        let mut newest: HashMap<String, i64> = HashMap::new();
        for (credential, version) in read {
            let known = newest.entry(credential).or_insert(version);
            *known = version.max(*known);
        }
        Ok(newest.into_iter().collect())
    }

    /// Acknowledges what was read back, and flips what lacks nothing; which ones.
    pub async fn settle(
        &self,
        read_back: Option<ReadBack>,
        pending: &[String],
    ) -> Result<Vec<Flipped>, StoreError> {
        let ReadBack { epoch, entries } =
            read_back.unwrap_or(ReadBack { epoch: Place::NO_EPOCH, entries: Vec::new() });
        let asked = self.knowledge.clock.boot();
        for (credential, version) in &entries {
            protocol_log::acknowledged(&self.region_name, credential, *version, epoch);
        }
        let flipped = self.store.acknowledge_and_flip(&self.region_name, epoch, &entries, pending).await?;
        for Flipped { credential, version, seq } in &flipped {
            protocol_log::flipped(credential, *version, *seq, asked);
        }
        metrics::counter!("carnet_flips_total").increment(flipped.len() as u64);
        Ok(flipped)
    }

    /// How this instance stands among those of its region, and how the region is.
    pub fn status(&self) -> FeedStatus {
        self.status.borrow().clone()
    }
}

/// Whether this is the cache that the authority knows of.
pub(super) fn is_same_cache(now: &RegionNow, look: &Look) -> bool {
    now.cache.as_ref().is_some_and(|cache| {
        cache.run_id == look.run_id && look.life.as_ref().is_some_and(|life| *life == cache.life)
    })
}
