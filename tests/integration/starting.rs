//! A start that cannot work is refused, in one line that says what to do.

use std::net::TcpListener;
use std::time::Duration;

use carnet::app;
use carnet::manage::bootstrap::bootstrap;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_postgres::NoTls;

use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{config, database, empty_database, redis_url, run_sql, sql_value};

/// The longest that a start may take to get somewhere.
const PATIENCE: Duration = Duration::from_secs(20);

async fn refusal(database_url: &str, settings: serde_json::Value) -> String {
    match Server::try_start(config(database_url, &redis_url(), &settings)).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_refused() {
    let error = refusal(&empty_database().await, json!({})).await;
    assert!(error.contains("version 0") && error.contains("carnet migrate"), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = database().await;
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'later', '2026-11-22T00:00:00Z', '1')";
    run_sql(&url, newer).await;
    let error = refusal(&url, json!({})).await;
    assert!(error.contains("9999") && error.contains("newer program"), "{error}");
}

#[tokio::test]
async fn somebody_else_s_schema_is_refused() {
    let url = database().await;
    run_sql(&url, "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2").await;
    let error = refusal(&url, json!({})).await;
    assert!(error.contains("migration 2"), "{error}");
}

#[tokio::test]
async fn migrating_twice_and_by_two_at_once_is_migrating_once() {
    let url = empty_database().await;
    let store = app::store(&config(&url, &redis_url(), &json!({}))).expect("a store");
    let (one, other) = tokio::join!(store.migrate(), store.migrate());
    let ran = [one, other].map(|report| report.expect("migrated").applied_migrations().len());
    let count = sql_value(&url, "SELECT count(*) FROM refinery_schema_history").await;
    assert_eq!(count, Some(ran.iter().sum::<usize>().to_string()), "each migration ran once");
    assert!(store.migrate().await.expect("again").applied_migrations().is_empty());
}

#[tokio::test]
async fn other_master_keys_are_refused_and_a_new_one_before_the_old_is_not() {
    let scene = Scene::new().await;
    let other = "test:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    // The signing keys do not open, before anything else could go wrong.
    let error = refusal(&scene.database_url, json!({ "master_keys": other })).await;
    assert!(error.contains("signing key") || error.contains("master keys"), "{error}");

    let rotated = format!("{},{}", other.replace("test:", "new:"), crate::support::stores::MASTER_KEY);
    let second = scene.another_instance(&json!({ "master_keys": rotated })).await;
    let client = crate::support::client::Client::new(&second.url);
    client.token(&scene.admin.client_id, &scene.admin.client_secret, &[]).await.expect(200);
}

#[tokio::test]
async fn a_database_that_forgets_in_a_crash_is_refused() {
    let url = database().await;
    let set = |value: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = {value}',
             current_database()); END $$"
        )
    };
    run_sql(&url, &set("off")).await;
    let error = refusal(&url, json!({})).await;
    assert!(error.contains("synchronous_commit is off"), "{error}");
    run_sql(&url, &set("on")).await;
    drop(Server::start(config(&url, &redis_url(), &json!({}))).await);
}

/// It would not serve, and every revoke would wait for its lease to end.
#[tokio::test]
async fn an_address_that_is_taken_names_itself_and_no_instance_is_left_behind() {
    let url = database().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for setting in ["bind", "health_bind"] {
        let error = refusal(&url, json!({ setting: address })).await;
        let instances = sql_value(&url, "SELECT count(*) FROM instance").await;
        assert_eq!(instances.as_deref(), Some("0"), "{setting}");
        assert!(error.contains(&address) && error.contains(&format!("set {setting} ")), "{error}");
    }
}

/// Says nothing to whoever connects, and tells when somebody has.
async fn silent() -> (String, impl Future<Output = TcpStream>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (address, async move { listener.accept().await.expect("a connection").0 })
}

#[tokio::test]
async fn a_postgres_that_hangs_is_waited_for_in_vain_for_a_while_and_named() {
    let (address, _connected) = silent().await;
    let error = refusal(&format!("postgresql://x@{address}/x"), json!({ "database_timeout_ms": 300 })).await;
    assert!(error.contains("check database_url") && error.contains("within 300ms"), "{error}");
}

/// Starts a server on these stores and asks it to end when `hangs` says that it waits for one of them.
async fn asked_to_end_while_it_waits(stores: (&str, &str), hangs: impl Future) {
    let patient = [("CARNET_DATABASE_TIMEOUT_MS", "30000"), ("CARNET_REDIS_TIMEOUT_MS", "10000")];
    let mut process = Process::begin(stores, &patient, &[]);
    let _hangs = tokio::time::timeout(PATIENCE, hangs).await.expect("it does not get so far");
    let ended = process.ends(Signal::TERM, Duration::from_secs(2)).await.expect("it goes on waiting");
    assert!(ended.success(), "{ended}: {:?}", process.lines(""));
}

#[tokio::test]
async fn whoever_is_asked_to_end_does_not_wait_for_a_postgres_that_hangs() {
    let (address, connected) = silent().await;
    asked_to_end_while_it_waits((&format!("postgresql://x@{address}/x"), &redis_url()), connected).await;
}

#[tokio::test]
async fn whoever_is_asked_to_end_does_not_wait_for_a_redis_that_hangs() {
    let (address, connected) = silent().await;
    asked_to_end_while_it_waits((&database().await, &format!("redis://{address}")), connected).await;
}

#[tokio::test]
async fn whoever_is_asked_to_end_while_it_loads_leaves_no_lease_behind() {
    let url = database().await;
    // It has registered when it waits for this.
    let (other, connection) = tokio_postgres::connect(&url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    other.batch_execute("BEGIN; LOCK TABLE credential IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let registered = async {
        while sql_value(&url, "SELECT count(*) FROM instance").await.as_deref() != Some("1") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    asked_to_end_while_it_waits((&url, &redis_url()), registered).await;
    other.batch_execute("COMMIT").await.expect("unlocked");
    let leases = "SELECT count(*) FROM instance WHERE lease_until > clock_timestamp()";
    assert_eq!(sql_value(&url, leases).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn settings_that_cannot_work_name_themselves() {
    for (setting, value) in [
        ("issuer", json!("https://id.example/")),
        ("region", json!("EU West")),
        ("lease_seconds", json!(1)),
        ("audit_seconds", json!(0)),
        ("database_connections", json!(9)),
        ("redis_timeout_ms", json!(60_001)),
        ("quarantine_seconds", json!(29)),
        ("usage_flush_seconds", json!(61)),
        ("trusted_proxies", json!("proxy.example")),
        ("poll_interval_ms", json!(60_000)),
        ("tls_bind", json!("127.0.0.1:0")),
    ] {
        let mut values = json!({ "database_url": "x", "redis_url": "x", "master_keys": "x" });
        values[setting] = value;
        let raw: carnet::config::RawConfig = serde_json::from_value(values).expect("known settings");
        let error = raw.validate().expect_err(setting).to_string();
        assert!(error.starts_with(setting), "{error}");
    }
    let unknown = json!({ "database_url": "x", "redis_url": "x", "master_keys": "x", "lease_secs": 3 });
    let error = serde_json::from_value::<carnet::config::RawConfig>(unknown).expect_err("unknown");
    assert!(error.to_string().contains("lease_secs"), "{error}");
}

#[tokio::test]
async fn two_first_starts_at_once_agree_on_the_signing_keys() {
    let url = database().await;
    let settings = config(&url, &redis_url(), &json!({}));
    let (one, other) = tokio::join!(Server::start(settings.clone()), Server::start(settings));
    let jwks = |server: &Server| {
        let url = format!("{}/.well-known/jwks.json", server.url);
        async move { reqwest::get(url).await.expect("an answer").text().await.expect("text") }
    };
    let (first, second) = tokio::join!(jwks(&one), jwks(&other));
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_first_tenant_is_named_by_the_rule_of_all_tenants() {
    let url = database().await;
    let settings = config(&url, &redis_url(), &json!({}));
    let (store, masters) =
        (app::store(&settings).expect("a store"), app::master_keys(&settings).expect("keys"));
    for name in ["", " Acme", "Ac\u{200b}me", "Acme\n"] {
        let refused = bootstrap(&store, &masters.pepper(), &settings.domain, name).await;
        let error = refused.err().expect("a refusal").to_string();
        assert!(error.starts_with("the name of a tenant"), "{error}");
    }
    assert_eq!(sql_value(&url, "SELECT count(*) FROM tenant").await.as_deref(), Some("0"));
}
