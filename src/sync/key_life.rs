//! The steps that signing keys take by themselves: made in time, noted as everywhere, promoted, retired; and sealed anew
//! when there is another master key.
//!
//! Every instance looks. The guards and the lock are in the functions of `V10__signing_keys.sql`, so each step is taken once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::make_signing_key;
use crate::seal::Sealer;
use crate::store::master_keys::MasterKeyUse;
use crate::store::{Store, StoreError};

/// How often somebody looks.
const EVERY: Duration = Duration::from_millis(500);
/// Every so many looks it is seen whether a key has grown old, or is sealed under an earlier master key.
const SELDOM: u32 = 10;
/// Every so many looks it is counted what master keys are needed for: that reads every secret's row.
const COUNTED: u32 = 120;
/// The most keys that are sealed anew at once.
const RESEALED: i64 = 16;

pub(super) struct KeyLife {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    /// How long a key signs.
    pub longest: Duration,
}

impl KeyLife {
    /// Looks until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = 0;
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(error) = self.look(looks).await {
                tracing::debug!(%error, "the signing keys were not looked after this time");
            }
            looks = looks.wrapping_add(1);
        }
    }

    async fn look(&self, looks: u32) -> Result<(), StoreError> {
        for tended in self.store.tend_signing_keys().await? {
            tracing::info!(kid = tended.kid, step = tended.step, "a signing key has taken a step");
        }
        if looks.is_multiple_of(SELDOM) {
            self.succeed().await?;
            self.reseal().await?;
        }
        if looks.is_multiple_of(COUNTED) {
            self.measure().await?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    async fn measure(&self) -> Result<(), StoreError> {
        for key in self.store.measure_master_keys().await? {
            let MasterKeyUse { master_key_id, signing_keys, client_secrets } = key;
            for (of, count) in [("signing_keys", signing_keys), ("client_secrets", client_secrets)] {
                metrics::gauge!("carnet_master_key_uses", "master_key" => master_key_id.clone(), "of" => of)
                    .set(count as f64);
            }
        }
        Ok(())
    }

    /// Makes the successors of those that have signed for long enough.
    async fn succeed(&self) -> Result<(), StoreError> {
        for algorithm in self.store.list_due_algorithms(self.longest).await? {
            let Ok(key) = make_signing_key(Arc::clone(&self.sealer), algorithm).await else {
                tracing::error!(%algorithm, "no signing key can be made");
                continue;
            };
            if self.store.publish_due_signing_key(&key).await? {
                tracing::info!(kid = key.kid, %algorithm, "a signing key is published, and will sign by itself");
            }
        }
        Ok(())
    }

    async fn reseal(&self) -> Result<(), StoreError> {
        let current = self.sealer.current_id();
        for (kid, before) in self.store.list_sealed_before(current, RESEALED).await? {
            let place: &[&[u8]] = &[kid.as_bytes()];
            let Ok(opened) = self.sealer.open(place, &before) else { continue };
            let Ok(sealed) = self.sealer.seal(place, &opened) else { continue };
            self.store.reseal_signing_key(&kid, &before, &sealed).await?;
            tracing::info!(kid, master = current, "a signing key is sealed under the current master key");
        }
        Ok(())
    }
}
