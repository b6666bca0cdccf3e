//! Keys of clients that publish them at an address of their own (`jwks_uri`).
//!
//! Fetched when they are needed, by one request for all who wait; kept for some minutes; fetched again when an assertion
//! names a key that is not among them, and never more often than every few seconds, whoever asks. What cannot be fetched
//! is an outage, not the fault of whoever waits for it; but a copy that is too old is no copy.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::{BootInstant, Clock};
use crate::domain::credential_id::CredentialId;
use crate::domain::record::ClientKeyPart;
use crate::issue::TokenError;
use crate::outgoing::Outgoing;
use crate::token::client_jwks::read_fetched;

/// How long keys are kept.
const KEPT: Duration = Duration::from_mins(5);
/// The least time between two requests to one address.
const APART: Duration = Duration::from_secs(10);
/// The longest wait for somebody else's request.
const WAIT: Duration = Duration::from_secs(3);
/// The most addresses whose keys are kept; the least useful make room.
const ADDRESSES: u64 = 1_000;

/// The keys that were at an address.
#[derive(Clone, Debug)]
pub(in crate::issue) struct FetchedKeys {
    pub uri: String,
    pub keys: Arc<[ClientKeyPart]>,
}

/// What is known of one address.
#[derive(Default)]
struct Known {
    asked: Option<BootInstant>,
    keys: Option<(BootInstant, Arc<[ClientKeyPart]>)>,
}

/// The keys of all addresses, shared by all workers.
pub struct RemoteKeys {
    outgoing: Outgoing,
    clock: Arc<Clock>,
    by_uri: Cache<String, Arc<Mutex<Known>>>,
}

impl RemoteKeys {
    /// Knows none.
    #[must_use]
    pub fn new(outgoing: Outgoing, clock: Arc<Clock>) -> Self {
        Self { outgoing, clock, by_uri: Cache::new(ADDRESSES) }
    }

    /// The keys at this address, among which is one that will do, if there is any.
    pub(in crate::issue) async fn at(
        self: &Arc<Self>,
        uri: &str,
        will_do: impl Fn(&[ClientKeyPart]) -> bool,
    ) -> Result<FetchedKeys, TokenError> {
        let known = self.by_uri.get_with_by_ref(uri, Arc::default);
        let unavailable = || TokenError::temporarily_unavailable("The client's keys cannot be fetched");
        // Whoever comes while the keys are fetched finds them fetched.
        let known = tokio::time::timeout(WAIT, known.lock_owned()).await;
        let known = known.map_err(|_| unavailable())?;
        let now = self.clock.boot();
        let kept = known.keys.as_ref().filter(|(since, _)| now.since(*since) < KEPT);
        let kept = kept.map(|(_, keys)| Arc::clone(keys));
        let may_ask = known.asked.is_none_or(|asked| now.since(asked) >= APART);
        let keys = match kept {
            Some(kept) if !may_ask || will_do(&kept) => Some(kept),
            kept if may_ask => self.fetch(known, uri).await.or(kept),
            _ => None,
        };
        let keys = keys.ok_or_else(unavailable)?;
        Ok(FetchedKeys { uri: uri.to_owned(), keys })
    }

    /// A task of its own: whoever happened to come first may go away, and those who wait must not lose by that.
    async fn fetch(
        self: &Arc<Self>,
        mut known: OwnedMutexGuard<Known>,
        uri: &str,
    ) -> Option<Arc<[ClientKeyPart]>> {
        let (this, uri) = (Arc::clone(self), uri.to_owned());
        let fetching = actix_web::rt::spawn(async move {
            let asked = this.clock.boot();
            known.asked = Some(asked);
            let keys: Arc<[ClientKeyPart]> = this.ask(&uri).await?.into();
            known.keys = Some((asked, Arc::clone(&keys)));
            Some(keys)
        });
        fetching.await.ok().flatten()
    }

    async fn ask(&self, uri: &str) -> Option<Vec<ClientKeyPart>> {
        let fetched = self.outgoing.get(uri).await;
        let outcome = if fetched.is_ok() { "fetched" } else { "failed" };
        metrics::counter!("carnet_client_keys_fetched_total", "outcome" => outcome).increment(1);
        // By its hash: there may be something in an address that is nobody's business.
        let address = CredentialId::of_address(uri);
        match fetched.map(|document| read_fetched(&document)) {
            Ok(Some(keys)) => Some(keys),
            Ok(None) => {
                tracing::warn!(%address, "no JWK set is at a client's jwks_uri");
                None
            }
            Err(error) => {
                tracing::warn!(%address, %error, "a client's keys cannot be fetched");
                None
            }
        }
    }
}
