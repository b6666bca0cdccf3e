//! Signing keys from store to memory: opened, parsed once, and loaded again as soon as the feed says that there are others.
//!
//! A key that cannot be read, and does not sign, is left out and told of: it will not sign before everybody can read it. When
//! the one that signs cannot be read, a start fails, and an instance that runs goes on with the keys that it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::FeedStatus;
use crate::domain::algorithm::Algorithm;
use crate::seal::Sealer;
use crate::store::signing_keys::{NewSigningKey, StoredKey};
use crate::store::tx::Caused;
use crate::store::{Store, StoreError};
use crate::token::keyring::{Keyring, KeyringCell, KeyringEntry};
use crate::token::signer::SigningKey;

/// How often the keys are looked at again when nobody says that there are others.
const REFRESH: Duration = Duration::from_secs(30);
/// The same when they could not be loaded.
const AGAIN: Duration = Duration::from_secs(1);

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

/// No key could be made, or none sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no signing key can be made")]
pub struct CannotMake;

impl From<CannotMake> for KeyringLoadError {
    fn from(error: CannotMake) -> Self {
        Self::Unusable { kid: "(new)".into(), why: error.to_string() }
    }
}

/// Loads the keys of a start, making the first one of each algorithm if there is none.
///
/// # Errors
/// [`KeyringLoadError`].
pub async fn load_keyring(store: &Store, sealer: &Arc<Sealer>) -> Result<Keyring, KeyringLoadError> {
    let stored = store.read_keyring().await?.keys;
    for algorithm in Algorithm::ALL {
        if !stored.iter().any(|key| key.active && key.algorithm == algorithm.as_str()) {
            let first = make_signing_key(Arc::clone(sealer), algorithm).await?;
            store.insert_first_signing_key(&first).await?;
        }
    }
    read_keyring(store, sealer).await
}

/// Makes a key, on a thread where nobody waits for anything else: RSA takes a while.
///
/// # Errors
/// [`CannotMake`].
pub async fn make_signing_key(
    sealer: Arc<Sealer>,
    algorithm: Algorithm,
) -> Result<NewSigningKey, CannotMake> {
    let make = move || {
        let (key, der) = SigningKey::generate(algorithm).map_err(|_| CannotMake)?;
        let row = sealer.seal(&[key.kid().as_bytes()], &der).map_err(|_| CannotMake)?;
        Ok(NewSigningKey { kid: key.kid().to_owned(), algorithm, sealed: row })
    };
    tokio::task::spawn_blocking(make).await.unwrap_or(Err(CannotMake))
}

async fn read_keyring(store: &Store, sealer: &Sealer) -> Result<Keyring, KeyringLoadError> {
    let stored = store.read_keyring().await?;
    let (mut entries, mut lacking) = (Vec::with_capacity(stored.keys.len()), Vec::new());
    for StoredKey { kid, algorithm, active, sealed } in stored.keys {
        match open(sealer, &kid, &algorithm, &sealed) {
            Ok(key) => entries.push(KeyringEntry { key, active }),
            Err(why) if active => return Err(KeyringLoadError::Unusable { kid, why }),
            Err(why) => {
                tracing::warn!(kid, why, "a signing key is left out");
                lacking.push(kid);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("carnet_signing_keys_unreadable").set(lacking.len() as f64);
    let keyring = Keyring::new(entries).map_err(|e| KeyringLoadError::Keyring(e.to_string()))?;
    Ok(keyring.as_of(stored.revision, lacking))
}

fn open(sealer: &Sealer, kid: &str, algorithm: &str, row: &[u8]) -> Result<SigningKey, String> {
    let algorithm: Algorithm = algorithm.parse().map_err(|_| "unknown algorithm".to_owned())?;
    let der = sealer.open(&[kid.as_bytes()], row).map_err(|e| e.to_string())?;
    let key = SigningKey::from_pkcs8(algorithm, &der).map_err(|e| e.to_string())?;
    if key.kid() == kid { Ok(key) } else { Err("it is stored under another key's thumbprint".to_owned()) }
}

/// Loads the keys again whenever there are others, and wakes the feed, which tells that they are loaded.
pub(super) struct Refresher {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub cell: Arc<KeyringCell>,
    pub status: watch::Receiver<FeedStatus>,
    pub wake: Arc<watch::Sender<()>>,
}

impl Refresher {
    /// Until it is told to stop. What cannot be read now is tried again; the keys at hand go on serving.
    pub async fn run(mut self, stop: CancellationToken) {
        let (mut wait, mut tried) = (REFRESH, None);
        while stop.run_until_cancelled(self.until_due(wait, tried)).await.is_some() {
            tried = self.status.borrow().keyring;
            wait = match read_keyring(&self.store, &self.sealer).await {
                Ok(keyring) => {
                    self.cell.store(keyring);
                    self.wake.send_replace(());
                    REFRESH
                }
                Err(error) => {
                    tracing::warn!(%error, "the signing keys could not be loaded; those at hand go on serving");
                    AGAIN
                }
            };
        }
    }

    /// Until there is a keyring that is neither the one at hand nor the one that was `tried` last, or it is late.
    async fn until_due(&mut self, late: Duration, tried: Option<i64>) {
        let known = Some(self.cell.load().revision());
        let another =
            |now: &FeedStatus| now.keyring.is_some() && now.keyring != known && now.keyring != tried;
        tokio::select! {
            // Without a feed there is nobody to say so.
            heard = self.status.wait_for(another) => if heard.is_err() { tokio::time::sleep(REFRESH).await },
            () = tokio::time::sleep(late) => {}
        }
    }
}
