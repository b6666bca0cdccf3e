//! A signing key is published before it signs and after it has signed, so that no token is refused for its key; and one that
//! is compromised is refused everywhere as soon as the answer says so.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::keys::{jwks, kid_of};
use crate::support::link::{Imposed, Trouble};
use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{NO_REDIS, config, run_sql, sql_value};

const PATIENCE: Duration = Duration::from_secs(20);

/// Twice the max-age, and the longest life of a token with its minute.
const WAIT: u32 = 600;
const LAST_TOKEN: u32 = 960;

/// What several servers need, so that each accepts what the others have issued.
fn one_issuer() -> Value {
    json!({ "issuer": "https://id.example" })
}

#[tokio::test]
async fn rfc_7517_section_4_5_a_key_is_published_before_it_signs_and_until_its_last_token_has_expired() {
    let scene = Scene::with(&one_issuer()).await;
    let old = scene.signer("RS256").await;
    let before = scene.admin_token().await;
    assert_eq!(kid_of(&before), old);
    let new = scene.new_key("RS256").await;
    let published = scene.until_key(&new, "everywhere_at", Value::Null).await;
    assert_eq!((&published["state"], &published["awaited_instances"]), (&json!("published"), &json!(0)));
    assert!(published["next_step_at"].is_string(), "{published}");
    assert_eq!(jwks(&scene.client).await[..2], [old.clone(), new.clone()], "RSA first, the older one first");
    assert_eq!(kid_of(&scene.admin_token().await), old);

    scene.time_passes(&new, WAIT - 5).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.signing_key(&new).await["state"], "published");
    scene.time_passes(&new, 5).await;
    scene.until_key(&new, "state", json!("signing")).await;
    let retiring = scene.until_key(&old, "everywhere_at", Value::Null).await;
    assert_eq!(retiring["state"], "retiring");
    let after = scene.token_signed_by(&new, &scene.admin).await;
    for token in [&before, &after] {
        scene.client.whoami(token).await.expect(200);
    }

    scene.time_passes(&old, LAST_TOKEN - 5).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(jwks(&scene.client).await.contains(&old));
    scene.client.whoami(&before).await.expect(200);
    scene.time_passes(&old, 5).await;
    let retired = scene.until_key(&old, "state", json!("retired")).await;
    assert_eq!(retired["master_key_id"], Value::Null, "its private half is gone");
    scene.until_key(&old, "everywhere_at", Value::Null).await;
    assert!(!jwks(&scene.client).await.contains(&old));
    scene.client.whoami(&before).await.expect(401);
    scene.client.whoami(&after).await.expect(200);
    let steps =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE action LIKE 'signing_key.%'";
    let steps = sql_value(&scene.database_url, steps).await.expect("steps");
    assert_eq!(steps, "signing_key.publish signing_key.promote signing_key.retire");
}

#[tokio::test]
async fn the_waits_are_those_that_verifiers_are_promised() {
    let scene = Scene::with(&one_issuer()).await;
    let seconds = async |function: &str| {
        let query = format!("SELECT extract(epoch FROM {function}())::int");
        sql_value(&scene.database_url, &query).await.expect("seconds").parse::<u32>().expect("a number")
    };
    let answer = scene.client.send(scene.client.request(Method::GET, "/.well-known/jwks.json")).await;
    let max_age = answer.header("cache-control").rsplit_once('=').expect("a max-age").1.to_owned();
    assert_eq!(seconds("jwks_patience").await, 2 * max_age.parse::<u32>().expect("seconds"));
    assert_eq!((seconds("jwks_patience").await, seconds("longest_token").await), (WAIT, LAST_TOKEN));
}

#[tokio::test]
async fn a_key_that_has_signed_for_long_enough_gets_a_successor_and_only_one() {
    let scene = Scene::with(&json!({ "signing_key_days": 2 })).await;
    let _other = scene.another_instance(&json!({ "signing_key_days": 2 })).await;
    let old = scene.signer("EdDSA").await;
    let ages = |age: &str| {
        format!(
            "UPDATE signing_key SET state_changed_at = clock_timestamp() - interval '{age}' WHERE kid = '{old}'"
        )
    };
    run_sql(&scene.database_url, &ages("46 hours 58 minutes")).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let count = "SELECT count(*) FROM signing_key WHERE algorithm = 'EdDSA' AND kid <> ";
    let count = format!("{count} '{old}'");
    assert_eq!(sql_value(&scene.database_url, &count).await.as_deref(), Some("0"), "not before its time");
    run_sql(&scene.database_url, &ages("47 hours 1 minute")).await;
    let started = Instant::now();
    while sql_value(&scene.database_url, &count).await.as_deref() == Some("0") {
        assert!(started.elapsed() < PATIENCE, "no successor");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(sql_value(&scene.database_url, &count).await.as_deref(), Some("1"));
    let by = "SELECT actor FROM audit_event WHERE action = 'signing_key.publish'";
    assert_eq!(sql_value(&scene.database_url, by).await.as_deref(), Some("carnet"));
}

#[tokio::test]
async fn two_who_promote_at_once_make_one_signer() {
    let scene = Scene::with(&one_issuer()).await;
    let second = scene.another_instance(&one_issuer()).await;
    let other = Client::new(&second.url);
    let kid = scene.new_key("ES256").await;
    scene.until_key(&kid, "everywhere_at", Value::Null).await;
    let token = scene.admin_token().await;
    scene.time_passes(&kid, WAIT).await;
    let path = format!("/v1/signing-keys/{kid}/promote");
    let (one, two) = tokio::join!(
        scene.client.call(&token, Method::POST, &path, None),
        other.call(&token, Method::POST, &path, None),
    );
    for answer in [one, two] {
        assert_eq!(answer.expect(200).text("state"), "signing");
    }
    let promoted = "SELECT count(*) FROM audit_event WHERE action = 'signing_key.promote'";
    assert_eq!(sql_value(&scene.database_url, promoted).await.as_deref(), Some("1"));
    assert_eq!(scene.signer("ES256").await, kid);
}

/// A server with a long lease whose link to Postgres is cut: it serves, and hears nothing.
async fn cut_off(scene: &Scene) -> (Server, Client, Proxy, Imposed) {
    let proxy = Proxy::before(&scene.database_url);
    let mut settings = one_issuer();
    settings["lease_seconds"] = json!(20);
    settings["quarantine_seconds"] = json!(20);
    settings["region"] = json!("far");
    let server = Server::start(config(&proxy.database_url, NO_REDIS, &settings)).await;
    let client = Client::new(&server.url);
    let token = scene.admin_token().await;
    client.whoami(&token).await.expect(200);
    let cut = proxy.impose(Trouble::Cut);
    (server, client, proxy, cut)
}

#[tokio::test]
async fn a_server_that_has_not_loaded_the_key_holds_it_up_until_it_can_serve_no_more() {
    let scene = Scene::with(&one_issuer()).await;
    let (_server, far, _proxy, _cut) = cut_off(&scene).await;
    let kid = scene.new_key("RS256").await;
    let held = scene.until_key(&kid, "awaited_instances", json!(1)).await;
    assert_eq!((&held["everywhere_at"], &held["next_step_at"]), (&Value::Null, &Value::Null));
    let refused = scene.key_post(&format!("/{kid}/promote"), json!({})).await.expect(409);
    assert_eq!(refused.code(), "signing_key_not_everywhere");
    assert!(refused.text("detail").contains("(1 to go)"), "{}", refused.text("detail"));
    let token = scene.admin_token().await;
    far.whoami(&token).await.expect(200);
    let old = kid_of(&token);

    // The twin: whoever makes it sign all the same has tokens that a server refuses.
    let by_force = format!(
        "UPDATE signing_key SET status = 'published', superseded = true WHERE kid = '{old}';
         UPDATE signing_key SET status = 'active' WHERE kid = '{kid}'"
    );
    run_sql(&scene.database_url, &by_force).await;
    let token = scene.token_signed_by(&kid, &scene.admin).await;
    scene.client.whoami(&token).await.expect(200);
    far.whoami(&token).await.expect(401);
}

#[tokio::test]
async fn whoever_comes_back_without_a_lease_begins_with_the_newest_keys() {
    let scene = Scene::with(&one_issuer()).await;
    let (server, far, proxy, cut) = cut_off(&scene).await;
    let kid = scene.new_key("RS256").await;
    run_sql(&scene.database_url, "UPDATE instance SET lease_until = '-infinity' WHERE region = 'far'").await;
    scene.until_key(&kid, "everywhere_at", Value::Null).await;
    scene.time_passes(&kid, WAIT).await;
    scene.until_key(&kid, "state", json!("signing")).await;
    proxy.lift(&cut);
    let started = Instant::now();
    let leased = "SELECT keyring = (SELECT revision FROM keyring) FROM instance
        WHERE region = 'far' AND lease_until > clock_timestamp()";
    loop {
        match sql_value(&scene.database_url, leased).await.as_deref() {
            Some("t") => break,
            Some(_) => panic!("it has a lease with the keys of before"),
            None => assert!(started.elapsed() < PATIENCE, "it gets no lease"),
        }
    }
    let token = scene.token_signed_by(&kid, &scene.admin).await;
    far.whoami(&token).await.expect(200);
    drop(server);
}

#[tokio::test]
async fn a_compromised_key_is_refused_everywhere_when_the_answer_says_so() {
    let scene = Scene::with(&one_issuer()).await;
    let second = scene.another_instance(&one_issuer()).await;
    let other = Client::new(&second.url);
    let (old, before) = (scene.signer("RS256").await, scene.admin_token().await);
    // Remembered as good by both.
    for client in [&scene.client, &other] {
        client.whoami(&before).await.expect(200);
    }
    let revoked = scene
        .key_post(&format!("/{old}/revoke"), json!({ "reason": "a backup was stolen" }))
        .await
        .expect(200);
    assert_eq!(
        (revoked.text("state").as_str(), &revoked.json()["awaited_instances"]),
        ("revoked", &json!(0))
    );
    assert!(revoked.json()["everywhere_at"].is_string());
    let after = scene.admin_token().await;
    assert_ne!(kid_of(&after), old);
    for client in [&scene.client, &other] {
        client.whoami(&before).await.expect(401);
        client.whoami(&after).await.expect(200);
        assert!(!jwks(client).await.contains(&old));
    }
    let sealed = format!("SELECT sealed IS NULL FROM signing_key WHERE kid = '{old}'");
    assert_eq!(sql_value(&scene.database_url, &sealed).await.as_deref(), Some("t"));
    // Whoever asks again is told the same, and no further key is made.
    let again = scene.key_post(&format!("/{old}/revoke"), json!({ "reason": "again" })).await.expect(200);
    assert_eq!(again.text("revoke_reason"), "a backup was stolen");
    assert_eq!(scene.signer("RS256").await, kid_of(&after));
}

#[tokio::test]
async fn a_server_that_cannot_hear_of_a_compromise_is_waited_for_until_its_lease_is_over() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1, "issuer": "https://id.example" })).await;
    let (_server, far, _proxy, _cut) = cut_off(&scene).await;
    let (old, before) = (scene.signer("RS256").await, scene.admin_token().await);
    let accepted = scene.key_post(&format!("/{old}/revoke"), json!({ "reason": "stolen" })).await.expect(202);
    assert_eq!(accepted.header("location"), format!("/v1/signing-keys/{old}"));
    assert_eq!(accepted.json()["awaited_instances"], 1);
    far.whoami(&before).await.expect(200);
    scene.client.whoami(&before).await.expect(401);
    let started = Instant::now();
    while scene.signing_key(&old).await["everywhere_at"].is_null() {
        assert!(started.elapsed() < Duration::from_secs(30), "its lease does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(far.whoami(&before).await.status, 200, "it serves no more");
}

/// A compromise while no server can load another keyring, because a key that signs cannot be read; what the answer was, and
/// what becomes of a token of the compromised key then.
async fn compromised_meanwhile(before: &str) -> (u16, u16) {
    let scene =
        Scene::with(&json!({ "lease_seconds": 3, "quarantine_seconds": 3, "revoke_wait_seconds": 8 })).await;
    let broken = scene.signer("EdDSA").await;
    let break_it = format!("UPDATE signing_key SET sealed = '\\x00' WHERE kid = '{broken}'");
    run_sql(&scene.database_url, &format!("{break_it}; {before}")).await;
    let (old, token) = (scene.signer("RS256").await, scene.admin_token().await);
    scene.client.whoami(&token).await.expect(200);
    let answer = scene.key_post(&format!("/{old}/revoke"), json!({ "reason": "stolen" })).await;
    (answer.status, scene.client.whoami(&token).await.status)
}

#[tokio::test]
async fn who_has_keys_of_before_a_compromise_keeps_no_lease() {
    assert_eq!(compromised_meanwhile("SELECT 1").await, (200, 503));
}

/// The twin: leases go on whatever keys their instances have.
#[tokio::test]
async fn twin_without_the_condition_a_compromised_key_is_honoured_for_as_long_as_nobody_can_hear_of_it() {
    let unconditional = "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN NEW.serve_from := 0; RETURN NEW; END $$;
        CREATE TRIGGER never BEFORE UPDATE ON keyring FOR EACH ROW EXECUTE FUNCTION never()";
    assert_eq!(compromised_meanwhile(unconditional).await, (202, 200));
}

#[tokio::test]
async fn a_row_that_nobody_can_read_stops_no_server_and_never_signs() {
    let scene = Scene::with(&one_issuer()).await;
    let token = scene.admin_token().await;
    let kid = "x".repeat(43);
    let row = format!(
        "INSERT INTO signing_key (kid, algorithm, status, sealed) VALUES ('{kid}', 'ES256', 'published', '\\x0102')"
    );
    run_sql(&scene.database_url, &row).await;
    let awaited = scene.until_key(&kid, "awaited_instances", json!(1)).await;
    assert_eq!(awaited["master_key_id"], Value::Null, "what it is sealed under cannot be told");
    let refused = scene.key_post(&format!("/{kid}/promote"), json!({})).await.expect(409);
    assert_eq!(refused.code(), "signing_key_not_everywhere");
    scene.client.whoami(&token).await.expect(200);
    assert!(!jwks(&scene.client).await.contains(&kid));
    // Nor does it keep another server from starting, or other keys from going on.
    let other = scene.another_instance(&one_issuer()).await;
    Client::new(&other.url).whoami(&token).await.expect(200);
    let good = scene.new_key("EdDSA").await;
    scene.until_key(&good, "everywhere_at", Value::Null).await;
    let gone = scene.key_post(&format!("/{kid}/revoke"), json!({ "reason": "broken" })).await.expect(200);
    assert_eq!(gone.text("state"), "revoked");
}
