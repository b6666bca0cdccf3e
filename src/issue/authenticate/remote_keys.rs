//! Keys that are published elsewhere: those of clients (`jwks_uri`), and those of issuers whose tokens are trusted.
//!
//! Fetched when they are needed, by one request for all who wait; kept for some minutes; fetched again when an assertion
//! names a key that is not among them, and never more often than every few seconds, whoever asks. Whoever finds his key
//! among those that are kept waits for nobody's request. What cannot be fetched is an outage, not the fault of whoever waits
//! for it; but a copy that is too old is no copy.
//!
//! Whoever names many addresses takes room from those that nobody has needed for longest. When an address was asked is kept
//! apart from what it said: it is small, there is room for many more, and so nobody has us ask an address more often.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::{BootInstant, Clock};
use crate::domain::credential_id::CredentialId;
use crate::domain::record::ClientKeyPart;
use crate::issue::TokenError;
use crate::outgoing::{LONGEST, Outgoing, OutgoingError};
use crate::token::client_jwks::{MOST_PUBLISHED_KEYS, PublishedKeys, read_fetched, read_issuer_keys};
use crate::token::discovery::read_jwks_uri;

/// How long keys are kept.
const KEPT: Duration = Duration::from_mins(5);
/// The least time between two requests to one address.
const APART: Duration = Duration::from_secs(10);
/// The longest wait for somebody else's request, or for both of them where there is a discovery document.
const WAIT: Duration = LONGEST.saturating_mul(2);
/// The most memory of all keys that are kept, bytes; those that nobody has needed for longest make room.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What an address takes of it besides itself and its keys, bytes; rather too much than too little.
const BYTES_OF_AN_ADDRESS: usize = 512;
/// The most addresses of which is known when they were asked.
const MOST_ASKED: u64 = 100_000;

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

    /// Its host, for people to whom a hash says nothing.
    fn host(&self) -> Option<String> {
        let address = reqwest::Url::parse(self.address()).ok()?;
        Some(address.host_str()?.to_owned())
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
    /// Beside the lock, which is held for as long as a request takes.
    kept: ArcSwapOption<Kept>,
    /// Of whoever asks.
    turn: Arc<Mutex<()>>,
}

/// Keys, and since when.
struct Kept {
    since: BootInstant,
    keys: Arc<[ClientKeyPart]>,
}

impl Known {
    /// Those that are not too old.
    fn fresh(&self, now: BootInstant) -> Option<Arc<[ClientKeyPart]>> {
        let kept = self.kept.load_full().filter(|kept| now.since(kept.since) < KEPT)?;
        Some(Arc::clone(&kept.keys))
    }

    /// What it takes of memory, about, as the value of this.
    fn bytes(&self, source: &KeySource) -> usize {
        let kept = self.kept.load();
        let keys = kept.iter().flat_map(|kept| kept.keys.iter());
        BYTES_OF_AN_ADDRESS + source.address().len() + keys.map(ClientKeyPart::bytes).sum::<usize>()
    }
}

/// The keys of all addresses, shared by all workers.
pub struct RemoteKeys {
    outgoing: Outgoing,
    clock: Arc<Clock>,
    by_source: Cache<KeySource, Arc<Known>>,
    /// By hash.
    asked: Cache<u64, BootInstant>,
    hasher: RandomState,
}

impl RemoteKeys {
    /// Knows none.
    #[must_use]
    pub fn new(outgoing: Outgoing, clock: Arc<Clock>) -> Self {
        let weigh =
            |source: &KeySource, known: &Arc<Known>| u32::try_from(known.bytes(source)).unwrap_or(u32::MAX);
        // The last come, the last to go: what was fetched a moment ago may not be asked for again.
        let by_source = Cache::builder().max_capacity(MOST_BYTES).weigher(weigh);
        let asked = Cache::builder().max_capacity(MOST_ASKED);
        Self {
            outgoing,
            clock,
            by_source: by_source.eviction_policy(EvictionPolicy::lru()).build(),
            asked: asked.eviction_policy(EvictionPolicy::lru()).build(),
            hasher: RandomState::new(),
        }
    }

    /// The keys of this source, among which is one that will do, if there is any.
    pub(in crate::issue) async fn at(
        self: &Arc<Self>,
        source: &KeySource,
        will_do: impl Fn(&[ClientKeyPart]) -> bool,
    ) -> Result<FetchedKeys, TokenError> {
        let known = self.by_source.get_with_by_ref(source, Arc::default);
        let keys = match known.fresh(self.clock.boot()).filter(|kept| will_do(kept)) {
            Some(kept) => Some(kept),
            None => self.in_turn(&known, source, will_do).await,
        };
        let keys = keys.ok_or(TokenError::KeysUnavailable)?;
        Ok(FetchedKeys { source: source.clone(), keys })
    }

    /// Whoever comes while the keys are fetched finds them fetched.
    async fn in_turn(
        self: &Arc<Self>,
        known: &Arc<Known>,
        source: &KeySource,
        will_do: impl Fn(&[ClientKeyPart]) -> bool,
    ) -> Option<Arc<[ClientKeyPart]>> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&known.turn).lock_owned()).await.ok()?;
        let now = self.clock.boot();
        let asked = self.asked.get(&self.hasher.hash_one(source));
        let may_ask = asked.is_none_or(|asked| now.since(asked) >= APART);
        match known.fresh(now) {
            Some(kept) if !may_ask || will_do(&kept) => Some(kept),
            kept if may_ask => self.fetch(turn, known, source).await.or(kept),
            _ => None,
        }
    }

    /// A task of its own: whoever happened to come first may go away, and those who wait must not lose by that.
    async fn fetch(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        known: &Arc<Known>,
        source: &KeySource,
    ) -> Option<Arc<[ClientKeyPart]>> {
        let (this, known, source) = (Arc::clone(self), Arc::clone(known), source.clone());
        let fetching = actix_web::rt::spawn(async move {
            let since = this.clock.boot();
            this.asked.insert(this.hasher.hash_one(&source), since);
            let keys: Arc<[ClientKeyPart]> = this.ask(&source).await?.into();
            known.kept.store(Some(Arc::new(Kept { since, keys: Arc::clone(&keys) })));
            // It weighs more than before.
            this.by_source.insert(source, known);
            drop(turn);
            Some(keys)
        });
        fetching.await.ok().flatten()
    }

    async fn ask(&self, source: &KeySource) -> Option<Vec<ClientKeyPart>> {
        let published = match source {
            KeySource::Client(uri) => read_fetched(&self.get(source, uri).await?),
            KeySource::Issuer(uri) => read_issuer_keys(&self.get(source, uri).await?),
            KeySource::Discovery(issuer) => {
                let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                match read_jwks_uri(&self.get(source, &document).await?, issuer) {
                    Some(uri) => read_issuer_keys(&self.get(source, &uri).await?),
                    None => None,
                }
            }
        };
        // By its hash: there may be something in an address that is nobody's business.
        let address = CredentialId::of_address(source.address());
        let Some(PublishedKeys { keys, more }) = published else {
            tracing::warn!(%address, "no JWK set is where keys should be");
            return None;
        };
        if more {
            let host = source.host();
            tracing::warn!(%address, host, "a JWK set has more than {MOST_PUBLISHED_KEYS} keys: the first are taken");
        }
        Some(keys)
    }

    async fn get(&self, source: &KeySource, uri: &str) -> Option<Vec<u8>> {
        let fetched = self.outgoing.get(uri).await;
        let outcome = if fetched.is_ok() { "fetched" } else { "failed" };
        metrics::counter!("carnet_client_keys_fetched_total", "outcome" => outcome).increment(1);
        let address = CredentialId::of_address(source.address());
        let fetched = fetched.inspect_err(|error| tracing::warn!(%address, %error, "keys cannot be fetched"));
        if let Err(OutgoingError::Busy) = fetched {
            // Nobody was asked, so somebody may be.
            self.asked.invalidate(&self.hasher.hash_one(source));
        }
        fetched.ok()
    }
}

#[cfg(test)]
mod tests;
