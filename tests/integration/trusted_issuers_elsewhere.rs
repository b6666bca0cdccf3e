//! Issuers that publish their keys: found by the discovery document or at an address, kept, and never fetched from inside.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client_key::{ClientKey, now};
use crate::support::elsewhere::{Elsewhere, assert_outage};
use crate::support::scene::{Account, Scene};
use crate::support::workload::{ask_as, generic, grant, merge, put_rules, spiffe};

const ISSUER: &str = "https://id.example";

/// An account that trusts this issuer.
async fn account(scene: &Scene, issuer: &Value, rule: &Value) -> Account {
    let name = issuer["name"].as_str().expect("a name");
    let id = scene.post("trusted-issuers", issuer.clone()).await.expect(201).text("id");
    let account = scene.account(&format!("trusts {name}")).await;
    put_rules(scene, &account, &json!([{ "issuer_id": id, "claims": rule }])).await.expect(200);
    account
}

/// A good token of a generic issuer.
fn token(key: &ClientKey, issuer: &str) -> String {
    let mut claims = json!({ "iss": issuer, "aud": ISSUER, "iat": now() - 5, "exp": now() + 300 });
    merge(&mut claims, &generic().claims);
    key.sign(&key.header(), &claims)
}

#[tokio::test]
async fn openid_discovery_section_4_keys_are_found_by_the_document_once_for_all_who_wait() {
    let elsewhere = Elsewhere::start();
    let scene = elsewhere.scene(ISSUER, "localhost").await;
    let key = ClientKey::new("RS256");
    elsewhere.publish(&[&key]);
    let issuer = json!({ "name": "discovered", "issuer": elsewhere.url, "kind": "generic" });
    let account = account(&scene, &issuer, &generic().rule).await;
    assert_eq!(elsewhere.asked(), 0, "nobody has needed them yet");
    // Nothing is fetched for what would not be let in whoever has signed it.
    let mut claims =
        json!({ "iss": elsewhere.url, "aud": ISSUER, "iat": now(), "exp": now() + 300, "sub": "other" });
    ask_as(&scene.client, &account, &key.sign(&key.header(), &claims)).await.expect(401);
    claims["sub"] = generic().claims["sub"].clone();
    claims["aud"] = json!("https://other.example");
    ask_as(&scene.client, &account, &key.sign(&key.header(), &claims)).await.expect(401);
    assert_eq!(elsewhere.asked(), 0);

    let good = token(&key, &elsewhere.url);
    let answers = join_all((0..10).map(|_| ask_as(&scene.client, &account, &good))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(elsewhere.asked(), 2, "the document, and the keys");
    grant(&scene.client, &good, &[("client_id", &account.client_id)]).await.expect(200);
    assert_eq!(elsewhere.asked(), 2);
    let mut forged = good.clone();
    forged.truncate(forged.len() - 4);
    ask_as(&scene.client, &account, &forged).await.expect(401);
    let stranger = token(&ClientKey::new("RS256"), &elsewhere.url);
    ask_as(&scene.client, &account, &stranger).await.expect(401);
    assert_eq!(elsewhere.asked(), 2, "ten seconds have not passed");
}

#[tokio::test]
async fn a_spiffe_bundle_says_of_which_tokens_its_keys_are() {
    let elsewhere = Elsewhere::start();
    let scene = elsewhere.scene(ISSUER, "localhost").await;
    let (mut svid, mut x509) = (ClientKey::new("ES256"), ClientKey::new("ES256"));
    svid.jwk["use"] = json!("jwt-svid");
    x509.jwk["use"] = json!("x509-svid");
    elsewhere.publish(&[&svid, &x509]);
    let address = format!("{}/bundle", elsewhere.url);
    let issuer =
        json!({ "name": "spire", "issuer": "spiffe://acme.example", "kind": "spiffe", "jwks_uri": address });
    let account = account(&scene, &issuer, &spiffe().rule).await;
    let claims = json!({ "aud": [ISSUER], "exp": now() + 300, "sub": spiffe().claims["sub"] });
    let signed = |key: &ClientKey| key.sign(&key.header(), &claims);
    ask_as(&scene.client, &account, &signed(&svid)).await.expect(200);
    ask_as(&scene.client, &account, &signed(&x509)).await.expect(401);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_an_outage_and_no_fault_of_the_workload() {
    let elsewhere = Elsewhere::start();
    let scene = elsewhere.scene(ISSUER, "localhost").await;
    let key = ClientKey::new("EdDSA");
    elsewhere.publish(&[&key]);
    let named = async |path: &str| {
        let issuer = format!("{}/{path}", elsewhere.url);
        let body = json!({ "name": path, "issuer": issuer, "kind": "generic" });
        (account(&scene, &body, &generic().rule).await, token(&key, &issuer))
    };
    let (fine, good) = named("fine").await;
    ask_as(&scene.client, &fine, &good).await.expect(200);
    for path in ["redirect", "missing", "slow", "large", "page", "liar", "inside"] {
        let (account, token) = named(path).await;
        let (before, started) = (elsewhere.asked(), Instant::now());
        assert_outage(&ask_as(&scene.client, &account, &token).await, path);
        assert!(started.elapsed() < Duration::from_secs(4), "{path}: {:?}", started.elapsed());
        let asked = elsewhere.asked();
        assert!(asked > before, "{path}");
        let id = [("client_id", account.client_id.as_str())];
        assert_outage(&grant(&scene.client, &token, &id).await, path);
        assert_eq!(elsewhere.asked(), asked, "{path}: it is not asked again for everybody who comes");
    }
    ask_as(&scene.client, &fine, &good).await.expect(200);
}

#[tokio::test]
async fn an_issuer_that_leads_inside_is_not_asked_unless_it_is_allowed() {
    let elsewhere = Elsewhere::start();
    let scene = elsewhere.scene(ISSUER, "other.example").await;
    let key = ClientKey::new("EdDSA");
    elsewhere.publish(&[&key]);
    let issuer = json!({ "name": "inside", "issuer": elsewhere.url, "kind": "generic" });
    let account = account(&scene, &issuer, &generic().rule).await;
    assert_outage(&ask_as(&scene.client, &account, &token(&key, &elsewhere.url)).await, "inside");
    assert_eq!(elsewhere.asked(), 0);
    for issuer in ["https://127.0.0.1", "https://169.254.169.254/latest", "https://[::1]/"] {
        let body = json!({ "name": "literal", "issuer": issuer, "kind": "generic" });
        assert_eq!(
            scene.post("trusted-issuers", body).await.expect(422).code(),
            "invalid_jwks_uri",
            "{issuer}"
        );
    }
}
