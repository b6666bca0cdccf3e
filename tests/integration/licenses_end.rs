//! A license may end earlier: the keys under it end with it, in every instance, when the answer is there.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

const PRODUCT: [(&str, &str); 1] = [("resource", "urn:carnet:product:advanced_wildfire")];

/// Where the tenant's license for the product is.
async fn license(scene: &Scene, product: &str) -> String {
    let all = scene.get("licenses").await.expect(200).json();
    let mut items = all["items"].as_array().expect("items").iter();
    let license = items.find(|license| license["product"] == product).expect("a license");
    format!("licenses/{}", license["id"].as_str().expect("an id"))
}

async fn change(scene: &Scene, path: &str, body: Value) -> Answer {
    scene.send(Method::PATCH, path, &[("if-match", "*")], Some(&body)).await
}

async fn valid_key(scene: &Scene, product: &str, name: &str) -> (Account, String) {
    let account = scene.entitled_account(name).await;
    let id = scene.key(product, &account).await;
    scene.until(&id, "valid").await;
    (account, format!("api-keys/{id}"))
}

#[tokio::test]
async fn ended_now_its_keys_are_accepted_nowhere_when_the_answer_is_there() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let (account, key) = valid_key(&scene, "advanced_wildfire", "under it").await;
    let (bystander, others_key) = valid_key(&scene, "prisma_access", "under another").await;
    let token = other.token(&account.client_id, &account.client_secret, &PRODUCT).await;
    let token = token.expect(200).text("access_token");
    other.whoami(&token).await.expect(200);
    let path = license(&scene, "advanced_wildfire").await;
    let ended = change(&scene, &path, json!({ "ends_at": "2020-01-01T00:00:00Z" })).await.expect(200);
    assert!(ended.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", ended.json());
    other.whoami(&token).await.expect(401);
    for client in [&scene.client, &other] {
        let refused = client.token(&account.client_id, &account.client_secret, &PRODUCT).await.expect(400);
        assert_eq!(refused.code(), "invalid_target");
    }
    let shown = scene.get(&key).await.expect(200);
    assert_eq!((shown.text("status"), shown.text("expires_at")), ("expired".into(), ended.text("ends_at")));
    assert_eq!(scene.get(&others_key).await.text("status"), "valid");
    scene.token_of(&bystander, &[("resource", "urn:carnet:product:prisma_access")]).await;
    let admin = Some(scene.admin.client_id.clone());
    for (action, path) in [("license.update", &path), ("api_key.update", &key)] {
        let id = path.rsplit('/').next().expect("an id");
        assert_eq!(scene.audited(action, id).await, admin, "{action}");
    }
    assert_eq!(change(&scene, &path, json!({})).await.expect(409).code(), "license_ended");
    let again = json!({ "product": "advanced_wildfire" });
    scene.post("licenses", again).await.expect(201);
}

#[tokio::test]
async fn earlier_shortens_keys_and_later_lengthens_none() {
    let scene = Scene::new().await;
    let (_, key) = valid_key(&scene, "advanced_wildfire", "shortened").await;
    let path = license(&scene, "advanced_wildfire").await;
    let first = scene.get(&path).await.expect(200);
    let earlier = scene.in_seconds(86_400).await;
    let shorter = change(&scene, &path, json!({ "ends_at": earlier })).await.expect(200);
    assert!(shorter.json()["receipt"]["effective_everywhere_at"].is_string());
    let end_of_key = async || scene.get(&key).await.text("expires_at");
    assert_eq!(end_of_key().await, shorter.text("ends_at"));
    // Asking for the end that it has waits for the same change.
    let again = change(&scene, &path, json!({ "ends_at": shorter.text("ends_at") })).await.expect(200);
    assert_eq!(again.json(), shorter.json());
    assert_eq!(again.header("etag"), shorter.header("etag"));

    let longer = change(&scene, &path, json!({ "ends_at": first.text("ends_at") })).await.expect(200);
    assert_eq!(longer.text("ends_at"), first.text("ends_at"));
    assert!(longer.json().get("receipt").is_none(), "nothing was taken away");
    assert_eq!(end_of_key().await, shorter.text("ends_at"));
    let id = key.rsplit('/').next().expect("an id").to_owned();
    scene.revoke(&id).await.expect(200);
    let (_, next) = valid_key(&scene, "advanced_wildfire", "made later").await;
    assert_eq!(scene.get(&next).await.text("expires_at"), first.text("ends_at"));
}

/// A key whose policy says nothing of its license has no end of its own, and ends with that all the same: no license, no key.
#[tokio::test]
async fn no_key_outlives_its_license() {
    let scene = Scene::new().await;
    let loose = "UPDATE product SET expires_with_license = false WHERE product = 'prisma_access'";
    run_sql(&scene.database_url, loose).await;
    let (account, key) = valid_key(&scene, "prisma_access", "ends").await;
    let path = license(&scene, "prisma_access").await;
    let ended = change(&scene, &path, json!({ "ends_at": "2020-01-01T00:00:00Z" })).await.expect(200);
    assert!(ended.json()["receipt"]["effective_everywhere_at"].is_string());
    assert_eq!(scene.get(&key).await.text("status"), "expired");
    let audience = [("resource", "urn:carnet:product:prisma_access")];
    let refused = scene.client.token(&account.client_id, &account.client_secret, &audience).await.expect(400);
    assert_eq!(refused.code(), "invalid_target");
}

#[tokio::test]
async fn while_an_instance_does_not_hear_the_answer_is_202_with_what_is_known() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 2 })).await;
    let (account, _) = valid_key(&scene, "advanced_wildfire", "deaf").await;
    let path = license(&scene, "advanced_wildfire").await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let nearer = json!({ "ends_at": scene.in_seconds(3_600).await });
    let started = Instant::now();
    let prefer = [("if-match", "*"), ("prefer", "respond-async")];
    let answer = scene.send(Method::PATCH, &path, &prefer, Some(&nearer)).await.expect(202);
    assert!(started.elapsed() < Duration::from_secs(1), "it has waited {:?}", started.elapsed());
    assert!(answer.header("location").contains("/receipts/"));
    let started = Instant::now();
    let answer = change(&scene, &path, nearer).await.expect(202);
    assert!(started.elapsed() >= Duration::from_secs(2), "it has not waited");
    assert_eq!(answer.json()["receipt"]["effective_everywhere_at"], Value::Null);
    let ended = json!({ "ends_at": "2020-01-01T00:00:00Z" });
    scene.send(Method::PATCH, &path, &prefer, Some(&ended)).await.expect(202);
    // Whoever has heard refuses already.
    scene.heard().await;
    scene.client.token(&account.client_id, &account.client_secret, &PRODUCT).await.expect(400);
}

#[tokio::test]
async fn it_is_changed_by_who_has_seen_the_latest_and_may() {
    let scene = Scene::new().await;
    let path = license(&scene, "advanced_wildfire").await;
    let seen = scene.get(&path).await.header("etag").to_owned();
    let body = json!({ "ends_at": scene.in_seconds(86_400).await });
    let with = async |headers: &[(&str, &str)]| scene.send(Method::PATCH, &path, headers, Some(&body)).await;
    assert_eq!(with(&[]).await.expect(428).code(), "precondition_required");
    let changed = with(&[("if-match", &seen)]).await.expect(200);
    assert!(changed.json().get("receipt").is_none(), "there was no key to take anything from");
    assert_ne!(changed.header("etag"), seen);
    assert_eq!(with(&[("if-match", &seen)]).await.expect(412).code(), "stale_etag");
    for bad in
        [json!({ "ends_at": null }), json!({ "ends_at": "2027" }), json!({ "product": "x" }), json!([])]
    {
        assert_eq!(change(&scene, &path, bad.clone()).await.expect(400).code(), "invalid_body", "{bad}");
    }
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let borrowed = format!("/v1/tenants/{below}/{path}");
    let unknown = scene.path("licenses/00000000-0000-7000-8000-00000000dead");
    let table = [
        (&reader, scene.path(&path), 403, "permission_denied"),
        (&local, scene.path(&path), 404, "not_found"),
        (&local, borrowed.clone(), 404, "not_found"),
        (&scene.admin, borrowed, 404, "not_found"),
        (&scene.admin, unknown, 404, "not_found"),
    ];
    for (account, path, status, code) in table {
        let token = scene.token_of(account, &[]).await;
        let request = scene.client.request(Method::PATCH, &path).bearer_auth(token).header("if-match", "*");
        let refused = scene.client.send(request.json(&json!({ "ends_at": "2020-01-01T00:00:00Z" }))).await;
        assert_eq!(refused.expect(status).code(), code, "{path}");
    }
    assert_eq!(scene.get(&path).await.text("ends_at"), changed.text("ends_at"));
}

/// Whether a license that is to end earlier waits for a key that is being made under it.
async fn waits_for_the_key(spoil: impl Fn(String) -> String) -> bool {
    let scene = Scene::new().await;
    let path = license(&scene, "advanced_wildfire").await;
    let id = path.rsplit('/').next().expect("an id").to_owned();
    let (other, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    // How the making of a key reads when the license ends, in a transaction that takes its time.
    let current = include_str!("../../sql/queries/license_find_current.sql")
        .replace("$1", &format!("'{}'", scene.tsg_id))
        .replace("$2", "'advanced_wildfire'");
    other.batch_execute(&format!("BEGIN; {}", spoil(current))).await.expect("a license");
    let ending = change(&scene, &path, json!({ "ends_at": "2020-01-01T00:00:00Z" }));
    let (ended, waited) = tokio::join!(ending, async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let revision = format!("SELECT revision FROM license WHERE id = '{id}'");
        let waited = sql_value(&scene.database_url, &revision).await.as_deref() == Some("1");
        other.batch_execute("COMMIT").await.expect("a commit");
        waited
    });
    ended.expect(200);
    waited
}

#[tokio::test]
async fn a_key_that_is_being_made_does_not_outlive_its_license() {
    assert!(waits_for_the_key(|current| current).await);
}

/// The twin: a license that is only read may end earlier than the key that is made under it.
#[tokio::test]
async fn twin_a_license_that_is_not_held_ends_under_a_key_that_is_being_made() {
    assert!(!waits_for_the_key(|current| current.replace("FOR SHARE", "")).await);
}
