//! The epoch: has this region's cache lost what was in it?
//!
//! A flush, a restart, a failover: acknowledgements of before are void, and everything is warmed anew. Keys that are
//! valid go on working, by asking the authority.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::contest::Contest;
use super::warming::is_same_cache;
use super::{FeedStatus, StartError};
use crate::region::{Look, Region, RegionError};
use crate::sabotage::Switch;
use crate::store::regions::CacheLife;
use crate::store::{Store, StoreError};
use crate::{clock, protocol_log};

/// How often the cache is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a start waits for other instances of the region to notice that its Redis is another now.
const AGREE: Duration = Duration::from_secs(3);

pub(super) struct EpochWatch {
    pub contest: Contest,
    pub store: Store,
    pub region: Region,
    pub region_name: String,
    pub status: watch::Receiver<FeedStatus>,
}

impl EpochWatch {
    /// Looks until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            // Whether it is the cache that is known can only be said when it is known which one that is.
            let _ = self.status.wait_for(|status| status.region.is_some()).await;
            let mut fit = true;
            loop {
                match self.region.look().await {
                    Ok(look) => fit = self.judge(fit, look).await,
                    // Away. Whether it is another when it comes back will be seen then.
                    Err(error) => tracing::debug!(%error, "no look at Redis"),
                }
                metrics::gauge!("carnet_cache_fit", "region" => self.region_name.clone())
                    .set(f64::from(u8::from(fit)));
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    /// Compares what was seen with what is known; whether the cache is fit to hold entries.
    async fn judge(&self, was_fit: bool, look: Look) -> bool {
        let fit = look.keeps_entries();
        if was_fit && !fit {
            tracing::error!(
                primary = look.is_primary,
                eviction = look.eviction,
                "this region's Redis may lose entries without a word: nothing is warmed into it"
            );
        }
        if let Err(error) = self.compare(look).await {
            tracing::debug!(%error, "the epoch could not be looked after");
        }
        fit
    }

    async fn compare(&self, look: Look) -> anyhow::Result<()> {
        let Some(now) = self.status.borrow().region.clone() else { return Ok(()) };
        if is_same_cache(&now, &look) || !look.is_primary || Switch::NoEpoch.is_on() && now.cache.is_some() {
            return Ok(());
        }
        let look = marked(&self.region, look).await?;
        let Some(cache) = life_of(look) else { return Ok(()) };
        if !self.contest.admits(&cache, &self.region_name) {
            return Ok(());
        }
        let asked = clock::since_boot();
        if let Some(epoch) = self.store.raise_epoch(&self.region_name, now.epoch, &cache).await? {
            protocol_log::epoch(&self.region_name, epoch, asked);
            self.contest.note_raised(cache);
            let region = &self.region_name;
            metrics::counter!("carnet_epochs_raised_total", "region" => region.clone()).increment(1);
            if now.cache.is_some() {
                tracing::warn!(region, epoch, "another Redis, or one that lost its entries: warming anew");
            } else {
                tracing::info!(region, epoch, "the region's Redis is known");
            }
        }
        Ok(())
    }
}

/// Puts a mark where there is none. Of several who do, all see the same one.
async fn marked(region: &Region, look: Look) -> Result<Look, RegionError> {
    if look.life.is_some() {
        return Ok(look);
    }
    let mut mark = [0; 16];
    // Without randomness it is tried again in a moment.
    if SystemRandom::new().fill(&mut mark).is_ok() {
        region.mark(&URL_SAFE_NO_PAD.encode(mark)).await?;
    }
    region.look().await
}

fn life_of(look: Look) -> Option<CacheLife> {
    Some(CacheLife { run_id: look.run_id, life: look.life? })
}

/// Before an instance starts: whether its Redis can be this region's. One that cannot be reached may be.
///
/// # Errors
/// [`StartError::Eviction`], [`StartError::Replica`], [`StartError::RegionTaken`].
pub(super) async fn admit_cache(store: &Store, region: &Region, name: &str) -> Result<(), StartError> {
    let look = match region.look().await {
        Ok(look) => look,
        Err(error) => {
            tracing::warn!(%error, "redis_url cannot be reached: serving without it, warming when it is there");
            return Ok(());
        }
    };
    if !look.is_primary {
        return Err(StartError::Replica);
    }
    if !look.keeps_entries() {
        return Err(StartError::Eviction(look.eviction));
    }
    let agreed = tokio::time::timeout(AGREE, async {
        while is_anothers(store, name, &look).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, StoreError>(())
    });
    match agreed.await {
        Ok(agreed) => Ok(agreed?),
        Err(_) => Err(StartError::RegionTaken(name.to_owned())),
    }
}

/// Whether instances of this region are alive that use another Redis than this one.
async fn is_anothers(store: &Store, name: &str, look: &Look) -> Result<bool, StoreError> {
    Ok(match store.read_region(name).await? {
        Some((now, true)) => now.cache.is_some_and(|cache| {
            cache.run_id != look.run_id && look.life.as_ref().is_none_or(|life| *life != cache.life)
        }),
        _ => false,
    })
}
