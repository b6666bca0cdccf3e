//! Keys that a client publishes at an address of its own: fetched, kept for a while, and never from inside.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::client_key::{ClientKey, ask, jwks_path, put};
use crate::support::elsewhere::{Elsewhere, assert_outage};
use crate::support::scene::{Account, Scene};

const ISSUER: &str = "https://id.example";

async fn scene_of(elsewhere: &Elsewhere, allowed: &str) -> Scene {
    elsewhere.scene(ISSUER, allowed).await
}

/// An account whose keys are there.
async fn account_at(elsewhere: &Elsewhere, scene: &Scene, path: &str) -> Account {
    let account = scene.account(&format!("keys at {path}")).await;
    let address = format!("{}/{path}", elsewhere.url);
    put(scene, &account, &json!({ "jwks_uri": address })).await.expect(200);
    account
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_who_wait_and_kept() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let key = ClientKey::new("ES256");
    elsewhere.publish(&[&key]);
    let account = account_at(&elsewhere, &scene, "jwks").await;
    let good = || key.assertion(&account.client_id, ISSUER);
    assert_eq!(elsewhere.asked(), 0, "nobody has needed them yet");
    let assertions: Vec<String> = (0..10).map(|_| good()).collect();
    let answers = join_all(assertions.iter().map(|assertion| ask(&scene.client, assertion))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(elsewhere.asked(), 1);
    let token = answers[0].text("access_token");
    let named = scene.client.whoami(&token).await.expect(200).text("credential_id");
    assert!(named.starts_with("jku:"), "{named}");

    // Kept for five minutes; a signature that is wrong fetches nothing.
    ask(&scene.client, &good()).await.expect(200);
    let mut forged = good();
    forged.truncate(forged.len() - 4);
    ask(&scene.client, &forged).await.expect(401);
    assert_eq!(elsewhere.asked(), 1);

    // Another address is another proof, and the end of the one before.
    let gone = scene.send(Method::DELETE, &jwks_path(&account), &[("if-match", "*")], None).await.expect(200);
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    scene.client.whoami(&token).await.expect(401);
    ask(&scene.client, &good()).await.expect(401);
}

#[tokio::test]
async fn an_unknown_kid_fetches_them_again_but_not_all_the_time() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let (old, new, never) = (ClientKey::new("EdDSA"), ClientKey::new("EdDSA"), ClientKey::new("EdDSA"));
    elsewhere.publish(&[&old]);
    let account = account_at(&elsewhere, &scene, "jwks").await;
    ask(&scene.client, &old.assertion(&account.client_id, ISSUER)).await.expect(200);
    elsewhere.publish(&[&new]);
    ask(&scene.client, &new.assertion(&account.client_id, ISSUER)).await.expect(401);
    assert_eq!(elsewhere.asked(), 1, "ten seconds have not passed");
    let started = Instant::now();
    let renewed = loop {
        let answer = ask(&scene.client, &new.assertion(&account.client_id, ISSUER)).await;
        if answer.status == 200 || started.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    renewed.expect(200);
    assert!(started.elapsed() > Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(elsewhere.asked(), 2);
    ask(&scene.client, &old.assertion(&account.client_id, ISSUER)).await.expect(401);
    for _ in 0..20 {
        ask(&scene.client, &never.assertion(&account.client_id, ISSUER)).await.expect(401);
    }
    assert_eq!(elsewhere.asked(), 2);
}

#[tokio::test]
async fn who_names_a_key_that_nobody_knows_waits_for_it_alone() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let (key, stranger) = (ClientKey::new("EdDSA"), ClientKey::new("EdDSA"));
    elsewhere.publish(&[&key]);
    let account = account_at(&elsewhere, &scene, "jwks").await;
    let good = || key.assertion(&account.client_id, ISSUER);
    ask(&scene.client, &good()).await.expect(200);
    scene.server.clock.push(Duration::from_secs(10));
    elsewhere.takes(1500);
    let started = Instant::now();
    let forged = async {
        ask(&scene.client, &stranger.assertion(&account.client_id, ISSUER)).await.expect(401);
        started.elapsed()
    };
    let rightful = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..5 {
            ask(&scene.client, &good()).await.expect(200);
        }
        started.elapsed()
    };
    let (forged, rightful) = tokio::join!(forged, rightful);
    assert_eq!(elsewhere.asked(), 2, "the stranger's name had them fetched again");
    assert!(forged > Duration::from_millis(1400), "{forged:?}");
    assert!(rightful < Duration::from_secs(1), "{rightful:?}");
}

#[tokio::test]
async fn what_cannot_be_fetched_is_an_outage_and_no_fault_of_the_client() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let key = ClientKey::new("EdDSA");
    elsewhere.publish(&[&key]);
    for path in ["redirect", "missing", "slow", "large", "page"] {
        let account = account_at(&elsewhere, &scene, path).await;
        let before = elsewhere.asked();
        let started = Instant::now();
        assert_outage(&ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await, path);
        assert!(started.elapsed() < Duration::from_secs(3), "{path}: {:?}", started.elapsed());
        // It is not asked again for everybody who comes.
        assert_outage(&ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await, path);
        assert_eq!(elsewhere.asked(), before + 1, "{path}: neither again, nor where it was led");
    }
    let nobody = scene.account("nobody there").await;
    put(&scene, &nobody, &json!({ "jwks_uri": "https://localhost:1/jwks" })).await.expect(200);
    assert_outage(&ask(&scene.client, &key.assertion(&nobody.client_id, ISSUER)).await, "nobody there");
}

/// Whoever asks as this client or that learns no more than it must, and has failed.
#[tokio::test]
async fn keys_that_cannot_be_fetched_are_an_outage_like_any_other_and_count_for_the_address() {
    let elsewhere = Elsewhere::start();
    let dials = json!({ "client_failures_per_minute": 1, "address_failures_per_minute": 3 });
    let scene = elsewhere.scene_with(ISSUER, "localhost", &dials).await;
    let account = account_at(&elsewhere, &scene, "missing").await;
    let assertion = || ClientKey::new("EdDSA").assertion(&account.client_id, ISSUER);
    let expected = json!({
        "error": "temporarily_unavailable", "error_description": "the service cannot reach its authority",
    });
    for _ in 0..3 {
        let answer = ask(&scene.client, &assertion()).await.expect(503);
        assert_eq!((answer.json(), answer.header("retry-after")), (expected.clone(), "1"));
    }
    let refused = ask(&scene.client, &assertion()).await.expect(429);
    assert!(refused.header("ratelimit").starts_with("\"address_failures\""), "{refused:?}");
}

/// However many keys a client publishes, those that come first are its keys.
#[tokio::test]
async fn a_set_that_is_too_long_is_read_as_far_as_it_goes() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let keys: Vec<ClientKey> = (0..40).map(|_| ClientKey::new("EdDSA")).collect();
    elsewhere.publish(&keys.iter().collect::<Vec<_>>());
    let account = account_at(&elsewhere, &scene, "jwks").await;
    for (n, expected) in [(0, 200), (31, 200), (32, 401), (39, 401)] {
        let answer = ask(&scene.client, &keys[n].assertion(&account.client_id, ISSUER)).await;
        assert_eq!(answer.status, expected, "key {n}: {answer:?}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_asked_unless_it_is_allowed() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "other.example").await;
    let key = ClientKey::new("EdDSA");
    elsewhere.publish(&[&key]);
    // The name says nothing; where it leads is seen when it is resolved.
    let account = account_at(&elsewhere, &scene, "jwks").await;
    assert_outage(&ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await, "inside");
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn nothing_is_fetched_for_who_is_not_let_in_or_what_is_no_assertion() {
    let elsewhere = Elsewhere::start();
    let scene = scene_of(&elsewhere, "localhost").await;
    let key = ClientKey::new("EdDSA");
    elsewhere.publish(&[&key]);
    let account = account_at(&elsewhere, &scene, "jwks").await;
    let path = format!("service-accounts/{}", account.id);
    ask(&scene.client, &key.assertion(&account.client_id, "https://other.example")).await.expect(401);
    let disable = json!({ "enabled": false });
    scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&disable)).await.expect(200);
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(401);
    assert_eq!(elsewhere.asked(), 0);
}
