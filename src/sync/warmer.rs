//! The warmer: from Pending to Valid, by evidence.
//!
//! It writes a record into its region's cache, reads it back through the decoding that serves, and
//! only then acknowledges. When nothing is lacking anywhere, the flip makes it valid. Any instance
//! may do all of this at any time, two at once do no harm; the oldest of a region does it first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::FeedStatus;
use crate::directory::Knowledge;
use crate::region::{Found, PlaceCell, Region};
use crate::store::{Store, StoreError};

/// The most credentials that are looked after in one round.
const BATCH: i64 = 256;
/// How many of them at once: as many connections are kept free for it.
const AT_ONCE: usize = 2;
/// The wait between two rounds while something is pending.
const PENDING: Duration = Duration::from_millis(25);
/// The wait between two looks when nothing is known to be pending.
const IDLE: Duration = Duration::from_secs(1);
/// How much later each younger instance of a region looks.
const PER_RANK: Duration = Duration::from_millis(500);
/// The latest that any instance looks.
const LATEST: Duration = Duration::from_secs(5);

pub(super) struct Warmer {
    pub store: Store,
    pub knowledge: Arc<Knowledge>,
    pub place: Arc<PlaceCell>,
    pub region: Region,
    pub region_name: String,
    pub status: watch::Receiver<FeedStatus>,
    pub rewarm: mpsc::Receiver<String>,
}

impl Warmer {
    /// Works until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let pending = match self.round().await {
                    Ok(pending) => pending,
                    Err(error) => {
                        tracing::debug!(%error, "a round of warming did not finish");
                        true
                    }
                };
                if pending {
                    tokio::time::sleep(PENDING + self.turn()).await;
                } else {
                    // A change, or a look now and then for what was left over.
                    drop(tokio::time::timeout(IDLE, self.status.changed()).await);
                    tokio::time::sleep(self.turn()).await;
                }
            }
        })
        .await;
    }

    /// The oldest instance goes first; a younger one finds something to do only if that one stalls.
    fn turn(&self) -> Duration {
        let rank = u32::try_from(self.status.borrow().rank).unwrap_or(0);
        PER_RANK.saturating_mul(rank).min(LATEST)
    }

    /// One look at everything unsettled; whether something still is.
    async fn round(&mut self) -> Result<bool, StoreError> {
        let unsettled = self.store.list_unsettled(&self.region_name, BATCH).await?;
        let epoch = self.place.load().epoch();
        let missing = unsettled.iter().filter(|u| !u.acknowledged);
        let read_back = self.warm(missing.map(|u| u.credential.clone())).await;
        if !read_back.is_empty() {
            let read_back: Vec<_> = read_back.into_iter().collect();
            self.store.acknowledge(&self.region_name, epoch, &read_back).await?;
        }
        let names: Vec<String> = unsettled.iter().map(|u| u.credential.clone()).collect();
        let flipped = if names.is_empty() { Vec::new() } else { self.store.flip(&names).await? };
        metrics::counter!("carnet_flips_total").increment(flipped.len() as u64);
        self.freshen().await;
        Ok(flipped.len() < names.len())
    }

    /// Writes again what has changed: valid entries that were armed, roles that are others now. One
    /// instance of the region does; should it fail, the entry is written when it is asked for.
    async fn freshen(&mut self) {
        let mut changed = Vec::new();
        while let Ok(credential) = self.rewarm.try_recv() {
            changed.push(credential);
        }
        changed.sort_unstable();
        changed.dedup();
        if self.status.borrow().rank == 0 {
            self.warm(changed).await;
        }
    }

    /// Writes these records into the cache and reads them back; the versions that were read.
    async fn warm(&self, credentials: impl IntoIterator<Item = String>) -> HashMap<String, i64> {
        let one = |credential: String| async move {
            match self.write_and_read_back(&credential).await {
                Ok(version) => Some((credential, version?)),
                Err(error) => {
                    tracing::debug!(%error, credential, "not warmed");
                    None
                }
            }
        };
        stream::iter(credentials)
            .map(one)
            .buffer_unordered(AT_ONCE)
            .filter_map(async |read| read)
            .collect()
            .await
    }

    async fn write_and_read_back(&self, credential: &str) -> anyhow::Result<Option<i64>> {
        let place = self.region.place();
        let reading = self.store.read_record(credential).await?;
        let Some(entry) = reading.entry.filter(|_| reading.history.to_string() == place.history()) else {
            return Ok(None);
        };
        self.region.fill(&place, &entry, false).await?;
        let mut found = self.region.get(&place, credential).await?;
        if matches!(found, Found::Unreadable) {
            // Not ours, or not of this epoch, but claiming to be newer: it must not keep its place.
            metrics::counter!("carnet_entries_unreadable_total").increment(1);
            self.region.fill(&place, &entry, true).await?;
            found = self.region.get(&place, credential).await?;
        }
        match found {
            Found::Entry(read) if read.version >= entry.version && self.knowledge.admits(&read) => {
                Ok(Some(read.version))
            }
            _ => Ok(None),
        }
    }
}
