//! Delivered twice: an old event that comes again, behind a newer one, lowers nothing.

use std::time::Duration;

use serde_json::json;

use crate::support::client::Client;
use crate::support::forge::{Fields, Forger};
use crate::support::process::Process;
use crate::support::scene::{Account, Scene};
use crate::support::server::ready;
use crate::support::stores::run_sql;

/// An account that was disabled; then the feed tells again of the version before, twice. And the entry of that one.
async fn told_again() -> (Scene, Account, Forger, Fields) {
    let scene = Scene::new().await;
    let account = scene.account("told again").await;
    scene.token_of(&account, &[]).await;
    let mut forger = Forger::new(&scene, "local", &scene.redis_url).await;
    forger.live(&account).await;
    let before = forger.fields(&account).await;
    let id = &account.client_id;
    let disable = format!("UPDATE service_account SET enabled = false WHERE client_id = '{id}'");
    scene.change_record(id, &disable).await;
    let again = format!(
        "INSERT INTO change (credential, version, kind)
         SELECT credential, version - 1, 'changed'::change_kind FROM credential, generate_series(1, 2)
         WHERE credential = '{id}'"
    );
    run_sql(&scene.database_url, &again).await;
    scene.heard().await;
    while forger.live(&account).await.record.enabled {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (scene, account, forger, before)
}

#[tokio::test]
async fn a_change_that_comes_again_behind_a_newer_one_lowers_no_version() {
    let (scene, account, mut forger, before) = told_again().await;
    let fresh = scene.another_instance(&json!({ "redis_timeout_ms": 5_000 })).await;
    ready(&fresh.health_url).await;
    // One that heard it all as it came, and one that has loaded all of it at once.
    for client in [&scene.client, &Client::new(&fresh.url)] {
        forger.put(&account, &before).await;
        client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);
    }
}

/// The twin: an instance whose floor keeps nothing back.
#[tokio::test]
async fn twin_without_a_floor_the_version_before_is_served() {
    let (scene, account, mut forger, before) = told_again().await;
    let settings = [("CARNET_SABOTAGE", "no_floor"), ("CARNET_REDIS_TIMEOUT_MS", "5000")];
    let stores = (scene.database_url.as_str(), scene.redis_url.as_str());
    let process = Process::serve(stores, &settings, &[]).await;
    let client = Client::new(&process.url);
    forger.put(&account, &before).await;
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}
