//! A poison row: a record that no program can read. It is skipped and told of; it is nobody else's fault.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::client::Client;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_sql, sql_value};

/// More than are looked after in one round.
const ROWS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(20);

/// Accounts with a pending secret, among whose products is one without a name.
fn poison(tsg_id: &str) -> String {
    let name = format!("'poison-' || n || '@{tsg_id}.iam.carnet.local'");
    let rows = format!("FROM generate_series(1, {ROWS}) n");
    format!(
        "INSERT INTO credential (credential, tsg_id) SELECT {name}, '{tsg_id}' {rows};
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), '{tsg_id}', 'poison', {name}, 'a test' {rows};
         INSERT INTO client_secret (credential_id, tsg_id, service_account_id, credential, name, pepper, hash)
         SELECT lpad(n::text, 16, '0'), '{tsg_id}', a.id, a.client_id, 'poison', 'test', sha256(n::text::bytea)
         {rows} JOIN service_account a ON a.client_id = {name};
         INSERT INTO access_policy (id, tsg_id, principal, role_id, products, target_tsg_id)
         SELECT gen_random_uuid(), '{tsg_id}', {name}, '00000000-0000-7000-8000-000000000001',
                ARRAY[NULL]::text[], '{tsg_id}' {rows};
         SELECT append_changes(ARRAY(SELECT {name} {rows}))"
    )
}

const MARKED: &str = "SELECT count(*) FROM credential WHERE poisoned_version = version";

async fn until(database_url: &str, query: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let now = sql_value(database_url, query).await;
        if now.as_deref() == Some(wanted) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{query}: {now:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn second_region(scene: &Scene, own: &OwnStores) -> Server {
    let settings = json!({ "region": "eu", "lease_seconds": 2, "quarantine_seconds": 3 });
    Server::start(config(&scene.database_url, &own.stores.redis_urls()[0], &settings)).await
}

const STATES: &str = "SELECT string_agg(region || ' ' || state, ', ' ORDER BY region) FROM region";

#[tokio::test]
async fn rows_that_cannot_be_read_are_skipped_and_hold_up_nobody() {
    let own = OwnStores::start(1);
    let scene =
        Scene::with(&json!({ "lease_seconds": 2, "quarantine_seconds": 3, "audit_seconds": 2 })).await;
    let _eu = second_region(&scene, &own).await;
    until(&scene.database_url, STATES, "eu required, local required").await;
    run_sql(&scene.database_url, &poison(&scene.tsg_id)).await;

    // The rest becomes valid, although every poisoned row is older than it.
    let account = scene.entitled_account("behind them").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    until(&scene.database_url, MARKED, &ROWS.to_string()).await;
    let admin = scene.admin_token().await;
    let poisoned = format!("poison-1@{}.iam.carnet.local", scene.tsg_id);
    scene.client.token(&poisoned, &account.client_secret, &[]).await.expect(503);
    scene.client.whoami(&admin).await.expect(200);

    // No region is to blame, and one that joins is not kept from it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    until(&scene.database_url, STATES, "eu required, local required").await;
    let third = OwnStores::start(1);
    let settings = json!({ "region": "us", "lease_seconds": 2, "quarantine_seconds": 3 });
    let us = Server::start(config(&scene.database_url, &third.stores.redis_urls()[0], &settings)).await;
    until(&scene.database_url, STATES, "eu required, local required, us required").await;
    let there = Client::new(&us.url);
    there.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    let health = there.request(Method::GET, "/v1/whoami").bearer_auth(&admin);
    assert_ne!(there.send(health).await.status, 500);

    // What was mended is warmed like anything else.
    let mend = format!(
        "DELETE FROM access_policy WHERE products = ARRAY[NULL]::text[];
         SELECT append_changes(ARRAY(SELECT credential FROM credential WHERE credential LIKE 'poison-%@{}.%'))",
        scene.tsg_id,
    );
    run_sql(&scene.database_url, &mend).await;
    until(&scene.database_url, MARKED, "0").await;
    let pending = "SELECT count(*) FROM client_secret WHERE status = 'pending'";
    let patience = Instant::now();
    while sql_value(&scene.database_url, pending).await.as_deref() != Some("0") {
        assert!(patience.elapsed() < Duration::from_mins(1), "they stay pending");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The twin: nobody says which rows cannot be read, and a region waits for them for ever.
#[tokio::test]
async fn twin_when_they_are_not_marked_no_region_ever_joins() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let view = sql_value(&scene.database_url, "SELECT pg_get_viewdef('live_credential'::regclass)").await;
    let view = view.expect("a view");
    let blind = view.replace("(NOT (c.poisoned_version IS DISTINCT FROM c.version))", "false");
    assert_ne!(blind, view);
    run_sql(&scene.database_url, &format!("CREATE OR REPLACE VIEW live_credential AS {blind}")).await;
    run_sql(&scene.database_url, &poison(&scene.tsg_id)).await;
    // What has just changed is not waited for.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let _eu = second_region(&scene, &own).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let states = sql_value(&scene.database_url, STATES).await;
    assert_eq!(states.as_deref(), Some("eu joining, local required"));
}
