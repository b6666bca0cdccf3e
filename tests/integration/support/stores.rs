//! Real stores: one Postgres and one Redis for the whole run, and a database of its own for each test.
//!
//! A test that stops a store starts stores of its own.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use carnet::config::{Config, RawConfig};
use carnet::dev::{StoreOptions, Stores};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;

/// Any valid master key; tests that need another make one.
pub const MASTER_KEY: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where no Redis is: an instance that has no cache but its own memory.
pub const NO_REDIS: &str = "unix:///nowhere";

static SHARED: LazyLock<OwnStores> = LazyLock::new(|| {
    let stores = OwnStores::start(1);
    clear_up_after_us(stores.directory.path());
    stores
});
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
/// Two copies at once of one template are refused: nobody may be connected to it, not even to copy it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Stores that go when this goes.
pub struct OwnStores {
    pub stores: Stores,
    directory: TempDir,
}

impl OwnStores {
    /// Blocks for some seconds.
    pub fn start(redis_servers: usize) -> Self {
        Self::prepared(redis_servers, |_| ())
    }

    /// The same in a directory in which `prepare` has put a cluster.
    pub fn prepared(redis_servers: usize, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::Builder::new().prefix("carnet-test-").tempdir().expect("a directory");
        prepare(directory.path());
        let options =
            StoreOptions { data_dir: directory.path().to_path_buf(), redis_servers, durable: false };
        let stores = Stores::start(&options).unwrap_or_else(|error| panic!("{error}"));
        Self { stores, directory }
    }

    /// The URL of the empty database that comes with them, migrated.
    pub async fn migrated(&self) -> String {
        migrate(self.stores.database_url()).await;
        self.stores.database_url().to_owned()
    }
}

/// What is static is never dropped, and some gigabytes would stay. A shell waits until this process is gone, by whatever
/// end, for then the pipe closes; and the stores, which go with us, have a moment for it.
fn clear_up_after_us(directory: &Path) {
    let clear_up = r#"cat >/dev/null; sleep 2; rm -rf "$(readlink "$1/sockets")" "$1""#;
    let shell = Command::new("sh")
        .args(["-c", clear_up, "sh"])
        .arg(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    std::mem::forget(shell.expect("a shell").stdin);
}

/// The Redis that tests share: keys carry the tenant's number, so they do not meet.
pub fn redis_url() -> String {
    SHARED.stores.redis_urls()[0].clone()
}

/// A migrated database that nobody else uses.
pub async fn database() -> String {
    let template = TEMPLATE
        .get_or_init(|| async {
            let url = named("carnet_template");
            run_sql(SHARED.stores.database_url(), "CREATE DATABASE carnet_template").await;
            migrate(&url).await;
            "carnet_template".to_owned()
        })
        .await;
    let name = format!("carnet_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let _one = ONE_AT_A_TIME.lock().await;
    run_sql(SHARED.stores.database_url(), &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    named(&name)
}

/// An empty database.
pub async fn empty_database() -> String {
    let name = format!("carnet_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    run_sql(SHARED.stores.database_url(), &format!("CREATE DATABASE {name}")).await;
    named(&name)
}

fn named(database: &str) -> String {
    let url = SHARED.stores.database_url();
    let (server, _) = url.rsplit_once('/').expect("the URL ends with the database's name");
    format!("{server}/{database}")
}

/// Runs statements as the owner of the database.
pub async fn run_sql(database_url: &str, statements: &str) {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Runs a program of Postgres's, from where the server of this URL has its own.
pub async fn run_tool(database_url: &str, tool: &str, arguments: &[&str]) {
    let beside = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let binaries = sql_value(database_url, beside).await.expect("a directory");
    let mut command = Command::new(format!("{binaries}/{tool}"));
    command.args(["-d", database_url]).args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output()).await.expect("it ran");
    let output = run.unwrap_or_else(|error| panic!("{binaries}/{tool}: {error}"));
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The one value of a query, as text.
pub async fn sql_value(database_url: &str, query: &str) -> Option<String> {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let rows = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    rows.into_iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(ToOwned::to_owned)),
        _ => None,
    })?
}

async fn migrate(database_url: &str) {
    let config = config(database_url, NO_REDIS, &serde_json::json!({}));
    let store = carnet::app::store(&config).expect("a store");
    store.migrate().await.expect("the migrations run");
}

/// Settings for a test server; `other` settings win.
pub fn config(database_url: &str, redis_url: &str, other: &serde_json::Value) -> Config {
    let mut values = serde_json::json!({
        "bind": "127.0.0.1:0",
        "health_bind": "127.0.0.1:0",
        "database_url": database_url,
        "redis_url": redis_url,
        "master_keys": MASTER_KEY,
        "database_connections": 12,
        "workers": 2,
        "poll_interval_ms": 100,
    });
    for (name, value) in other.as_object().expect("settings are an object") {
        values[name] = value.clone();
    }
    let raw: RawConfig = serde_json::from_value(values).expect("settings");
    raw.validate().expect("settings that can work")
}
