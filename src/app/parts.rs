//! What all workers of a server share, and how one worker's own is made from it.

use std::sync::Arc;

use ring::rand::SystemRandom;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Connections, random_bytes};
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::flights::Flights;
use crate::directory::{Directory, Knowledge};
use crate::http::client_address::TrustedProxies;
use crate::http::client_certificate::CertificateProxies;
use crate::http::server::Worker;
use crate::http::streams::Streams;
use crate::issue::{RemoteKeys, TokenIssuer};
use crate::limits::Limits;
use crate::manage::Manage;
use crate::once::Once;
use crate::outgoing::Outgoing;
use crate::region::{Place, PlaceCell, Region, RegionError};
use crate::seal::{MasterKeys, Pepper, Purpose, Sealer};
use crate::store::Store;
use crate::store::master_keys::Rehashed;
use crate::sync::Spread;
use crate::token::accepted::AcceptedTokens;
use crate::token::certificate::Authorities;
use crate::token::discovery::Offer;
use crate::token::dpop::Proofs;
use crate::token::keyring::KeyringCell;
use crate::usage::Usage;
use crate::usage::flushing::Flushing;
use crate::verify::{KeyJudge, StatusLists, Verifier};

/// Shared by all workers; each of them clones it and makes its own connection to Redis.
#[derive(Clone)]
pub(super) struct Parts {
    config: Arc<Config>,
    issuer: Arc<str>,
    store: Store,
    keyring: Arc<KeyringCell>,
    masters: Arc<MasterKeys>,
    pepper: Arc<Pepper>,
    entry_sealer: Arc<Sealer>,
    rehash: mpsc::Sender<Rehashed>,
    accepted: Arc<AcceptedTokens>,
    status_lists: Arc<StatusLists>,
    flights: Arc<Flights>,
    outgoing: Outgoing,
    remote_keys: Arc<RemoteKeys>,
    once: Arc<Once>,
    proofs: Arc<Proofs>,
    /// Whose certificates name clients; nobody's until it is set.
    pub authorities: Option<Authorities>,
    limits: Arc<Limits>,
    usage: Arc<Usage>,
    key_judge: Arc<KeyJudge>,
    pub clock: Arc<Clock>,
    pub knowledge: Arc<Knowledge>,
    pub place: Arc<PlaceCell>,
    pub streams: Arc<Streams>,
}

impl Parts {
    pub fn new(
        config: Arc<Config>,
        issuer: Arc<str>,
        store: Store,
        keyring: Arc<KeyringCell>,
        masters: MasterKeys,
        rehash: mpsc::Sender<Rehashed>,
        outgoing: Outgoing,
    ) -> Self {
        let clock = Arc::new(Clock::default());
        let connections = Connections::of(config.database_connections);
        let flights = Flights::new(
            connections.known,
            connections.doubtful,
            connections.lineage,
            config.database_timeout,
        );
        let pepper = Arc::new(masters.pepper());
        let usage = Arc::new(Usage::new(config.token_per_request_per_minute, &clock));
        let key_judge = KeyJudge {
            pepper: Arc::clone(&pepper),
            sealer: masters.sealer(Purpose::KeySecret),
            usage: Arc::clone(&usage),
        };
        Self {
            proofs: Arc::new(Proofs::new(masters.nonces(), &issuer)),
            authorities: None,
            issuer,
            keyring,
            pepper,
            key_judge: Arc::new(key_judge),
            entry_sealer: Arc::new(masters.sealer(Purpose::CacheEntry)),
            masters: Arc::new(masters),
            rehash,
            accepted: Arc::default(),
            status_lists: Arc::new(StatusLists::new(config.profile.own_algorithm(), connections.lists)),
            flights: Arc::new(flights),
            remote_keys: Arc::new(RemoteKeys::new(outgoing.clone(), Arc::clone(&clock))),
            once: Arc::new(Once::new(store.clone())),
            limits: Arc::new(Limits::new(&config.limits, &clock)),
            usage,
            outgoing,
            knowledge: Arc::new(Knowledge::new(Arc::clone(&clock), config.memory_records)),
            clock,
            store,
            streams: Arc::new(Streams::new(config.event_streams, config.event_stream, config.region.clone())),
            place: Arc::new(PlaceCell::new(Place::nowhere(&config.region))),
            config,
        }
    }

    /// A connection to Redis for the thread that first uses it, with so many times the patience.
    pub fn region(&self, patience: u32) -> Result<Region, RegionError> {
        let url = self.config.redis_url.expose_secret();
        let (sealer, place) = (Arc::clone(&self.entry_sealer), Arc::clone(&self.place));
        Region::new(url, self.config.redis_timeout * patience, sealer, place, Arc::clone(&self.clock))
    }

    pub fn manage(&self, spread: Spread) -> Manage {
        Manage {
            store: self.store.clone(),
            spread,
            keys: Arc::clone(&self.masters),
            rng: Arc::new(SystemRandom::new()),
            issuer: self.issuer.to_string(),
            outgoing: self.outgoing.clone(),
            domain: self.config.domain.clone(),
            revoke_wait: self.config.revoke_wait,
        }
    }

    /// Begins to write down what is noted.
    pub fn flush(&self) -> Flushing {
        let (usage, limits) = (Arc::clone(&self.usage), Arc::clone(&self.limits));
        let instance = Uuid::from_bytes(random_bytes());
        Flushing::start(usage, limits, self.store.clone(), instance, self.config.usage_flush)
    }

    /// What one worker answers with; its connection to Redis is `region`.
    pub fn worker(&self, region: Region, manage: Arc<Manage>) -> Worker {
        let (knowledge, flights) = (Arc::clone(&self.knowledge), Arc::clone(&self.flights));
        let directory = Directory::new(knowledge, flights, region, self.store.clone());
        let verifier = Verifier {
            directory: directory.clone(),
            keyring: Arc::clone(&self.keyring),
            accepted: Arc::clone(&self.accepted),
            issuer: Arc::clone(&self.issuer),
            proofs: Arc::clone(&self.proofs),
            once: Arc::clone(&self.once),
            status_lists: Arc::clone(&self.status_lists),
            keys: Arc::clone(&self.key_judge),
        };
        let issuer = TokenIssuer {
            directory,
            keyring: Arc::clone(&self.keyring),
            pepper: Arc::clone(&self.pepper),
            rehash: self.rehash.clone(),
            remote_keys: Arc::clone(&self.remote_keys),
            once: Arc::clone(&self.once),
            limits: Arc::clone(&self.limits),
            usage: Arc::clone(&self.usage),
            issuer: Arc::clone(&self.issuer),
            authorities: self.authorities.clone(),
            proofs: Arc::clone(&self.proofs),
            offer: self.offer(),
            verifier: verifier.clone(),
            random: SystemRandom::new(),
        };
        let proxies = TrustedProxies(self.config.trusted_proxies.clone());
        let certificate_proxies = CertificateProxies(self.config.client_certificate_proxies.clone());
        let (limits, streams) = (Arc::clone(&self.limits), Arc::clone(&self.streams));
        Worker { limits, issuer, verifier, manage, streams, proxies, certificate_proxies }
    }

    /// What is served by these settings.
    fn offer(&self) -> Offer {
        let Config { profile, tls, client_certificate_proxies, .. } = &*self.config;
        let asked = tls.as_ref().is_some_and(|tls| tls.client_certificates);
        Offer {
            profile: *profile,
            certificates: asked || !client_certificate_proxies.is_empty(),
            authorities: self.authorities.is_some(),
        }
    }
}
