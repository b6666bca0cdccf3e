//! Signing keys from store to memory: opened, parsed once, looked at again now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::algorithm::Algorithm;
use crate::seal::Sealer;
use crate::store::tx::Caused;
use crate::store::{Store, StoreError};
use crate::token::keyring::{Keyring, KeyringCell, KeyringEntry};
use crate::token::signer::SigningKey;

/// How often the keys are looked at again. A key is published for much longer before it signs.
const REFRESH: Duration = Duration::from_secs(30);

/// Why there are no keys to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyringLoadError {
    /// Postgres itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key does not open or parse.
    #[error("signing key {kid}: {why}")]
    Unusable {
        /// Which.
        kid: String,
        /// What is the matter with it.
        why: String,
    },
    /// Two active keys of one algorithm, or the like.
    #[error("the signing keys do not make a keyring: {0}")]
    Keyring(String),
}

impl Caused for KeyringLoadError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

/// Loads the keys, making the first one of each algorithm if there is none.
///
/// # Errors
/// [`KeyringLoadError`].
pub async fn load_keyring(store: &Store, sealer: &Sealer) -> Result<Keyring, KeyringLoadError> {
    let mut stored = store.list_signing_keys().await?;
    let missing =
        Algorithm::ALL.into_iter().filter(|a| !stored.iter().any(|k| k.active && k.algorithm == a.as_str()));
    let missing: Vec<Algorithm> = missing.collect();
    if !missing.is_empty() {
        for algorithm in missing {
            make_first(store, sealer, algorithm).await?;
        }
        stored = store.list_signing_keys().await?;
    }
    let mut entries = Vec::with_capacity(stored.len());
    for key in stored {
        let unusable = |why: String| KeyringLoadError::Unusable { kid: key.kid.clone(), why };
        let algorithm: Algorithm = key.algorithm.parse().map_err(|_| unusable("unknown algorithm".into()))?;
        let der = sealer.open(&[key.kid.as_bytes()], &key.sealed).map_err(|e| unusable(e.to_string()))?;
        let parsed = SigningKey::from_pkcs8(algorithm, &der).map_err(|e| unusable(e.to_string()))?;
        if parsed.kid() != key.kid {
            return Err(unusable("it is stored under another key's thumbprint".into()));
        }
        entries.push(KeyringEntry { key: parsed, active: key.active });
    }
    Keyring::new(entries).map_err(|e| KeyringLoadError::Keyring(e.to_string()))
}

async fn make_first(store: &Store, sealer: &Sealer, algorithm: Algorithm) -> Result<(), KeyringLoadError> {
    let unusable = |why: String| KeyringLoadError::Unusable { kid: "(new)".into(), why };
    let (key, der) = SigningKey::generate(algorithm).map_err(|e| unusable(e.to_string()))?;
    let row = sealer.seal(&[key.kid().as_bytes()], &der).map_err(|e| unusable(e.to_string()))?;
    store.insert_first_signing_key(key.kid(), algorithm.as_str(), &row).await?;
    Ok(())
}

/// Looks again until it is told to stop. What cannot be read now is tried again; the keys at hand go
/// on serving.
pub(super) async fn refresh(
    store: Store,
    sealer: Arc<Sealer>,
    cell: Arc<KeyringCell>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(REFRESH)).await.is_some() {
        match load_keyring(&store, &sealer).await {
            Ok(keyring) => cell.store(keyring),
            Err(error) => tracing::warn!(%error, "the signing keys could not be looked at"),
        }
    }
}
