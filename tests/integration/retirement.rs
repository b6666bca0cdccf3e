//! A rotation at the clients' own pace: another secret is made, the old one goes unused, and is retired; not before.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::about_token::introspect;
use crate::support::certificate::{Shown, ending_in, named, put as put_certificates};
use crate::support::client::Answer;
use crate::support::client_key::put as put_keys;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;
use crate::support::workload::{github, put_rules};

async fn scene() -> Scene {
    Scene::with(&json!({ "trusted_proxies": "127.0.0.1", "usage_flush_seconds": 1 })).await
}

async fn state(scene: &Scene, account: &Account) -> Value {
    scene.get(&format!("{}/retirement", account.secret_path())).await.expect(200).json()
}

async fn retire(scene: &Scene, account: &Account, how: Value) -> Answer {
    scene.post(&format!("{}/retire", account.secret_path()), how).await
}

async fn another(scene: &Scene, account: &Account) -> Account {
    let made = scene.post(&format!("service-accounts/{}/secrets", account.id), json!({})).await.expect(201);
    let second = account.with_secret(&made);
    scene.until_status(&second.secret_path(), "valid").await;
    second
}

/// Uses are watched since a day ago, and every secret was made then.
async fn a_day_later(scene: &Scene) {
    let statements = "UPDATE use_known_since SET at = at - interval '1 day';
        UPDATE client_secret SET created_at = created_at - interval '1 day'";
    run_sql(&scene.database_url, statements).await;
}

/// What was used was used so much earlier.
async fn used_earlier(scene: &Scene, earlier: &str) {
    let statement = format!("UPDATE credential_use SET last_used_at = last_used_at - interval '{earlier}'");
    run_sql(&scene.database_url, &statement).await;
}

async fn use_from(scene: &Scene, account: &Account, address: &str) {
    scene.client.token_from(address, &account.client_id, &account.client_secret).await.expect(200);
    let started = std::time::Instant::now();
    while scene.get(&account.secret_path()).await.json()["last_used_address"] != address {
        assert!(started.elapsed() < Duration::from_secs(10), "its use is not written down");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_secret_is_retired_when_another_is_valid_and_it_was_not_used_for_so_long() {
    let scene = scene().await;
    let old = scene.account("rotated").await;
    a_day_later(&scene).await;
    assert_eq!(state(&scene, &old).await["state"], "no_other");
    assert_eq!(retire(&scene, &old, json!({})).await.expect(409).code(), "no_other_secret");
    let new = another(&scene, &old).await;

    use_from(&scene, &old, "203.0.113.7").await;
    use_from(&scene, &new, "203.0.113.8").await;
    let shown = state(&scene, &old).await;
    assert_eq!((&shown["state"], &shown["unused_for_seconds"]), (&json!("in_use"), &json!(3600)));
    assert_eq!(shown["secret"]["last_used_address"], "203.0.113.7");
    assert_eq!(shown["others"][0]["credential_id"], new.credential_id());
    assert_eq!(shown["others"][0]["last_used_address"], "203.0.113.8", "who has changed over");
    let refused = retire(&scene, &old, json!({})).await.expect(409);
    assert_eq!(refused.code(), "secret_in_use");
    let detail = refused.text("detail");
    assert!(detail.contains("was used at 20") && detail.contains("from 203.0.113.7"), "{detail}");

    used_earlier(&scene, "2 hours").await;
    assert_eq!(state(&scene, &old).await["state"], "safe");
    let longer = json!({ "unused_for_seconds": 3 * 3600 });
    assert_eq!(retire(&scene, &old, longer).await.expect(409).code(), "secret_in_use");
    let gone = retire(&scene, &old, json!({})).await.expect(200).json();
    assert!(gone["receipt"]["effective_everywhere_at"].is_string(), "{gone}");
    scene.client.token(&old.client_id, &old.client_secret, &[]).await.expect(401);
    scene.client.token(&new.client_id, &new.client_secret, &[]).await.expect(200);
    assert_eq!(retire(&scene, &old, json!({})).await.expect(200).json(), gone, "twice is once");
    assert_eq!(state(&scene, &old).await["state"], "over");
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_secret.revoke", &old.credential_id()).await, admin);
}

#[tokio::test]
async fn of_a_time_in_which_nobody_watched_nothing_is_concluded() {
    let scene = scene().await;
    let old = scene.account("unwatched").await;
    let new = another(&scene, &old).await;
    assert_eq!(state(&scene, &old).await["state"], "in_use");
    let refused = retire(&scene, &old, json!({})).await.expect(409);
    assert_eq!(refused.code(), "secret_in_use");
    assert!(refused.text("detail").contains("not watched for so long yet"), "{}", refused.text("detail"));
    // The twin: the same secret, watched since yesterday, and never used.
    a_day_later(&scene).await;
    assert_eq!(state(&scene, &old).await["state"], "safe");
    retire(&scene, &old, json!({})).await.expect(200);
    scene.client.token(&new.client_id, &new.client_secret, &[]).await.expect(200);
}

#[tokio::test]
async fn a_secret_that_a_gateway_introspects_with_is_in_use() {
    let scene = scene().await;
    let old = scene.account("gateway").await;
    another(&scene, &old).await;
    a_day_later(&scene).await;
    assert_eq!(state(&scene, &old).await["state"], "safe");
    introspect(&scene.client, &old, "noise").await.expect(200);
    let started = std::time::Instant::now();
    while state(&scene, &old).await["state"] != "in_use" {
        assert!(started.elapsed() < Duration::from_secs(10), "it would be retired under a gateway");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(retire(&scene, &old, json!({})).await.expect(409).code(), "secret_in_use");
}

/// What an account proves itself by besides.
async fn proofs(scene: &Scene, account: &Account) -> Value {
    let shown = state(scene, account).await;
    json!([shown["state"], shown["has_client_keys"], shown["has_certificates"], shown["has_trust_rules"]])
}

#[tokio::test]
async fn every_other_proof_of_an_account_is_one() {
    let outgoing = json!({ "outgoing_allowed_hosts": "keys.example", "usage_flush_seconds": 1 });
    let scene = Scene::with(&outgoing).await;
    let mut accounts = Vec::new();
    for name in ["nothing", "keys elsewhere", "certificate", "certificate that ends", "name", "bound", "rule"]
    {
        accounts.push(scene.account(name).await);
    }
    let [_, keys, own, ends, name, bound, rule] = &accounts[..] else { unreachable!("seven") };
    put_keys(&scene, keys, &json!({ "jwks_uri": "https://keys.example/jwks" })).await.expect(200);
    let certificate = Shown::self_signed(&named("own")).pem();
    put_certificates(&scene, own, &json!({ "certificates": [certificate] })).await.expect(200);
    let certificate = Shown::self_signed(&ending_in(named("ends"), 3)).pem();
    put_certificates(&scene, ends, &json!({ "certificates": [certificate] })).await.expect(200);
    put_certificates(&scene, name, &json!({ "tls_client_auth_subject_dn": "CN=name" })).await.expect(200);
    let binds = json!({ "tls_client_certificate_bound_access_tokens": true });
    put_certificates(&scene, bound, &binds).await.expect(200);
    let kind = github();
    let address = "https://token.actions.githubusercontent.com/.well-known/jwks";
    let issuer = json!({ "name": kind.name, "issuer": kind.issuer, "kind": kind.name, "jwks_uri": address });
    let issuer_id = scene.post("trusted-issuers", issuer).await.expect(201).text("id");
    put_rules(&scene, rule, &json!([{ "issuer_id": issuer_id, "claims": kind.rule }])).await.expect(200);
    a_day_later(&scene).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut judged = Vec::new();
    for account in &accounts {
        judged.push(proofs(&scene, account).await);
    }
    let expected = [
        json!(["no_other", false, false, false]),
        json!(["safe", true, false, false]),
        json!(["safe", false, true, false]),
        json!(["no_other", false, false, false]),
        json!(["safe", false, true, false]),
        json!(["no_other", false, false, false]),
        json!(["safe", false, false, true]),
    ];
    assert_eq!(judged, expected);
    retire(&scene, own, json!({})).await.expect(200);
    retire(&scene, ends, json!({})).await.expect(409);
}

#[tokio::test]
async fn now_means_now() {
    let scene = scene().await;
    let only = scene.account("leaked").await;
    use_from(&scene, &only, "203.0.113.7").await;
    let prefer = [("prefer", "respond-async")];
    let path = format!("{}/retire", only.secret_path());
    let told = scene.send(Method::POST, &path, &prefer, Some(&json!({ "now": true }))).await;
    assert!(matches!(told.status, 200 | 202), "{}", told.status);
    scene.until_status(&only.secret_path(), "revoked").await;
    scene.client.token(&only.client_id, &only.client_secret, &[]).await.expect(401);
}

#[tokio::test]
async fn nobody_retires_the_secret_of_who_holds_more() {
    let scene = scene().await;
    let greater = scene.holder("greater", &["iam.service_account", "iam.license"], json!("all")).await;
    let lesser = scene.holder("lesser", &["iam.service_account"], json!("all")).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let path = scene.path(&format!("{}/retire", greater.secret_path()));
    for (account, code) in [(&lesser, "cannot_grant"), (&reader, "permission_denied")] {
        let token = scene.token_of(account, &[]).await;
        let how = json!({ "now": true });
        let refused = scene.client.call(&token, Method::POST, &path, Some(&how)).await.expect(403);
        assert_eq!(refused.code(), code);
    }
    for bad in
        [json!({ "unused_for_seconds": 59 }), json!({ "unused_for_seconds": 2_592_001 }), json!({ "x": 1 })]
    {
        assert_eq!(retire(&scene, &greater, bad.clone()).await.expect(400).code(), "invalid_body", "{bad}");
    }
}
