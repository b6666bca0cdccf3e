//! Valid means everywhere; a revoke returns when nobody honours the key any more.
//!
//! Other instances are played by rows in `instance`, whose leases are alive for as long as a test
//! says, by a second server, and by a process that is stopped in the middle.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::client::Client;
use crate::support::scene::Scene;
use crate::support::stores::{OwnStores, run_sql, sql_value};

/// An instance that has heard of nothing and never will, with a lease for so many seconds.
pub fn deaf_instance(lease_seconds: u32) -> String {
    format!(
        "INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
         (gen_random_uuid(), 'local', 0, 0, clock_timestamp() + interval '{lease_seconds} seconds')"
    )
}

#[tokio::test]
async fn a_key_stays_pending_while_an_instance_has_not_heard_of_it_and_pending_never_authenticates() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("held up").await;
    scene.token_of(&account, &[]).await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let id = scene.key("advanced_wildfire", &account).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.text("status"), "pending");

    let product = [("resource", "urn:carnet:product:advanced_wildfire")];
    for form in [&[][..], &product[..]] {
        let answer = scene.client.token(&account.client_id, &account.client_secret, form).await;
        assert_eq!(answer.clone().expect(503).code(), "temporarily_unavailable");
        assert!(!answer.header("retry-after").is_empty());
    }
    let management = [("resource", scene.client.url.as_str())];
    let answer = scene.client.token(&account.client_id, &account.client_secret, &management).await;
    answer.expect(200);
    // Without the right secret it looks like any unknown client.
    let wrong = flip_last(&account.client_secret);
    let refused = scene.client.token(&account.client_id, &wrong, &[]).await.expect(401);
    assert_eq!(refused.code(), "invalid_client");

    run_sql(&scene.database_url, "DELETE FROM instance WHERE applied = 0 AND low_water = 0").await;
    scene.until(&id, "valid").await;
    let token = scene.token_of(&account, &product).await;
    scene.client.whoami(&token).await.expect(200);
}

fn flip_last(secret: &str) -> String {
    let (head, last) = secret.split_at(secret.len() - 1);
    format!("{head}{}", if last == "a" { "b" } else { "a" })
}

#[tokio::test]
async fn a_lapsed_instance_holds_nothing_up() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("not held up").await;
    run_sql(&scene.database_url, &deaf_instance(0)).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    scene.revoke(&id).await.expect(200);
}

/// The twin: without its guards the flip does not wait, so the test above it would be red.
#[tokio::test]
async fn twin_a_flip_without_guards_makes_a_key_valid_too_early() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("too early").await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let guards = sql_value(&scene.database_url, "SELECT pg_get_functiondef('ready_to_flip'::regproc)").await;
    let unguarded = guards.expect("a function").replace("i.applied < c.seq", "false");
    run_sql(&scene.database_url, &unguarded).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
}

#[tokio::test]
async fn a_revoke_waits_for_an_instance_that_is_cut_off_until_its_lease_is_over() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("cut off").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    run_sql(&scene.database_url, &deaf_instance(2)).await;
    let started = Instant::now();
    let revoked = scene.revoke(&id).await.expect(200);
    assert!(started.elapsed() >= Duration::from_millis(1_700), "{:?}", started.elapsed());
    assert_eq!(revoked.text("status"), "revoked");
}

#[tokio::test]
async fn a_revoke_that_takes_too_long_says_so_and_is_finished_by_itself() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1 })).await;
    let account = scene.entitled_account("takes long").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let token = scene.token_of(&account, &[]).await;
    run_sql(&scene.database_url, &deaf_instance(4)).await;
    let answer = scene.revoke(&id).await.expect(202);
    assert_eq!(answer.text("status"), "revoking");
    assert!(answer.header("location").ends_with(&format!("{id}/receipt")));
    // Whoever has heard refuses already.
    scene.client.whoami(&token).await.expect(401);
    scene.until(&id, "revoked").await;
}

#[tokio::test]
async fn every_instance_refuses_once_the_revoke_has_returned() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    for round in 0..5 {
        let account = scene.entitled_account(&format!("round {round}")).await;
        let id = scene.key("advanced_wildfire", &account).await;
        scene.until(&id, "valid").await;
        // Valid was seen, so the other instance accepts at once (I9). The issuer differs by port, so
        // each instance knows its own tokens.
        let product = [("resource", "urn:carnet:product:advanced_wildfire")];
        let answer = other.token(&account.client_id, &account.client_secret, &product).await;
        let token = answer.expect(200).text("access_token");
        other.whoami(&token).await.expect(200);
        scene.revoke(&id).await.expect(200);
        other.whoami(&token).await.expect(401);
        let refused = other.token(&account.client_id, &account.client_secret, &product).await;
        assert_eq!(refused.expect(400).code(), "invalid_target");
    }
}

#[tokio::test]
async fn a_disabled_account_gets_nothing_anywhere_once_the_answer_is_there() {
    let scene = Scene::new().await;
    let account = scene.account("disabled").await;
    let token = scene.token_of(&account, &[]).await;
    let path = format!("service-accounts/{}", account.id);
    let etag = scene.get(&path).await.header("etag").to_owned();
    let admin = scene.admin_token().await;
    let change = scene.client.request(Method::PATCH, &scene.path(&path)).bearer_auth(&admin);
    let change = change.header("If-Match", etag).json(&json!({ "enabled": false }));
    scene.client.send(change).await.expect(200);
    let refused = scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);
    assert_eq!(refused.code(), "invalid_client");
    scene.client.whoami(&token).await.expect(401);
}

#[tokio::test]
async fn a_key_that_its_region_cannot_acknowledge_stays_pending() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let account = scene.entitled_account("unacknowledged").await;
    own.stores.stop_redis(0);
    let id = scene.key("advanced_wildfire", &account).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.text("status"), "pending");
    scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(503);
    own.stores.start_redis(0).expect("Redis starts again");
    scene.until(&id, "valid").await;
}

/// The twin: without its other guard the flip does not wait for an acknowledgement.
#[tokio::test]
async fn twin_a_flip_without_acknowledgements_makes_a_key_valid_too_early() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let account = scene.entitled_account("unacknowledged").await;
    let guards = sql_value(&scene.database_url, "SELECT pg_get_functiondef('ready_to_flip'::regproc)").await;
    let guards = guards.expect("a function");
    let unguarded = guards.replace("warm_credential", "acknowledgement");
    assert_ne!(unguarded, guards);
    run_sql(&scene.database_url, &unguarded).await;
    own.stores.stop_redis(0);
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
}

#[tokio::test]
async fn a_revoke_ends_with_its_own_change_whatever_changes_after_it() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("busy").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    // Somebody goes on changing the same account all the while.
    let stop = tokio_util::sync::CancellationToken::new();
    let busy = tokio::spawn({
        let (url, id, stop) = (scene.database_url.clone(), account.client_id.clone(), stop.clone());
        async move {
            while !stop.is_cancelled() {
                run_sql(&url, &format!("SELECT append_changes(ARRAY['{id}'])")).await;
            }
        }
    });
    let revoked = scene.revoke(&id).await.expect(200);
    assert_eq!(revoked.text("status"), "revoked");
    stop.cancel();
    busy.await.expect("the busy one ends");
}
