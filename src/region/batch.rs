//! Many entries at once, for warming: one round trip each way, whatever their number.

use redis::{Pipeline, RedisResult, Value};

use super::{Found, KEEP_SECONDS, Place, Region, RegionError};
use crate::domain::record::Entry;

impl Region {
    /// Writes these entries, each unless the cache has a newer reading; see [`Region::fill`].
    ///
    /// # Errors
    /// [`RegionError`]; some of them may have been written.
    pub async fn fill_many(
        &self,
        place: &Place,
        entries: &[&Entry],
        anyway: bool,
    ) -> Result<(), RegionError> {
        if place.epoch() == Place::NO_EPOCH || entries.is_empty() {
            return Ok(());
        }
        let mut all = Pipeline::new();
        all.load_script(&self.compare_and_set).ignore();
        for entry in entries {
            all.invoke_script(&self.compare_and_set(place, entry, anyway)?).ignore();
        }
        let mut redis = self.redis.clone();
        self.command(async { Ok(all.query_async(&mut redis).await?) }).await
    }

    /// Looks these credentials up; the answers are in the same order.
    ///
    /// # Errors
    /// [`RegionError`].
    pub async fn get_many(&self, place: &Place, credentials: &[&str]) -> Result<Vec<Found>, RegionError> {
        if place.epoch() == Place::NO_EPOCH {
            return Ok(credentials.iter().map(|_| Found::Nothing).collect());
        }
        let mut all = Pipeline::new();
        for credential in credentials {
            all.add_command(Self::ask_for(place, credential));
        }
        // What is wrong with one entry is no matter of the others.
        all.ignore_errors();
        let mut redis = self.redis.clone();
        let answers: Vec<RedisResult<Value>> =
            self.command(async { Ok(all.query_async(&mut redis).await?) }).await?;
        let each = credentials.iter().zip(answers);
        each.map(|(credential, answer)| self.read(place, credential, answer)).collect()
    }

    /// Lets what lies there stay as long again.
    ///
    /// # Errors
    /// [`RegionError`].
    pub async fn keep_many(&self, place: &Place, credentials: &[&str]) -> Result<(), RegionError> {
        if place.epoch() == Place::NO_EPOCH || credentials.is_empty() {
            return Ok(());
        }
        let mut all = Pipeline::new();
        for credential in credentials {
            all.cmd("EXPIRE").arg(place.key(credential)).arg(KEEP_SECONDS).ignore();
        }
        let mut redis = self.redis.clone();
        self.command(async { Ok(all.query_async(&mut redis).await?) }).await
    }
}
