//! The composition root: from settings to a server that runs until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::{Context, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use ring::rand::SystemRandom;
use rustls::ServerConfig;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{Config, Tls};
use crate::http::server::{Listeners, serve, serve_health};
use crate::http::streams::Streams;
use crate::manage::Manage;
use crate::outgoing::Outgoing;
use crate::seal::{MasterKeys, Purpose};
use crate::store::feed::Identity;
use crate::store::tx::Caused;
use crate::store::{Store, StoreError, StoreOptions};
use crate::sync::{Keys, REHASH_QUEUE, Sync, SyncOptions, load_keyring, recognise};
use crate::token::certificate::Authorities;
use crate::token::keyring::KeyringCell;
use crate::usage::flushing::Flushing;

/// How the connections to Postgres are divided, so that no use of them starves another.
#[derive(Clone, Copy, Debug)]
struct Connections {
    /// For the management API.
    tenant: usize,
    /// For records of known callers.
    known: usize,
    /// For what is doubtful: unknown callers, and what is held against known ones.
    doubtful: usize,
    /// For tenants that callers name.
    lineage: usize,
    /// For status lists. One of them is of the reserve.
    lists: usize,
    /// For the warmer, the spread, and what may be used once only.
    reserve: usize,
}

impl Connections {
    fn of(all: usize) -> Self {
        let (doubtful, lineage, reserve) = (2, 1, 3);
        let lists = (all / 6).clamp(1, 3);
        // Ten at least, so that there are two of each.
        let others = all.saturating_sub(doubtful + lineage + reserve + lists - 1);
        let tenant = others / 2;
        Self { tenant, known: others - tenant, doubtful, lineage, lists, reserve }
    }

    fn engine(self) -> usize {
        self.known + self.doubtful + self.lineage + self.reserve + self.lists - 1
    }
}

/// How often what was measured is folded.
const UPKEEP: Duration = Duration::from_secs(5);

pub mod metrics;
mod parts;
mod tls;

use parts::Parts;

/// A built server. It listens already, and will hold a lease soon.
pub struct App {
    server: Server,
    health: Option<Server>,
    sync: Sync,
    flushing: Flushing,
    streams: Arc<Streams>,
    clock: Arc<Clock>,
    manage: Arc<Manage>,
    metrics: PrometheusHandle,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    health_address: Option<SocketAddr>,
    issuer: Arc<str>,
    region: String,
}

/// Master keys as they are configured, separated by commas.
///
/// # Errors
/// When one is malformed.
pub fn master_keys(config: &Config) -> anyhow::Result<MasterKeys> {
    let entries = config.master_keys.expose_secret().split(',').map(str::trim);
    MasterKeys::parse(entries).context("master_keys")
}

/// What a database remembers of master keys, to recognise them by.
#[must_use]
pub fn master_checks(masters: &MasterKeys) -> Vec<String> {
    masters.check_values().into_iter().map(|check| format!("{}:{}", check.id, check.value)).collect()
}

/// The store of these settings.
///
/// # Errors
/// When the URL or a file cannot be used.
pub fn store(config: &Config) -> anyhow::Result<Store> {
    let connections = Connections::of(config.database_connections);
    Ok(Store::new(StoreOptions {
        database_url: config.database_url.clone(),
        ca_file: config.database_ca_file.clone(),
        engine_connections: connections.engine(),
        tenant_connections: connections.tenant,
        timeout: config.database_timeout,
    })?)
}

impl App {
    /// Listens, checks the schema, loads keys and floor, and starts to synchronise. It may be given up at any time:
    /// before it is done nobody waits for this instance.
    ///
    /// # Errors
    /// Whatever makes a start pointless; the message says what to do.
    ///
    /// # Panics
    /// When a Redis URL that was usable is not usable any more.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let (metrics, config) = (metrics::recorder(), Arc::new(config));
        metrics::introduce(&config.region);
        // All of them before anybody hears of this instance: whoever has no address leaves nothing behind.
        let plain = listen("bind", &config.bind)?;
        let tls = config.tls.as_ref().map(listen_encrypted).transpose()?;
        let health = config.health_bind.as_deref().map(|bind| listen("health_bind", bind)).transpose()?;
        let health_address = health.as_ref().map(TcpListener::local_addr).transpose()?;
        let (address, tls_address) =
            (plain.local_addr()?, tls.as_ref().map(|(l, _)| l.local_addr()).transpose()?);
        let issuer: Arc<str> = config.issuer.clone().unwrap_or_else(|| own_url(address, tls_address)).into();

        let store = store(&config)?;
        store.check_schema().await.map_err(advised)?;
        let masters = master_keys(&config)?;
        let checks = master_checks(&masters);
        recognise(&store, &checks).await.map_err(advised)?;
        admit_products(&store, &config).await?;
        let signing_sealer = Arc::new(masters.sealer(Purpose::SigningKey));
        let keyring = load_keyring(&store, &signing_sealer).await.map_err(advised)?;
        let keyring = Arc::new(KeyringCell::new(keyring));
        let (issued_by, kept) = (Arc::clone(&issuer), Arc::clone(&keyring));
        let (rehash, proved) = mpsc::channel(REHASH_QUEUE);
        let outgoing = Outgoing::new(&config.outgoing_allowed_hosts, config.outgoing_ca_file.as_deref())?;
        let mut parts =
            Parts::new(Arc::clone(&config), issued_by, store.clone(), kept, masters, rehash, outgoing);
        let authorities = config.client_ca_file.as_deref().map(Authorities::of_file).transpose();
        parts.authorities = authorities.context("client_ca_file")?;

        // For many entries at once, which nobody waits for.
        let region = parts.region(10).context("redis_url")?;
        let (knowledge, place) = (Arc::clone(&parts.knowledge), Arc::clone(&parts.place));
        let options = sync_options(&config);
        let keys = Keys { keyring, sealer: signing_sealer, master_checks: checks, proved };
        let started = Sync::start(store.clone(), knowledge, place, region, options, keys).await;
        // Nothing is waited for from here on.
        let sync = started.map_err(advised)?;

        let manage = Arc::new(parts.manage(sync.spread()));
        let worker = {
            let (parts, manage) = (parts.clone(), Arc::clone(&manage));
            move || {
                let region = parts.region(1).expect("a Redis URL that was usable is usable");
                parts.worker(region, Arc::clone(&manage))
            }
        };
        let flushing = parts.flush();
        let server = serve(Listeners { plain, tls }, config.workers, config.shutdown, worker)?;
        let healthy = |listener| {
            let (knowledge, region) = (Arc::clone(&parts.knowledge), config.region.clone());
            serve_health(listener, knowledge, region, metrics.clone())
        };
        let health = health.map(healthy).transpose()?;
        let (clock, streams, region) = (parts.clock, parts.streams, config.region.clone());
        Ok(Self {
            server,
            health,
            sync,
            flushing,
            streams,
            clock,
            manage,
            metrics,
            address,
            tls_address,
            health_address,
            issuer,
            region,
        })
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

    /// The region that it serves.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
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

    /// Waits for its first lease, and not for long: without one it serves all the same.
    pub async fn first_lease(&self) {
        self.sync.first_lease().await;
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
        let broken = tokio::select! {
            () = shutdown => false,
            () = self.sync.broken() => true,
            never = upkeep(self.metrics) => never,
        };
        // What does not end by itself is not waited for.
        self.streams.close();
        handle.stop(true).await;
        running.await??;
        self.flushing.stop().await;
        self.sync.stop().await;
        if let (Some(health), Some(running)) = (health, health_running) {
            health.stop(false).await;
            running.await??;
        }
        ensure!(!broken, "a task of the synchronisation ended by itself");
        Ok(())
    }
}

/// Whether every product may be signed for under the profile that is set.
async fn admit_products(store: &Store, config: &Config) -> anyhow::Result<()> {
    let algorithms = store.list_product_algorithms().await.map_err(advised)?;
    let refused =
        algorithms.into_iter().filter(|(_, algorithm)| !config.profile.allows_signature(*algorithm));
    let names: Vec<String> = refused.map(|(product, _)| product).collect();
    ensure!(
        names.is_empty(),
        "profile: FAPI 2.0 forbids RS256, which tokens of {} are signed with: set product.algorithm to ES256 or EdDSA, and see \
         that their verifiers take it",
        names.join(", ")
    );
    Ok(())
}

/// Says what to do where a start fails because Postgres is away.
fn advised<E: Caused + std::error::Error + Send + std::marker::Sync + 'static>(error: E) -> anyhow::Error {
    let away = error.store_error().is_some_and(StoreError::is_outage);
    let error = anyhow::Error::new(error);
    if away {
        error.context(
            "a start needs the primary of Postgres: check database_url, and that it can be reached from here",
        )
    } else {
        error
    }
}

fn sync_options(config: &Config) -> SyncOptions {
    SyncOptions {
        who: Identity { instance: Uuid::from_bytes(random_bytes()), region: config.region.clone() },
        lease: config.lease,
        poll_interval: config.poll_interval,
        floor_limit: config.floor_limit,
        quarantine: config.quarantine,
        audit: config.audit,
        signing_key: config.signing_key,
    }
}

fn random_bytes() -> [u8; 16] {
    let random = ring::rand::generate::<[u8; 16]>(&SystemRandom::new());
    random.expect("the system's randomness is there at start").expose()
}

/// `setting` is the one that `bind` comes from.
fn listen(setting: &str, bind: &str) -> anyhow::Result<TcpListener> {
    let refused =
        || format!("cannot listen on {bind}: set {setting} to an address of this machine that is free");
    let listener = TcpListener::bind(bind).with_context(refused)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn listen_encrypted(tls: &Tls) -> anyhow::Result<(TcpListener, ServerConfig)> {
    let config = tls::server_config(tls)?;
    Ok((listen("tls_bind", &tls.bind)?, config))
}

fn own_url(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    tls.map_or_else(|| format!("http://{plain}"), |tls| format!("https://{tls}"))
}

/// What the recorder's histograms hold is folded now and then; unread, it would only grow.
async fn upkeep(metrics: PrometheusHandle) -> ! {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_connections_of_its_own_however_few_there_are() {
        for all in 10..100 {
            let divided = Connections::of(all);
            assert_eq!(divided.tenant + divided.engine(), all);
            assert!(divided.tenant >= 2 && divided.known >= 2, "{divided:?}");
        }
    }
}
