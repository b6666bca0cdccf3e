//! When an account last proved itself by each of its proofs, and from where: written down beside the answers, in batches, the latest
//! and no other.

use std::time::{Duration, Instant};

use carnet::app;
use carnet::store::usage::{Counted, UsageBatch, Used};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::about_token::{INTROSPECT, REVOKE};
use crate::support::certificate::{
    Encrypted, Shown, account_known_by, ask as ask_by_certificate, certificates_path, named,
};
use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, account_with, ask, jwks_path, put as put_keys};
use crate::support::elsewhere::Elsewhere;
use crate::support::exchange::{ACCESS_TOKEN, GRANT};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{NO_REDIS, OwnStores, config, sql_value};
use crate::support::workload::{JWT_BEARER_GRANT, Trusting, github, rules_path};

const PATIENCE: Duration = Duration::from_secs(10);

fn settings() -> Value {
    json!({ "trusted_proxies": "127.0.0.1", "usage_flush_seconds": 1 })
}

/// Waits until what is shown there was last used from this address.
async fn until_used_from(scene: &Scene, path: &str, pointer: &str, address: &str) -> Value {
    let started = Instant::now();
    loop {
        let shown = scene.get(path).await.expect(200).json();
        let shown = shown.pointer(pointer).expect("it is there").clone();
        if shown["last_used_address"] == address {
            return shown;
        }
        assert!(started.elapsed() < PATIENCE, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn token_from(client: &Client, address: &str, account: &Account) {
    client.token_from(address, &account.client_id, &account.client_secret).await.expect(200);
}

#[tokio::test]
async fn each_secret_shows_when_and_from_where_it_was_last_used() {
    let scene = Scene::with(&settings()).await;
    let instance = scene.another_instance(&settings()).await;
    let account = scene.account("watched").await;
    let made = scene.post(&format!("service-accounts/{}/secrets", account.id), json!({})).await.expect(201);
    assert_eq!(made.json()["last_used_at"], Value::Null);
    let second = account.with_secret(&made);
    let before: Timestamp = scene.in_seconds(-1).await.parse().expect("a moment");
    token_from(&scene.client, "203.0.113.7", &account).await;
    let shown = until_used_from(&scene, &account.secret_path(), "", "203.0.113.7").await;
    assert_eq!(shown["last_used_network"], "203.0.113.0/24");
    let at: Timestamp = shown["last_used_at"].as_str().expect("a moment").parse().expect("RFC 3339");
    assert!(at > before, "{at} {before}");
    // Every instance notes, and lists show it.
    token_from(&Client::new(&instance.url), "2001:db8:1:2::7", &account).await;
    let path = format!("service-accounts/{}", account.id);
    let shown = until_used_from(&scene, &path, "/secrets/0", "2001:db8:1:2::7").await;
    assert_eq!(shown["last_used_network"], "2001:db8:1::/48");
    let listed = scene.get("service-accounts?limit=200").await.expect(200).json();
    let listed = listed["items"].as_array().expect("items").iter().find(|one| one["id"] == *account.id);
    assert_eq!(listed.expect("the account")["secrets"][0], shown);
    // The other secret was never used, and a wrong one uses nothing.
    scene.client.token_from("198.51.100.1", &account.client_id, &scene.admin.client_secret).await.expect(401);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(scene.get(&account.secret_path()).await.json()["last_used_address"], "2001:db8:1:2::7");
    assert_eq!(scene.get(&second.secret_path()).await.json()["last_used_at"], Value::Null);
}

#[tokio::test]
async fn a_key_of_a_client_shows_it_as_well() {
    let scene = Scene::with(&settings_and(&json!({}))).await;
    let (used, unused) = (ClientKey::new("EdDSA"), ClientKey::new("ES256"));
    let account = account_with(&scene, "keys", &[&used, &unused]).await;
    ask(&scene.client, &used.assertion(&account.client_id, ISSUER)).await.expect(200);
    let shown = until_used_from(&scene, &jwks_path(&account), "/keys/0", "127.0.0.1").await;
    assert_eq!(shown["credential_id"], used.credential_id());
    let keys = scene.get(&jwks_path(&account)).await.expect(200);
    assert_eq!(keys.json()["keys"][1]["last_used_at"], Value::Null);
    assert_eq!(keys.header("etag"), "\"1\"", "nobody has changed the keys");
}

const ISSUER: &str = "https://id.example";

/// The settings of these tests, and these.
fn settings_and(more: &Value) -> Value {
    let mut settings = settings();
    settings["issuer"] = json!(ISSUER);
    for (name, value) in more.as_object().expect("settings") {
        settings[name] = value.clone();
    }
    settings
}

/// Sends a form from an address, the account's secret in the header.
async fn form_from(scene: &Scene, address: &str, path: &str, by: &Account, form: &[(&str, &str)]) -> Answer {
    let request = scene.client.request(Method::POST, path).basic_auth(&by.client_id, Some(&by.client_secret));
    scene.client.send(request.header("x-forwarded-for", address).form(form)).await
}

#[tokio::test]
async fn who_asks_about_tokens_or_takes_them_back_uses_a_secret_and_gets_no_token() {
    let scene = Scene::with(&settings()).await;
    let below = scene.child("watched").await;
    let gateway = scene.account_in(&below, "gateway").await;
    let path = format!("/v1/tenants/{below}/{}", gateway.secret_path());
    for (address, about) in [("203.0.113.7", INTROSPECT), ("203.0.113.8", REVOKE)] {
        form_from(&scene, address, about, &gateway, &[("token", "noise")]).await.expect(200);
        let started = Instant::now();
        while scene.admin_get(&path).await.expect(200).json()["last_used_address"] != address {
            assert!(started.elapsed() < PATIENCE, "{about} does not count as a use");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let mut wrong = gateway.clone();
    wrong.client_secret.clone_from(&scene.admin.client_secret);
    form_from(&scene, "198.51.100.1", INTROSPECT, &wrong, &[("token", "noise")]).await.expect(401);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(scene.admin_get(&path).await.json()["last_used_address"], "203.0.113.8");
    let counted = format!("SELECT sum(tokens) FROM token_count WHERE tsg_id = '{below}'");
    assert_eq!(sql_value(&scene.database_url, &counted).await, None, "nobody got a token");
}

#[tokio::test]
async fn a_secret_beside_a_grant_and_one_that_exchanges_are_used() {
    let scene = Scene::with(&settings_and(&json!({}))).await;
    let trusting = Trusting::on(scene, github(), "RS256").await;
    let Trusting { scene, account, .. } = &trusting;
    let assertion = trusting.good();
    let form = [("grant_type", JWT_BEARER_GRANT), ("assertion", assertion.as_str())];
    let issued = form_from(scene, "203.0.113.7", "/oauth2/token", account, &form).await.expect(200);
    until_used_from(scene, &account.secret_path(), "", "203.0.113.7").await;
    let token = issued.text("access_token");
    let form =
        [("grant_type", GRANT), ("subject_token", token.as_str()), ("subject_token_type", ACCESS_TOKEN)];
    form_from(scene, "203.0.113.8", "/oauth2/token", account, &form).await.expect(200);
    until_used_from(scene, &account.secret_path(), "", "203.0.113.8").await;
}

#[tokio::test]
async fn who_has_got_too_many_tokens_uses_a_secret_still() {
    let scene = Scene::with(&settings_and(&json!({ "client_tokens_per_minute": 60 }))).await;
    let account = scene.account("busy").await;
    let from =
        async |address| scene.client.token_from(address, &account.client_id, &account.client_secret).await;
    while from("203.0.113.7").await.status == 200 {}
    from("203.0.113.8").await.expect(429);
    let used = format!(
        "SELECT host(last_used_address) FROM credential_use WHERE credential_id = '{}'",
        account.credential_id()
    );
    let started = Instant::now();
    while sql_value(&scene.database_url, &used).await.as_deref() != Some("203.0.113.8") {
        assert!(started.elapsed() < PATIENCE, "it would be retired under a busy client");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn certificates_and_their_names_show_it_as_well() {
    let tls = Encrypted::new();
    let mut settings = tls.settings(ISSUER);
    settings["usage_flush_seconds"] = json!(1);
    let scene = Scene::with(&settings).await;
    let (used, unused) = (Shown::self_signed(&named("used")), Shown::self_signed(&named("unused")));
    let own = json!({ "certificates": [used.pem(), unused.pem()] });
    let account = account_known_by(&scene, "own", &own).await;
    let client = tls.client(&scene.server.tls_url, Some(&used));
    ask_by_certificate(&client, &account.client_id).await.expect(200);
    let path = certificates_path(&account);
    let shown = until_used_from(&scene, &path, "/certificates/0", "127.0.0.1").await;
    assert_eq!(shown["last_used_network"], "127.0.0.0/24");
    let all = scene.get(&path).await.expect(200);
    assert_eq!(all.json()["certificates"][1]["last_used_at"], Value::Null);
    assert_eq!(all.json()["last_used_at"], Value::Null, "there is no name");
    assert_eq!(all.header("etag"), "\"1\"", "nobody has changed the certificates");

    let known_by = json!({ "tls_client_auth_subject_dn": "CN=agent" });
    let account = account_known_by(&scene, "named", &known_by).await;
    let client = tls.client(&scene.server.tls_url, Some(&tls.clients.issue(&named("agent"))));
    ask_by_certificate(&client, &account.client_id).await.expect(200);
    until_used_from(&scene, &certificates_path(&account), "", "127.0.0.1").await;
}

#[tokio::test]
async fn the_address_of_keys_shows_it_as_well() {
    let elsewhere = Elsewhere::start();
    let scene = Scene::with(&settings_and(&elsewhere.settings(ISSUER, "localhost"))).await;
    let key = ClientKey::new("ES256");
    elsewhere.publish(&[&key]);
    let account = scene.account("keys elsewhere").await;
    let address = json!({ "jwks_uri": format!("{}/jwks", elsewhere.url) });
    put_keys(&scene, &account, &address).await.expect(200);
    assert_eq!(scene.get(&jwks_path(&account)).await.json()["last_used_at"], Value::Null);
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    until_used_from(&scene, &jwks_path(&account), "", "127.0.0.1").await;
}

#[tokio::test]
async fn the_rule_that_let_a_workload_in_shows_it_as_well() {
    let trusting = Trusting::on(Scene::with(&settings_and(&json!({}))).await, github(), "RS256").await;
    let Trusting { scene, account, .. } = &trusting;
    trusting.ask(&trusting.good()).await.expect(200);
    let shown = until_used_from(scene, &rules_path(account), "/rules/0", "127.0.0.1").await;
    assert!(shown["credential_id"].as_str().is_some_and(|id| id.starts_with("fed:")), "{shown}");
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_counts_once_and_a_use_never_makes_way_for_an_earlier_one() {
    let scene = Scene::with(&settings()).await;
    let account = scene.account("batches").await;
    let below = scene.child("counted").await;
    let store = app::store(&config(&scene.database_url, NO_REDIS, &json!({}))).expect("a store");
    let batch = |instance, number, second: i64, address: &str, tokens| UsageBatch {
        instance: Uuid::from_u128(instance),
        number,
        used: vec![Used {
            account: Some(account.id.parse().expect("an id")),
            credential_id: account.credential_id(),
            at: Timestamp::from_second(second).expect("a moment"),
            address: address.parse().ok(),
        }],
        counted: vec![Counted { tsg_id: below.clone(), day: "2026-11-22".parse().expect("a day"), tokens }],
    };
    let count = format!("SELECT tokens FROM token_count WHERE tsg_id = '{below}'");
    let state = async || {
        let used = scene.get(&account.secret_path()).await.json()["last_used_address"].clone();
        (used, sql_value(&scene.database_url, &count).await.expect("a count"))
    };
    store.record_usage(&batch(1, 1, 2_000_000_000, "203.0.113.1", 5)).await.expect("written");
    assert_eq!(state().await, (json!("203.0.113.1"), "5".to_owned()));
    // The same again, as after an answer that was lost.
    store.record_usage(&batch(1, 1, 2_000_000_009, "203.0.113.9", 5)).await.expect("written before");
    assert_eq!(state().await, (json!("203.0.113.1"), "5".to_owned()));
    // Another instance, with an earlier use; then a later one.
    store.record_usage(&batch(2, 1, 1_999_999_999, "203.0.113.2", 2)).await.expect("written");
    assert_eq!(state().await, (json!("203.0.113.1"), "7".to_owned()));
    store.record_usage(&batch(1, 2, 2_000_000_001, "203.0.113.3", 1)).await.expect("written");
    assert_eq!(state().await, (json!("203.0.113.3"), "8".to_owned()));
    // Of accounts and tenants that there are not, nothing is written, and nothing fails.
    let mut gone = batch(1, 3, 2_000_000_002, "203.0.113.4", 1);
    gone.used[0].account = Some(Uuid::nil());
    gone.counted[0].tsg_id = "9999999999".into();
    store.record_usage(&gone).await.expect("written");
    assert_eq!(state().await, (json!("203.0.113.3"), "8".to_owned()));
}

#[tokio::test]
async fn what_is_noted_while_postgres_is_away_is_written_down_when_it_is_back_and_counted_once() {
    let own = OwnStores::start(1);
    let database_url = own.migrated().await;
    let redis_url = own.stores.redis_urls()[0].clone();
    let mut settings = settings();
    settings["lease_seconds"] = json!(20);
    let scene = Scene::on(database_url, redis_url, &settings).await;
    let below = scene.child("away").await;
    let account = scene.account_in(&below, "away").await;
    let got = async |times: u32| {
        for _ in 0..times {
            token_from(&scene.client, "203.0.113.7", &account).await;
        }
    };
    got(3).await;
    let counted = format!("SELECT sum(tokens) FROM token_count WHERE tsg_id = '{below}'");
    let until = async |tokens: &str| {
        let started = Instant::now();
        loop {
            let now = sql_value(&scene.database_url, &counted).await;
            if now.as_deref() == Some(tokens) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{now:?} instead of {tokens}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until("3").await;
    own.stores.stop_postgres();
    // Several flushes fail meanwhile.
    for _ in 0..4 {
        got(5).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    own.stores.start_postgres().expect("Postgres starts again");
    until("23").await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    until("23").await;
    let used = format!(
        "SELECT host(last_used_address) FROM credential_use WHERE credential_id = '{}'",
        account.credential_id()
    );
    assert_eq!(sql_value(&scene.database_url, &used).await.as_deref(), Some("203.0.113.7"));
}

#[tokio::test]
async fn a_server_that_stops_writes_down_what_it_has_noted() {
    // Its next flush would be in a minute.
    let scene = Scene::with(&json!({ "trusted_proxies": "127.0.0.1", "usage_flush_seconds": 60 })).await;
    let account = scene.account("stopped").await;
    token_from(&scene.client, "203.0.113.8", &account).await;
    let used = format!(
        "SELECT host(last_used_address) FROM credential_use WHERE credential_id = '{}'",
        account.credential_id()
    );
    assert_eq!(sql_value(&scene.database_url, &used).await, None);
    let Scene { server, database_url, .. } = scene;
    tokio::task::spawn_blocking(move || drop(server)).await.expect("a clean end");
    assert_eq!(sql_value(&database_url, &used).await.as_deref(), Some("203.0.113.8"));
}
