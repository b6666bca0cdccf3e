//! Where and when an entry belongs: region, history of the authority, epoch of the cache.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Found;

/// The place that entries are sealed for. Another place's entries do not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    region: String,
    history: String,
    epoch: i64,
    tag: String,
}

impl Place {
    /// The epoch of a place that nothing is written to or read from: the feed has not said yet which it is.
    pub const NO_EPOCH: i64 = 0;

    /// A place in no history.
    #[must_use]
    pub fn nowhere(region: &str) -> Self {
        Self::new(region, "", Self::NO_EPOCH)
    }

    /// `history` names the authority's history, `epoch` the life of the region's cache.
    #[must_use]
    pub fn new(region: &str, history: &str, epoch: i64) -> Self {
        let tag = format!("{history}/{epoch}");
        Self { region: region.to_owned(), history: history.to_owned(), epoch, tag }
    }

    /// The region that entries are sealed for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The authority's history that entries are sealed for.
    #[must_use]
    pub fn history(&self) -> &str {
        &self.history
    }

    /// The life of the region's cache that entries are sealed for.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// History and epoch, as they stand in an entry to tell it from another place's.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What does not open here, counted.
    pub(super) fn unreadable(&self) -> Found {
        metrics::counter!("carnet_entries_unreadable_total", "region" => self.region.clone()).increment(1);
        Found::Unreadable
    }

    pub(super) fn key(&self, credential: &str) -> String {
        format!("carnet:{}:{credential}", self.region)
    }

    /// What an entry's seal is bound to, beside its version.
    pub(super) fn fields<'a>(&'a self, credential: &'a str, version: &'a [u8]) -> [&'a [u8]; 4] {
        [self.region.as_bytes(), self.tag.as_bytes(), credential.as_bytes(), version]
    }
}

/// The present place: read on every look, changed by the feed.
#[derive(Debug)]
pub struct PlaceCell(ArcSwap<Place>);

impl PlaceCell {
    /// Starts at `place`.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self(ArcSwap::from_pointee(place))
    }

    /// The present place.
    #[must_use]
    pub fn load(&self) -> Arc<Place> {
        self.0.load_full()
    }

    /// Moves to `place`; whether that is another than before.
    pub fn move_to(&self, place: Place) -> bool {
        if **self.0.load() == place {
            return false;
        }
        self.0.store(Arc::new(place));
        true
    }
}
