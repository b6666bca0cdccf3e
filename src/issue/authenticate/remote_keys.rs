//! Keys that are published elsewhere: those of clients (`jwks_uri`), and those of issuers whose tokens are trusted.
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
use crate::outgoing::{LONGEST, Outgoing};
use crate::token::client_jwks::{read_fetched, read_issuer_keys};
use crate::token::discovery::read_jwks_uri;

/// How long keys are kept.
const KEPT: Duration = Duration::from_mins(5);
/// The least time between two requests to one address.
const APART: Duration = Duration::from_secs(10);
/// The longest wait for somebody else's request, or for both of them where there is a discovery document.
const WAIT: Duration = LONGEST.saturating_mul(2);
/// The most addresses whose keys are kept; the least useful make room.
const ADDRESSES: u64 = 1_000;

/// Where keys are, and whose.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in crate::issue) enum KeySource {
    /// A client's, at its `jwks_uri`.
    Client(String),
    /// An issuer's, at its `jwks_uri`.
    Issuer(String),
    /// An issuer's, where its discovery document says (`OpenID` Connect Discovery 1.0 §4).
    Discovery(String),
}

impl KeySource {
    fn address(&self) -> &str {
        let (Self::Client(address) | Self::Issuer(address) | Self::Discovery(address)) = self;
        address
    }
}

/// The keys that were somewhere.
#[derive(Clone, Debug)]
pub(in crate::issue) struct FetchedKeys {
    pub source: KeySource,
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
    by_source: Cache<KeySource, Arc<Mutex<Known>>>,
}

impl RemoteKeys {
    /// Knows none.
    #[must_use]
    pub fn new(outgoing: Outgoing, clock: Arc<Clock>) -> Self {
        Self { outgoing, clock, by_source: Cache::new(ADDRESSES) }
    }

    /// The keys of this source, among which is one that will do, if there is any.
    pub(in crate::issue) async fn at(
        self: &Arc<Self>,
        source: &KeySource,
        will_do: impl Fn(&[ClientKeyPart]) -> bool,
    ) -> Result<FetchedKeys, TokenError> {
        let known = self.by_source.get_with_by_ref(source, Arc::default);
        let unavailable = || TokenError::temporarily_unavailable("The keys cannot be fetched");
        // Whoever comes while the keys are fetched finds them fetched.
        let known = tokio::time::timeout(WAIT, known.lock_owned()).await;
        let known = known.map_err(|_| unavailable())?;
        let now = self.clock.boot();
        let kept = known.keys.as_ref().filter(|(since, _)| now.since(*since) < KEPT);
        let kept = kept.map(|(_, keys)| Arc::clone(keys));
        let may_ask = known.asked.is_none_or(|asked| now.since(asked) >= APART);
        let keys = match kept {
            Some(kept) if !may_ask || will_do(&kept) => Some(kept),
            kept if may_ask => self.fetch(known, source).await.or(kept),
            _ => None,
        };
        let keys = keys.ok_or_else(unavailable)?;
        Ok(FetchedKeys { source: source.clone(), keys })
    }

    /// A task of its own: whoever happened to come first may go away, and those who wait must not lose by that.
    async fn fetch(
        self: &Arc<Self>,
        mut known: OwnedMutexGuard<Known>,
        source: &KeySource,
    ) -> Option<Arc<[ClientKeyPart]>> {
        let (this, source) = (Arc::clone(self), source.clone());
        let fetching = actix_web::rt::spawn(async move {
            let asked = this.clock.boot();
            known.asked = Some(asked);
            let keys: Arc<[ClientKeyPart]> = this.ask(&source).await?.into();
            known.keys = Some((asked, Arc::clone(&keys)));
            Some(keys)
        });
        fetching.await.ok().flatten()
    }

    async fn ask(&self, source: &KeySource) -> Option<Vec<ClientKeyPart>> {
        match source {
            KeySource::Client(uri) => read_fetched(&self.get(source, uri).await?),
            KeySource::Issuer(uri) => read_issuer_keys(&self.get(source, uri).await?),
            KeySource::Discovery(issuer) => {
                let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                match read_jwks_uri(&self.get(source, &document).await?, issuer) {
                    Some(uri) => read_issuer_keys(&self.get(source, &uri).await?),
                    None => None,
                }
            }
        }
        .or_else(|| {
            let address = CredentialId::of_address(source.address());
            tracing::warn!(%address, "no JWK set is where keys should be");
            None
        })
    }

    async fn get(&self, source: &KeySource, uri: &str) -> Option<Vec<u8>> {
        let fetched = self.outgoing.get(uri).await;
        let outcome = if fetched.is_ok() { "fetched" } else { "failed" };
        metrics::counter!("carnet_client_keys_fetched_total", "outcome" => outcome).increment(1);
        // By its hash: there may be something in an address that is nobody's business.
        let address = CredentialId::of_address(source.address());
        fetched.inspect_err(|error| tracing::warn!(%address, %error, "keys cannot be fetched")).ok()
    }
}
