//! Settings: raw values from a file, then the environment, then a validated [`Config`].
//!
//! No secret has a working default, every limit has a name and a unit, and a name that nobody knows
//! is an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::{Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

use crate::domain::profile::Profile;
use crate::limits::LimitOptions;

mod limits;

/// Variables of the environment that begin as settings do and are none: those that `carnet dev` gives to
/// *clients*, and those that say how a command runs.
const NO_SETTINGS: [&str; 15] = [
    "CARNET_LOG",
    "CARNET_LOG_FORMAT",
    "CARNET_CONFIG",
    "CARNET_PG_BIN",
    "CARNET_REDIS_BIN",
    "CARNET_DEPS",
    "CARNET_URL",
    "CARNET_URLS",
    "CARNET_TSG_ID",
    "CARNET_CLIENT_ID",
    "CARNET_CLIENT_SECRET",
    "CARNET_REDIS_URLS",
    "CARNET_TLS_URL",
    "CARNET_CA_FILE",
    "CARNET_CLIENT_CERTIFICATE_FILE",
];

/// Settings that cannot work, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable, or a name or type that nobody knows.
    #[error("{0}")]
    Read(#[from] ::config::ConfigError),
    /// A value that cannot be.
    #[error("{setting}: {what}")]
    Value {
        /// The setting, as it is written in the file. In the environment: `CARNET_`, upper case.
        setting: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// The values as they are written. See `carnet.example.toml` for what each does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    database_url: SecretString,
    redis_url: SecretString,
    master_keys: SecretString,
    #[serde(default = "defaults::bind")]
    bind: String,
    health_bind: Option<String>,
    tls_bind: Option<String>,
    tls_certificate_file: Option<PathBuf>,
    tls_key_file: Option<PathBuf>,
    #[serde(default)]
    tls_client_certificates: bool,
    client_ca_file: Option<PathBuf>,
    #[serde(default)]
    trusted_proxies: String,
    #[serde(default)]
    profile: Profile,
    issuer: Option<String>,
    #[serde(default = "defaults::domain")]
    domain: String,
    #[serde(default = "defaults::region")]
    region: String,
    database_ca_file: Option<PathBuf>,
    #[serde(default = "defaults::database_connections")]
    database_connections: usize,
    #[serde(default = "defaults::database_timeout_ms")]
    database_timeout_ms: u64,
    #[serde(default = "defaults::redis_timeout_ms")]
    redis_timeout_ms: u64,
    #[serde(default = "defaults::lease_seconds")]
    lease_seconds: u64,
    #[serde(default = "defaults::poll_interval_ms")]
    poll_interval_ms: u64,
    #[serde(default = "defaults::revoke_wait_seconds")]
    revoke_wait_seconds: u64,
    #[serde(default = "defaults::quarantine_seconds")]
    quarantine_seconds: u64,
    #[serde(default = "defaults::audit_seconds")]
    audit_seconds: u64,
    #[serde(default = "defaults::signing_key_days")]
    signing_key_days: u64,
    #[serde(default = "defaults::floor_limit")]
    floor_limit: usize,
    #[serde(default = "defaults::memory_records")]
    memory_records: u64,
    #[serde(default = "defaults::workers")]
    workers: usize,
    #[serde(default = "defaults::shutdown_seconds")]
    shutdown_seconds: u64,
    #[serde(default = "defaults::event_streams")]
    event_streams: usize,
    #[serde(default = "defaults::event_stream_seconds")]
    event_stream_seconds: u64,
    #[serde(default)]
    outgoing_allowed_hosts: String,
    outgoing_ca_file: Option<PathBuf>,
    #[serde(default = "limits::client_tokens_per_minute")]
    client_tokens_per_minute: u32,
    #[serde(default = "limits::tenant_tokens_per_minute")]
    tenant_tokens_per_minute: u32,
    #[serde(default = "limits::address_requests_per_minute")]
    address_requests_per_minute: u32,
    #[serde(default = "limits::client_failures_per_minute")]
    client_failures_per_minute: u32,
    #[serde(default = "limits::address_failures_per_minute")]
    address_failures_per_minute: u32,
    #[serde(default = "limits::token_per_request_per_minute")]
    token_per_request_per_minute: u32,
    #[serde(default = "limits::usage_flush_seconds")]
    usage_flush_seconds: u64,
}

mod defaults {
    pub(super) fn bind() -> String {
        "127.0.0.1:8080".to_owned()
    }
    pub(super) fn domain() -> String {
        "carnet.local".to_owned()
    }
    pub(super) fn region() -> String {
        "local".to_owned()
    }
    pub(super) fn database_connections() -> usize {
        20
    }
    pub(super) fn database_timeout_ms() -> u64 {
        2_000
    }
    pub(super) fn redis_timeout_ms() -> u64 {
        100
    }
    pub(super) fn lease_seconds() -> u64 {
        30
    }
    pub(super) fn poll_interval_ms() -> u64 {
        200
    }
    pub(super) fn revoke_wait_seconds() -> u64 {
        40
    }
    pub(super) fn quarantine_seconds() -> u64 {
        60
    }
    pub(super) fn audit_seconds() -> u64 {
        600
    }
    pub(super) fn signing_key_days() -> u64 {
        90
    }
    pub(super) fn floor_limit() -> usize {
        100_000
    }
    pub(super) fn memory_records() -> u64 {
        100_000
    }
    pub(super) fn workers() -> usize {
        std::thread::available_parallelism().map_or(2, usize::from)
    }
    pub(super) fn shutdown_seconds() -> u64 {
        10
    }
    pub(super) fn event_streams() -> usize {
        512
    }
    pub(super) fn event_stream_seconds() -> u64 {
        600
    }
}

/// A certificate and its key, and where they are shown.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Address and port; port 0 takes a free one.
    pub bind: String,
    /// PEM, the leaf first.
    pub certificate_file: PathBuf,
    /// PEM, PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
    /// Whether clients are asked for theirs.
    pub client_certificates: bool,
}

/// Validated settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port of the API; port 0 takes a free one.
    pub bind: String,
    /// Address and port of health and metrics, if wanted.
    pub health_bind: Option<String>,
    /// A second listener for the API, encrypted.
    pub tls: Option<Tls>,
    /// Authorities whose certificates name clients.
    pub client_ca_file: Option<PathBuf>,
    /// Proxies that say which certificate a client has shown (RFC 9440).
    pub trusted_proxies: Vec<IpNet>,
    /// What is demanded of clients.
    pub profile: Profile,
    /// The `iss` of tokens: an `https` URL without a trailing slash. Without it, the address that
    /// the server listens on, which only helps on one machine.
    pub issuer: Option<String>,
    /// The end of every `client_id`.
    pub domain: String,
    /// The name of this region.
    pub region: String,
    /// `postgresql://…`
    pub database_url: SecretString,
    /// Certificates for Postgres beside the system's.
    pub database_ca_file: Option<PathBuf>,
    /// Connections to Postgres, all pools together.
    pub database_connections: usize,
    /// The longest wait for Postgres.
    pub database_timeout: Duration,
    /// `redis://…`, `rediss://…` or `unix:///…`
    pub redis_url: SecretString,
    /// The longest wait for Redis.
    pub redis_timeout: Duration,
    /// `<id>:<base64 of 32 bytes>`, separated by commas, the current one first.
    pub master_keys: SecretString,
    /// How long to serve without Postgres.
    pub lease: Duration,
    /// The longest time between two polls of the feed.
    pub poll_interval: Duration,
    /// The longest that a revoke waits before it answers 202.
    pub revoke_wait: Duration,
    /// How long keys wait for a region that is stuck.
    pub quarantine: Duration,
    /// How often caches are compared whole with Postgres.
    pub audit: Duration,
    /// How long a signing key signs before another takes its place.
    pub signing_key: Duration,
    /// How many changes are remembered.
    pub floor_limit: usize,
    /// How many records are kept in memory.
    pub memory_records: u64,
    /// Threads that answer requests.
    pub workers: usize,
    /// How long requests under way are waited for when stopping.
    pub shutdown: Duration,
    /// How many streams of events may be open at once.
    pub event_streams: usize,
    /// How long each of them may be, before its client has to connect again.
    pub event_stream: Duration,
    /// Hosts that may be asked even where they are not public.
    pub outgoing_allowed_hosts: Vec<String>,
    /// Certificates for outgoing requests beside the system's.
    pub outgoing_ca_file: Option<PathBuf>,
    /// How much may be asked of the token endpoint.
    pub limits: LimitOptions,
    /// From how many tokens a minute on, from one address, a client is told that it gets one for each request; 0 for never.
    pub token_per_request_per_minute: u32,
    /// How often uses are written down.
    pub usage_flush: Duration,
}

impl Config {
    /// Reads `file`, if there is one, and then the environment, whose values win.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        // What Kubernetes tells every container about a service of this name is no setting either.
        let service_link =
            |name: &str| name.starts_with("CARNET_PORT") || name.starts_with("CARNET_SERVICE_");
        // What tests take protections away with; any other build does not know the name.
        let sabotage = |name: &str| cfg!(debug_assertions) && name == "CARNET_SABOTAGE";
        let none = |name: &str| NO_SETTINGS.contains(&name) || service_link(name) || sabotage(name);
        let settings = std::env::vars().filter(|(name, _)| !none(name));
        let environment = Environment::with_prefix("CARNET")
            .prefix_separator("_")
            .separator("__")
            .try_parsing(true)
            .source(Some(settings.collect()));
        let mut builder = ::config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let raw: RawConfig = builder.add_source(environment).build()?.try_deserialize()?;
        raw.validate()
    }
}

impl RawConfig {
    /// Checks what a type cannot.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn validate(self) -> Result<Config, ConfigError> {
        let bad = |setting, what: &str| Err(ConfigError::Value { setting, what: what.to_owned() });
        let tls = match (self.tls_bind, self.tls_certificate_file, self.tls_key_file) {
            (None, None, None) => None,
            (Some(bind), Some(certificate_file), Some(key_file)) => {
                let client_certificates = self.tls_client_certificates;
                Some(Tls { bind, certificate_file, key_file, client_certificates })
            }
            _ => return bad("tls_bind", "needs tls_certificate_file and tls_key_file, and they need it"),
        };
        if self.tls_client_certificates && tls.is_none() {
            return bad("tls_client_certificates", "needs tls_bind");
        }
        let trusted_proxies = limits::networks("trusted_proxies", &self.trusted_proxies)?;
        if let Some(issuer) = &self.issuer
            && (!issuer.starts_with("http") || !issuer.contains("://") || issuer.ends_with('/'))
        {
            return bad("issuer", "must be a URL without a trailing slash");
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.is_empty() || self.region.len() > 32 || !self.region.chars().all(plain) {
            return bad("region", "must be 1 to 32 of a-z, 0-9 and '-'");
        }
        if self.domain.is_empty() || !self.domain.chars().all(|c| plain(c) || c == '.') {
            return bad("domain", "must be a domain name in lower case");
        }
        if !(10..=10_000).contains(&self.database_connections) {
            return bad("database_connections", "must be 10 to 10000");
        }
        if !(50..=60_000).contains(&self.database_timeout_ms) {
            return bad("database_timeout_ms", "must be 50 to 60000");
        }
        if !(1..=10_000).contains(&self.redis_timeout_ms) {
            return bad("redis_timeout_ms", "must be 1 to 10000");
        }
        if !(2..=600).contains(&self.lease_seconds) {
            return bad("lease_seconds", "must be 2 to 600");
        }
        if !(10..=5_000).contains(&self.poll_interval_ms)
            || self.poll_interval_ms * 4 > self.lease_seconds * 1_000
        {
            return bad("poll_interval_ms", "must be 10 to 5000, and at most a quarter of the lease");
        }
        if !(self.lease_seconds..=3_600).contains(&self.quarantine_seconds) {
            return bad("quarantine_seconds", "must be at least lease_seconds, and at most 3600");
        }
        if !(1..=86_400).contains(&self.audit_seconds) {
            return bad("audit_seconds", "must be 1 to 86400");
        }
        if !(1..=3_650).contains(&self.signing_key_days) {
            return bad("signing_key_days", "must be 1 to 3650");
        }
        if !(1_000..=10_000_000).contains(&self.floor_limit) {
            return bad("floor_limit", "must be 1000 to 10000000");
        }
        if !(1..=3_600).contains(&self.event_stream_seconds) {
            return bad("event_stream_seconds", "must be 1 to 3600");
        }
        if self.workers == 0 {
            return bad("workers", "must be at least 1");
        }
        let hosts = self.outgoing_allowed_hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let outgoing_allowed_hosts: Vec<String> = hosts.map(str::to_owned).collect();
        if outgoing_allowed_hosts.iter().any(|host| host.contains(['/', '@', '*'])) {
            return bad("outgoing_allowed_hosts", "must be names of hosts, separated by commas");
        }
        let usage_flush = limits::usage_flush(self.usage_flush_seconds)?;
        Ok(Config {
            bind: self.bind,
            health_bind: self.health_bind,
            tls,
            client_ca_file: self.client_ca_file,
            trusted_proxies,
            profile: self.profile,
            issuer: self.issuer,
            domain: self.domain,
            region: self.region,
            database_url: self.database_url,
            database_ca_file: self.database_ca_file,
            database_connections: self.database_connections,
            database_timeout: Duration::from_millis(self.database_timeout_ms),
            redis_url: self.redis_url,
            redis_timeout: Duration::from_millis(self.redis_timeout_ms),
            master_keys: self.master_keys,
            lease: Duration::from_secs(self.lease_seconds),
            poll_interval: Duration::from_millis(self.poll_interval_ms),
            revoke_wait: Duration::from_secs(self.revoke_wait_seconds),
            quarantine: Duration::from_secs(self.quarantine_seconds),
            audit: Duration::from_secs(self.audit_seconds),
            signing_key: Duration::from_hours(24 * self.signing_key_days),
            floor_limit: self.floor_limit,
            memory_records: self.memory_records,
            workers: self.workers,
            shutdown: Duration::from_secs(self.shutdown_seconds),
            event_streams: self.event_streams,
            event_stream: Duration::from_secs(self.event_stream_seconds),
            outgoing_allowed_hosts,
            outgoing_ca_file: self.outgoing_ca_file,
            limits: LimitOptions {
                client: self.client_tokens_per_minute,
                tenant: self.tenant_tokens_per_minute,
                address: self.address_requests_per_minute,
                client_failures: self.client_failures_per_minute,
                address_failures: self.address_failures_per_minute,
            },
            token_per_request_per_minute: self.token_per_request_per_minute,
            usage_flush,
        })
    }
}
