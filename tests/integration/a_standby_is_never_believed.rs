//! What a standby says may have been overtaken; nobody acts on it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_tool, sql_value};

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

    let error = match Server::try_start(config(standby_url, standby_redis, &json!({}))).await {
        Ok(_) => panic!("it started on a standby"),
        Err(error) => error,
    };
    assert!(error.contains("does not allow writes"), "{error}");

    // Its lease is long, and its caches know nothing.
    let proxy = Proxy::before(&scene.database_url);
    let settings = json!({ "lease_seconds": 60, "database_timeout_ms": 500 });
    let instance = Server::start(config(&proxy.database_url, standby_redis, &settings)).await;
    let client = Client::new(&instance.url);
    proxy.lead_to(standby_url);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        client.token(&account.client_id, &account.client_secret, &[]).await.expect(503);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.lead_to(&scene.database_url);
    while client.token(&account.client_id, &account.client_secret, &[]).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the primary is not found again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
