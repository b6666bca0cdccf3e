//! Reading from the authority what is no record: by the same rules, under a lease and of the history that is listened to.

use std::sync::Arc;

use super::knowledge::Life;
use super::{Directory, FRESH, Outage, Served};
use crate::store::status_lists::Stamped;
use crate::store::{Store, StoreError};

impl Directory {
    /// Waits for a lease if there is none, as before every answer.
    ///
    /// # Errors
    /// [`Outage::NoLease`].
    pub async fn may_answer(&self) -> Result<(), Outage> {
        self.leased().await.map(drop)
    }

    /// The present life, to be asked for before something is read that is to be remembered; none when nobody knows.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        self.knowledge.life()
    }

    /// What `read` reads, if it is the authority that has answered, and does not lag behind what was heard of it.
    ///
    /// # Errors
    /// [`Outage`].
    pub async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&Store) -> Result<Stamped<T>, StoreError>,
    ) -> Result<Served<T>, Outage> {
        self.leased().await?;
        let (asked, place, heard) =
            (self.knowledge.clock.boot(), self.region.place(), self.knowledge.heard());
        let read = read(&self.store).await.map_err(|error| Outage::Store(Arc::new(error)))?;
        if read.history.to_string() != place.history() || read.head < heard {
            self.store.forget_connections();
            return Err(Outage::NotTheAuthority);
        }
        // Still, or the reading proves nothing.
        let until = self.leased().await?;
        Ok(Served { value: read.value, now: read.now, deadline: asked.plus(FRESH).min(until) })
    }
}
