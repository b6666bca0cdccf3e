//! The composition root: from settings to a server that runs until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use actix_web::dev::Server;
use anyhow::{Context, ensure};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ring::rand::SystemRandom;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Config, Tls};
use crate::directory::flights::Flights;
use crate::directory::{Directory, Knowledge};
use crate::http::server::{Listeners, Worker, serve, serve_health};
use crate::issue::TokenIssuer;
use crate::manage::Manage;
use crate::region::{Place, PlaceCell, Region};
use crate::seal::{MasterKeys, Purpose};
use crate::store::feed::Identity;
use crate::store::{Store, StoreOptions};
use crate::sync::{Sync, SyncOptions, load_keyring};
use crate::token::accepted::AcceptedTokens;
use crate::token::keyring::KeyringCell;
use crate::verify::Verifier;

/// Of the connections to Postgres, this many in a hundred are for the management API.
const TENANT_SHARE: usize = 40;
/// How many questions about unknown callers may be under way at once.
const DOUBTFUL_QUESTIONS: usize = 2;
/// Connections of the engine that no request may take: for the warmer and the spread.
const ENGINE_RESERVE: usize = 2;

/// A built server. It listens already, and holds a lease or will soon.
pub struct App {
    server: Server,
    health: Option<Server>,
    sync: Sync,
    clock: Arc<Clock>,
    manage: Arc<Manage>,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    health_address: Option<SocketAddr>,
    issuer: Arc<str>,
}

/// Master keys as they are configured, separated by commas.
///
/// # Errors
/// When one is malformed.
pub fn master_keys(config: &Config) -> anyhow::Result<MasterKeys> {
    let entries = config.master_keys.expose_secret().split(',').map(str::trim);
    MasterKeys::parse(entries).context("master_keys")
}

/// The store of these settings.
///
/// # Errors
/// When the URL or a file cannot be used.
pub fn store(config: &Config) -> anyhow::Result<Store> {
    let tenant = (config.database_connections * TENANT_SHARE / 100).max(2);
    Ok(Store::new(StoreOptions {
        database_url: config.database_url.clone(),
        ca_file: config.database_ca_file.clone(),
        engine_connections: config.database_connections - tenant,
        tenant_connections: tenant,
        timeout: config.database_timeout,
    })?)
}

impl App {
    /// Listens, checks the schema, loads keys and floor, and starts to synchronise.
    ///
    /// # Errors
    /// Whatever makes a start pointless; the message says what to do.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let metrics = recorder()?;
        let plain = listen(&config.bind)?;
        let tls = config.tls.as_ref().map(listen_encrypted).transpose()?;
        let (address, tls_address) =
            (plain.local_addr()?, tls.as_ref().map(|(l, _)| l.local_addr()).transpose()?);
        let issuer: Arc<str> = config.issuer.clone().unwrap_or_else(|| own_url(address, tls_address)).into();

        let store = store(&config)?;
        store.check_schema().await?;
        let masters = master_keys(&config)?;
        let signing_sealer = Arc::new(masters.sealer(Purpose::SigningKey));
        let keyring = load_keyring(&store, &signing_sealer).await?;
        let keyring = Arc::new(KeyringCell::new(keyring));

        let clock = Arc::new(Clock::default());
        let knowledge = Arc::new(Knowledge::new(Arc::clone(&clock), config.memory_records));
        let place = Arc::new(PlaceCell::new(Place::new(&config.region, "", 0)));
        let entry_sealer = Arc::new(masters.sealer(Purpose::CacheEntry));
        let region = {
            let (url, timeout) = (config.redis_url.clone(), config.redis_timeout);
            let (place, clock) = (Arc::clone(&place), Arc::clone(&clock));
            move || {
                let (sealer, place, clock) =
                    (Arc::clone(&entry_sealer), Arc::clone(&place), Arc::clone(&clock));
                Region::new(url.expose_secret(), timeout, sealer, place, clock)
            }
        };
        let sync = Sync::start(
            store.clone(),
            Arc::clone(&knowledge),
            place,
            region().context("redis_url")?,
            sync_options(&config),
            masters.check_values().into_iter().map(|c| format!("{}:{}", c.id, c.value)).collect(),
        )
        .await?;
        sync.keep_keyring(store.clone(), signing_sealer, Arc::clone(&keyring));

        let pepper = Arc::new(masters.pepper());
        let manage = Arc::new(Manage {
            store: store.clone(),
            spread: sync.spread(),
            keys: Arc::new(masters),
            rng: Arc::new(SystemRandom::new()),
            issuer: issuer.to_string(),
            domain: config.domain.clone(),
            revoke_wait: config.revoke_wait,
        });
        let engine = config.database_connections - (config.database_connections * TENANT_SHARE / 100).max(2);
        let known = engine - DOUBTFUL_QUESTIONS - ENGINE_RESERVE;
        let flights = Arc::new(Flights::new(known, DOUBTFUL_QUESTIONS, config.database_timeout));
        let accepted = Arc::new(AcceptedTokens::new());
        let worker = {
            let (knowledge, issuer, manage) =
                (Arc::clone(&knowledge), Arc::clone(&issuer), Arc::clone(&manage));
            move || {
                // The URL was good for the warmer's connection a moment ago.
                let region = region().expect("a Redis URL that was usable is usable");
                let directory =
                    Directory::new(Arc::clone(&knowledge), Arc::clone(&flights), region, store.clone());
                Worker {
                    issuer: TokenIssuer {
                        directory: directory.clone(),
                        keyring: Arc::clone(&keyring),
                        pepper: Arc::clone(&pepper),
                        issuer: Arc::clone(&issuer),
                        random: SystemRandom::new(),
                    },
                    verifier: Verifier {
                        directory,
                        keyring: Arc::clone(&keyring),
                        accepted: Arc::clone(&accepted),
                        issuer: Arc::clone(&issuer),
                    },
                    manage: Arc::clone(&manage),
                }
            }
        };
        let server = serve(Listeners { plain, tls }, config.workers, config.shutdown, worker)?;
        let (health, health_address) = match &config.health_bind {
            None => (None, None),
            Some(bind) => {
                let listener = listen(bind)?;
                let address = listener.local_addr()?;
                (Some(serve_health(listener, knowledge, metrics)?), Some(address))
            }
        };
        Ok(Self { server, health, sync, clock, manage, address, tls_address, health_address, issuer })
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of the API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where the API listens encrypted.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where health and metrics are.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health_address
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The clock that leases are counted on.
    #[must_use]
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// The use cases, for those who need no HTTP: the demo tenant, tests.
    #[must_use]
    pub fn manage(&self) -> &Manage {
        &self.manage
    }

    /// Serves until `shutdown` resolves; then finishes what is under way, and gives the lease back.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let handle = self.server.handle();
        let health = self.health.as_ref().map(Server::handle);
        let health_running = self.health.map(actix_web::rt::spawn);
        let running = actix_web::rt::spawn(self.server);
        shutdown.await;
        handle.stop(true).await;
        running.await??;
        self.sync.stop().await;
        if let (Some(health), Some(running)) = (health, health_running) {
            health.stop(false).await;
            running.await??;
        }
        Ok(())
    }
}

fn sync_options(config: &Config) -> SyncOptions {
    SyncOptions {
        who: Identity { instance: Uuid::from_bytes(random_bytes()), region: config.region.clone() },
        lease: config.lease,
        poll_interval: config.poll_interval,
        floor_limit: config.floor_limit,
    }
}

fn random_bytes() -> [u8; 16] {
    let random = ring::rand::generate::<[u8; 16]>(&SystemRandom::new());
    random.expect("the system's randomness is there at start").expose()
}

fn listen(bind: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(bind).with_context(|| format!("cannot listen on {bind}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn listen_encrypted(tls: &Tls) -> anyhow::Result<(TcpListener, ServerConfig)> {
    let unreadable = |file: &PathBuf| format!("cannot read {}", file.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&tls.certificate_file)
        .and_then(Iterator::collect)
        .with_context(|| unreadable(&tls.certificate_file))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate", tls.certificate_file.display());
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).with_context(|| unreadable(&tls.key_file))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok((listen(&tls.bind)?, config))
}

fn own_url(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    tls.map_or_else(|| format!("http://{plain}"), |tls| format!("https://{tls}"))
}

/// The one recorder of the process: several servers in one process share it.
fn recorder() -> anyhow::Result<PrometheusHandle> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = RECORDER.get_or_init(|| recorder.handle()).clone();
    // Another thread may have been faster; its recorder counts then.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("a recorder of metrics was set already");
    }
    Ok(handle)
}
