//! What a standby says may have been overtaken, and what a former primary says has been: nobody acts on it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{NO_REDIS, OwnStores, config, run_sql, run_tool, sql_value};

/// What stands in every look at a record: see `credential_read.sql`.
const READ: &str = "SELECT * FROM authority_now()";

/// A copy of these stores' Postgres, which follows it; with a Redis of its own.
async fn standby_of(own: &OwnStores) -> OwnStores {
    let copy = TempDir::new().expect("a directory");
    let cluster = copy.path().join("cluster");
    let backup = ["-c", "fast", "--no-sync", "-R", "-D", cluster.to_str().expect("a path in UTF-8")];
    run_tool(own.stores.database_url(), "pg_basebackup", &backup).await;
    hand_over(&cluster, &own.stores.data_place().join("postgres"));
    let follow = move || {
        OwnStores::prepared(1, |place| fs::rename(cluster, place.join("postgres")).expect("on one disk"))
    };
    let standby = tokio::task::spawn_blocking(follow).await.expect("it starts");
    let follows = sql_value(standby.stores.database_url(), "SELECT pg_is_in_recovery()").await;
    assert_eq!(follows.as_deref(), Some("t"));
    standby
}

/// Gives a tree to the owner of another.
fn hand_over(tree: &Path, to_owner_of: &Path) {
    let owner = fs::metadata(to_owner_of).expect("a cluster");
    chown(tree, Some(owner.uid()), Some(owner.gid())).expect("ours to give");
    if tree.is_dir() {
        for entry in fs::read_dir(tree).expect("a directory") {
            hand_over(&entry.expect("an entry").path(), to_owner_of);
        }
    }
}

#[tokio::test]
async fn an_instance_that_is_led_to_a_standby_gives_no_tokens_to_cold_clients() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let account = scene.account("cold").await;
    scene.token_of(&account, &[]).await;
    let standby = standby_of(&own).await;
    let (standby_url, standby_redis) = (standby.stores.database_url(), &standby.stores.redis_urls()[0]);

    let started = Server::try_start(config(standby_url, standby_redis, &json!({}))).await;
    assert!(started.is_err(), "it started on a standby");
    // Nor can a connection that has led to a primary and now leads here read a record.
    let (connection, driver) = tokio_postgres::connect(standby_url, NoTls).await.expect("it reads");
    tokio::spawn(driver);
    let read = connection.simple_query(READ).await.expect_err("refused");
    assert!(format!("{read:?}").contains("recovery is in progress"), "{read:?}");

    // Its lease is long, and it has no cache but its own memory.
    let proxy = Proxy::before(&scene.database_url);
    let settings = json!({ "lease_seconds": 60, "database_timeout_ms": 500 });
    let instance = Server::start(config(&proxy.database_url, NO_REDIS, &settings)).await;
    let client = Client::new(&instance.url);
    proxy.lead_to(standby_url);
    proxy.close();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        client.token(&account.client_id, &account.client_secret, &[]).await.expect(503);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.lead_to(&scene.database_url);
    proxy.close();
    while client.token(&account.client_id, &account.client_secret, &[]).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the primary is not found again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a standby that is held back says of an account that was disabled since, over a connection that was made when it
/// might have been the primary: an error, or whether it is enabled.
async fn word_of_a_lagging_standby(before: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    run_sql(&scene.database_url, before).await;
    let account = scene.account("disabled since").await;
    scene.token_of(&account, &[]).await;
    let standby = standby_of(&own).await;
    let url = standby.stores.database_url();
    run_sql(url, "SELECT pg_wal_replay_pause()").await;
    until(url, "SELECT pg_get_wal_replay_pause_state()", "paused").await;
    let disable =
        format!("UPDATE service_account SET enabled = false WHERE client_id = '{}'", account.client_id);
    scene.change_record(&account.client_id, &disable).await;
    scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);

    let (connection, driver) = tokio_postgres::connect(url, NoTls).await.expect("it reads");
    tokio::spawn(driver);
    // As in `credential_read.sql`.
    let read = format!(
        "SELECT r.record->>'enabled' FROM authority_now() n LEFT JOIN credential_record r ON r.credential = '{}'",
        account.client_id,
    );
    let row = connection.query_one(&read, &[]).await?;
    Ok(row.get(0))
}

#[tokio::test]
async fn a_lagging_standby_has_no_say() {
    let refused = word_of_a_lagging_standby("SELECT 1").await.expect_err("refused");
    assert!(format!("{refused:?}").contains("recovery is in progress"), "{refused:?}");
}

/// The twin: a history that a standby can tell as well.
#[tokio::test]
async fn twin_when_a_standby_may_speak_it_says_what_was_so_once() {
    let url = crate::support::stores::database().await;
    let function = sql_value(&url, "SELECT pg_get_functiondef('authority_now'::regproc)").await;
    let function = function.expect("a function");
    let wal = "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer";
    let told = function.replace(wal, "1");
    assert_ne!(told, function);
    let word = word_of_a_lagging_standby(&told).await.expect("an answer");
    assert_eq!(word.as_deref(), Some("true"), "enabled, it says");
}

/// Waits until a query has this answer.
async fn until(database_url: &str, query: &str, answer: &str) {
    let began = Instant::now();
    while sql_value(database_url, query).await.as_deref() != Some(answer) {
        assert!(began.elapsed() < Duration::from_secs(10), "{query}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The standby becomes the primary, and the feed finds it; all else stays with the former one.
async fn promote(former: &str, standby: &str, proxy: &Proxy) {
    let written = sql_value(former, "SELECT pg_current_wal_lsn()").await.expect("a place");
    until(standby, &format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"), "t").await;
    proxy.lead_to(standby);
    run_sql(standby, "SELECT pg_promote()").await;
    let feed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE query LIKE '%AS same_history%' AND pid <> pg_backend_pid()";
    run_sql(former, feed).await;
    until(standby, "SELECT timeline FROM authority", "2").await;
}

#[tokio::test]
async fn after_a_promotion_what_the_former_primary_still_says_is_not_believed() {
    let own = OwnStores::start(1);
    let proxy = Proxy::before(&own.migrated().await);
    let settings = json!({ "lease_seconds": 2 });
    let redis_url = own.stores.redis_urls()[0].clone();
    let scene = Scene::on(proxy.database_url.clone(), redis_url, &settings).await;
    let account = scene.account("disabled later").await;
    scene.token_of(&account, &[]).await;
    let standby = standby_of(&own).await;
    let url = standby.stores.database_url();
    promote(own.stores.database_url(), url, &proxy).await;

    // Another instance, which has never known the former one, disables the account.
    let server = Server::start(config(url, NO_REDIS, &settings)).await;
    let Scene { server: first, client: ask_first, tsg_id, admin, .. } = scene;
    let client = Client::new(&server.url);
    let (database_url, redis_url) = (url.to_owned(), NO_REDIS.to_owned());
    let second = Scene { server, client, database_url, redis_url, tsg_id, admin };
    let path = format!("service-accounts/{}", account.id);
    let etag = second.get(&path).await.header("etag").to_owned();
    let admin = second.admin_token().await;
    let change = second.client.request(Method::PATCH, &second.path(&path)).bearer_auth(&admin);
    let change = change.header("If-Match", etag).json(&json!({ "enabled": false }));
    second.client.send(change).await.expect(200);

    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(ask_first.token(&account.client_id, &account.client_secret, &[]).await.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(first);
    assert!(!answers.contains(&200), "{answers:?}");
    assert_eq!(answers.last(), Some(&401), "{answers:?}");
}
