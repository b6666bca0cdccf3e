//! Postgres, the authority. One file of functions per noun over `sql/queries`.
//!
//! Two pools under two roles, neither of which can bypass row-level security: `tenant` for what
//! administrators do inside one tenant ([`tx`]), `engine` for what moves keys between store and
//! regions. This room knows nothing of Redis, HTTP or leases.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Row;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;

pub mod access_policies;
pub mod api_keys;
pub mod audit;
pub mod caller;
pub mod client_certificates;
pub mod client_keys;
pub mod client_secrets;
pub mod error;
pub mod feed;
pub mod idempotency;
pub mod licenses;
pub mod master_keys;
pub mod may_act;
pub mod migrate;
pub mod operated_regions;
pub mod outcome;
pub mod products;
pub mod quotas;
pub mod receipts;
pub mod records;
pub mod regions;
pub mod revised;
pub mod revoked_tokens;
pub mod roles;
pub mod service_accounts;
pub mod settle;
pub mod signing_keys;
pub mod status_lists;
pub mod tenants;
pub mod trust_rules;
pub mod trusted_issuers;
pub mod tx;
pub mod usage;
pub mod used_once;

mod columns;
mod tls;

pub use error::StoreError;
pub use outcome::{Changed, Inserted};
pub use tx::{Committed, Tx};

/// Values for the placeholders of a query.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Where Postgres is, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `postgresql://…`, the login role a member of `carnet_tenant` and `carnet_engine`.
    pub database_url: SecretString,
    /// A file with the certificates that Postgres's is checked by, beside the system's.
    pub ca_file: Option<std::path::PathBuf>,
    /// Connections of the engine pool.
    pub engine_connections: usize,
    /// Connections of the tenant pool.
    pub tenant_connections: usize,
    /// The longest wait for a connection, and for an answer to one statement.
    pub timeout: Duration,
}

/// The authority.
#[derive(Clone, Debug)]
pub struct Store {
    tenant: Pool,
    engine: Pool,
    options: StoreOptions,
    /// How often connections were forgotten; one that was lent before the last time is not taken back.
    era: Arc<AtomicU64>,
}

/// The longest that a transaction may sit between two statements. Changes commit in order, so one
/// that stalls would stall all.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// How long a connection may be silent before it is taken for dead.
const DEAD: Duration = Duration::from_secs(10);

impl Store {
    /// Prepares both pools; connects to nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] when the URL or the CA file cannot be used.
    pub fn new(options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: pool(&options, "carnet_tenant", options.tenant_connections)?,
            engine: pool(&options, "carnet_engine", options.engine_connections)?,
            options,
            era: Arc::default(),
        })
    }

    /// Closes every connection, those in use as soon as they are not: they may lead to a server that is the
    /// authority no more.
    pub fn forget_connections(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
        for pool in [&self.tenant, &self.engine] {
            pool.retain(|_, _| false);
        }
    }

    /// A connection of the engine's own, outside the pools, for a feed.
    pub(crate) fn engine_config(&self) -> Result<tokio_postgres::Config, StoreError> {
        pg_config(&self.options, Some("carnet_engine"))
    }

    async fn lend(&self, pool: &Pool) -> Result<Lent, StoreError> {
        // Before the pool is asked, so that what it gives was there in this era.
        let taken_in = self.era.load(Ordering::SeqCst);
        Ok(Lent { client: Some(pool.get().await?), taken_in, era: Arc::clone(&self.era) })
    }

    /// One statement as the engine, in a transaction of its own.
    async fn engine_query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let query = async {
            let client = self.lend(&self.engine).await?;
            let statement = client.prepare_cached(sql).await?;
            let rows = client.query(&statement, params).await?;
            client.give_back();
            Ok(rows)
        };
        within(self.options.timeout, query).await
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(StoreError::TimedOut(limit)))
}

/// A connection from a pool. It goes back only when [`Lent::give_back`] says so: one that was dropped in the
/// middle of something (a failure, a time-out, a request that went away) may be dead, or inside a transaction,
/// and is closed instead.
struct Lent {
    client: Option<Object>,
    taken_in: u64,
    era: Arc<AtomicU64>,
}

impl Lent {
    fn give_back(mut self) {
        if self.era.load(Ordering::SeqCst) == self.taken_in {
            drop(self.client.take());
        }
    }
}

impl Deref for Lent {
    type Target = Object;
    fn deref(&self) -> &Object {
        self.client.as_ref().expect("a connection is there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

fn pg_config(options: &StoreOptions, role: Option<&str>) -> Result<tokio_postgres::Config, StoreError> {
    let mut config: tokio_postgres::Config = options
        .database_url
        .expose_secret()
        .parse()
        .map_err(|_| StoreError::Configuration("database_url is not a PostgreSQL URL".to_owned()))?;
    let ms = |d: Duration| d.as_millis();
    // What is asked takes milliseconds; compiling it, where there is much that it will not look at, would take a hundred.
    let mut settings = format!(
        "-c timezone=UTC -c jit=off -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        ms(options.timeout),
        ms(options.timeout),
        ms(IDLE_IN_TRANSACTION),
    );
    if let Some(role) = role {
        settings.push_str(" -c role=");
        settings.push_str(role);
    }
    if let Some(wanted) = config.get_options() {
        settings = format!("{wanted} {settings}");
    }
    config
        .options(settings)
        .application_name("carnet")
        .connect_timeout(options.timeout)
        // Whoever is not the primary is not the authority.
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        // A host that died without a word is noticed in seconds.
        .tcp_user_timeout(DEAD)
        .keepalives_idle(DEAD)
        .keepalives_interval(DEAD / 5)
        .keepalives_retries(3);
    Ok(config)
}

fn pool(options: &StoreOptions, role: &str, connections: usize) -> Result<Pool, StoreError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let tls = tls::connector(options.ca_file.as_deref())?;
    let manager = Manager::from_config(pg_config(options, Some(role))?, tls, recycling);
    let wait = Some(options.timeout);
    Pool::builder(manager)
        .max_size(connections)
        .timeouts(Timeouts { wait, create: wait, recycle: wait })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|e| StoreError::Configuration(e.to_string()))
}
