//! Who fails with tokens fails as who fails with secrets: it counts for the address, whoever comes from there waits, and nobody else.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::client_key::now;
use crate::support::metrics;
use crate::support::possession::Holder;
use crate::support::scene::Scene;
use crate::support::stores::OwnStores;

const HERE: &str = "203.0.113.66";
const ELSEWHERE: &str = "203.0.113.67";
const ISSUER: &str = "https://id.example";

/// A server behind a proxy that tells where clients are.
async fn stage(most: u32) -> Scene {
    let settings = json!({
        "trusted_proxies": "127.0.0.0/8", "address_failures_per_minute": most, "issuer": ISSUER,
    });
    Scene::with(&settings).await
}

/// Asks with this token, or with none.
async fn show(scene: &Scene, from: &str, path: &str, token: Option<&str>) -> Answer {
    let mut request = scene.client.request(Method::GET, path).header("x-forwarded-for", from);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    scene.client.send(request).await
}

/// Asks with a token and a proof of possession, once the nonce is known.
async fn prove(scene: &Scene, from: &str, token: &str, proof: &str) -> Answer {
    let request = scene.client.request(Method::GET, "/v1/whoami").header("x-forwarded-for", from);
    scene.client.send(request.header("authorization", format!("DPoP {token}")).header("dpop", proof)).await
}

/// That it was refused for what others have tried from there.
#[track_caller]
fn assert_waits(answer: Answer) {
    let answer = answer.expect(429);
    assert_eq!(answer.code(), "too_many_failures");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let seconds: u64 = answer.header("retry-after").parse().expect("whole seconds");
    assert!((1..=12).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("ratelimit"), format!("\"address_failures\";r=0;t={seconds}"));
    assert_eq!(answer.header("ratelimit-policy"), "\"address_failures\";q=5;w=60");
    assert_eq!(answer.header("www-authenticate"), "", "no other token would do");
}

#[tokio::test]
async fn rfc_6585_section_4_an_address_that_fails_with_tokens_waits_alone() {
    let scene = stage(5).await;
    let (good, tenants) = (scene.admin_token().await, "/v1/tenants");
    let forged = format!("{}A", &good[..good.len() - 1]);
    for (path, bad) in [
        ("/v1/whoami", forged.as_str()),
        (tenants, forged.as_str()),
        ("/v1/whoami", "carnet_key_typo"),
        ("/v1/tenants/1000000001/api-keys/42/events", "nonsense"),
        ("/v1/whoami", ""),
    ] {
        show(&scene, HERE, path, Some(bad)).await.expect(401);
    }
    // As at the token endpoint: whoever it is, and whatever it brings, from there it waits …
    assert_waits(show(&scene, HERE, "/v1/whoami", Some(&forged)).await);
    assert_waits(show(&scene, HERE, "/v1/whoami", Some(&good)).await);
    assert_waits(show(&scene, HERE, tenants, Some(&good)).await);
    assert_waits(show(&scene, HERE, tenants, None).await);
    // … and there as well, because it is one limit.
    let account = &scene.admin;
    let refused = scene.client.token_from(HERE, &account.client_id, &account.client_secret).await.expect(429);
    assert_eq!(refused.header("ratelimit-policy"), "\"address_failures\";q=5;w=60");
    // Nobody else waits.
    show(&scene, ELSEWHERE, tenants, Some(&good)).await.expect(200);
    scene.client.token_from(ELSEWHERE, &account.client_id, &account.client_secret).await.expect(200);
    let limited = ["policy=\"address_failures\""];
    assert!(metrics::count(&scene.server.health_url, "carnet_limited_total", &limited).await >= 5);
    scene.server.clock.push(Duration::from_secs(13));
    show(&scene, HERE, "/v1/whoami", Some(&good)).await.expect(200);
}

#[tokio::test]
async fn failures_at_the_token_endpoint_count_for_tokens_as_well() {
    let scene = stage(5).await;
    let good = scene.admin_token().await;
    for n in 0..5 {
        let client_id = format!("guess-{n}@{}.iam.carnet.local", scene.tsg_id);
        scene.client.token_from(HERE, &client_id, "carnet_client_typo").await.expect(401);
    }
    assert_waits(show(&scene, HERE, "/v1/whoami", Some(&good)).await);
    show(&scene, ELSEWHERE, "/v1/whoami", Some(&good)).await.expect(200);
}

#[tokio::test]
async fn a_token_that_is_over_revoked_or_for_something_else_is_a_failure() {
    let scene = stage(5).await;
    let account = scene.entitled_account("bound").await;
    let key = scene.key("advanced_wildfire", &account).await;
    scene.until(&key, "valid").await;
    let for_product = scene.token_of(&account, &[]).await;
    show(&scene, HERE, "/v1/whoami", Some(&for_product)).await.expect(200);
    // It is good, but not for this.
    show(&scene, HERE, "/v1/tenants", Some(&for_product)).await.expect(401);
    let other = scene.account("soon gone").await;
    let gone = scene.token_of(&other, &[]).await;
    scene.send(Method::DELETE, &other.secret_path(), &[], None).await.expect(200);
    show(&scene, HERE, "/v1/whoami", Some(&gone)).await.expect(401);
    for _ in 0..3 {
        show(&scene, HERE, "/v1/tenants", Some(&gone)).await.expect(401);
    }
    assert_waits(show(&scene, HERE, "/v1/whoami", Some(&for_product)).await);
}

#[tokio::test]
async fn rfc_9449_section_7_1_a_bad_proof_is_a_failure_and_one_without_our_nonce_is_none() {
    let scene = stage(5).await;
    let (account, holder) = (scene.account("holds a key").await, Holder::new("ES256", ISSUER));
    let token = holder.token(&scene.client, &account).await;
    let good = |nonce: &str| holder.for_resource("GET", "/v1/whoami", nonce, &token);
    let asked = prove(&scene, HERE, &token, &good("none")).await.expect(401);
    let nonce = asked.header("dpop-nonce").to_owned();
    // Who has none yet comes as often as it likes; so does who has no token.
    for _ in 0..8 {
        prove(&scene, HERE, &token, &good("none")).await.expect(401);
        show(&scene, HERE, "/v1/whoami", None).await.expect(401);
    }
    prove(&scene, HERE, &token, &good(&nonce)).await.expect(200);
    let mut elsewhere = holder.claims("POST", "/v1/whoami", &nonce);
    elsewhere["iat"] = json!(now());
    let used = good(&nonce);
    prove(&scene, HERE, &token, &used).await.expect(200);
    let thief = Holder::new("ES256", ISSUER);
    for bad in [
        "nonsense".to_owned(),
        holder.key.sign(&holder.header(), &elsewhere),
        thief.for_resource("GET", "/v1/whoami", &nonce, &token),
        used,
    ] {
        let refused = prove(&scene, HERE, &token, &bad).await.expect(401);
        assert_eq!(refused.code(), "invalid_dpop_proof");
    }
    // As a bearer's, which it is not.
    show(&scene, HERE, "/v1/whoami", Some(&token)).await.expect(401);
    assert_waits(prove(&scene, HERE, &token, &good(&nonce)).await);
    prove(&scene, ELSEWHERE, &token, &good(&nonce)).await.expect(200);
}

#[tokio::test]
async fn the_limit_of_failures_is_what_refuses_tokens() {
    // The twin: without it bad tokens are answered for ever, and a good one from the same place is served.
    let scene = stage(0).await;
    for _ in 0..20 {
        show(&scene, HERE, "/v1/whoami", Some("nonsense")).await.expect(401);
    }
    show(&scene, HERE, "/v1/whoami", Some(&scene.admin_token().await)).await.expect(200);
}

#[tokio::test]
async fn an_outage_is_no_failure_of_who_asks() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let settings = json!({
        "trusted_proxies": "127.0.0.0/8", "address_failures_per_minute": 2, "lease_seconds": 2,
    });
    let scene = Scene::on(database_url, redis_url, &settings).await;
    let token = scene.admin_token().await;
    own.stores.stop_postgres();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..3 {
        show(&scene, HERE, "/v1/whoami", Some(&token)).await.expect(503);
    }
}
