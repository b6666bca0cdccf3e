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

mod checks;
mod defaults;
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
    client_certificate_proxies: String,
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
    #[serde(default = "limits::address_status_lists_per_minute")]
    address_status_lists_per_minute: u32,
    #[serde(default = "limits::client_failures_per_minute")]
    client_failures_per_minute: u32,
    #[serde(default = "limits::address_failures_per_minute")]
    address_failures_per_minute: u32,
    #[serde(default = "limits::token_per_request_per_minute")]
    token_per_request_per_minute: u32,
    #[serde(default = "limits::usage_flush_seconds")]
    usage_flush_seconds: u64,
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
    /// The networks of proxies whose word is taken for where a client is.
    pub trusted_proxies: Vec<IpNet>,
    /// Those whose word is taken for which certificate a client has shown: whoever they let send `Client-Cert` is any client.
    pub client_certificate_proxies: Vec<IpNet>,
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
    /// How much may be asked.
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
        self.check()?;
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
        let client_certificate_proxies =
            limits::networks("client_certificate_proxies", &self.client_certificate_proxies)?;
        let hosts = self.outgoing_allowed_hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let outgoing_allowed_hosts: Vec<String> = hosts.map(str::to_owned).collect();
        if outgoing_allowed_hosts.iter().any(|host| host.contains(['/', '@', '*'])) {
            return bad("outgoing_allowed_hosts", "must be names of hosts, separated by commas");
        }
        Ok(Config {
            bind: self.bind,
            health_bind: self.health_bind,
            tls,
            client_ca_file: self.client_ca_file,
            trusted_proxies,
            client_certificate_proxies,
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
                address_status_lists: self.address_status_lists_per_minute,
                client_failures: self.client_failures_per_minute,
                address_failures: self.address_failures_per_minute,
            },
            token_per_request_per_minute: self.token_per_request_per_minute,
            usage_flush: Duration::from_secs(self.usage_flush_seconds),
        })
    }
}
