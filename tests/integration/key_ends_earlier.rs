//! The end of an API key is brought forward: every instance has heard of it when the answer is there.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

const PRODUCT: [(&str, &str); 1] = [("resource", "urn:carnet:product:advanced_wildfire")];

async fn valid_key(scene: &Scene, name: &str) -> (Account, String) {
    let account = scene.entitled_account(name).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    (account, format!("api-keys/{id}"))
}

async fn change(scene: &Scene, path: &str, body: Value) -> Answer {
    scene.send(Method::PATCH, path, &[("if-match", "*")], Some(&body)).await
}

async fn product_token(client: &Client, account: &Account) -> Answer {
    client.token(&account.client_id, &account.client_secret, &PRODUCT).await
}

#[tokio::test]
async fn ended_now_no_instance_accepts_it_when_the_answer_is_there() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    for (round, end) in ["2020-01-01T00:00:00Z".to_owned(), scene.in_seconds(0).await].iter().enumerate() {
        let (account, path) = valid_key(&scene, &format!("ended {round}")).await;
        let token = product_token(&other, &account).await.expect(200).text("access_token");
        other.whoami(&token).await.expect(200);
        let ended = change(&scene, &path, json!({ "expires_at": end })).await.expect(200);
        assert_eq!(ended.text("status"), "expired");
        let receipt = &ended.json()["receipt"];
        assert!(receipt["effective_everywhere_at"].is_string(), "{receipt}");
        // Who checks tokens without asking us honours what was issued a moment ago to its own end.
        assert!(receipt["last_token_expires_at"].as_str() > ended.json()["expires_at"].as_str(), "{receipt}");
        other.whoami(&token).await.expect(401);
        for client in [&scene.client, &other] {
            assert_eq!(product_token(client, &account).await.expect(400).code(), "invalid_target");
        }
        let id = path.rsplit('/').next().expect("an id");
        assert_eq!(scene.audited("api_key.update", id).await, Some(scene.admin.client_id.clone()));
        assert_eq!(change(&scene, &path, json!({ "name": "x" })).await.expect(409).code(), "api_key_expired");
    }
}

#[tokio::test]
async fn an_end_that_comes_nearer_is_everywhere_and_nobody_has_to_act_when_it_comes() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let (account, path) = valid_key(&scene, "nearer").await;
    let token = product_token(&other, &account).await.expect(200).text("access_token");
    let end = scene.in_seconds(6).await;
    let nearer = change(&scene, &path, json!({ "expires_at": end })).await.expect(200);
    assert_eq!(nearer.text("status"), "valid");
    assert!(nearer.json()["receipt"]["effective_everywhere_at"].is_string());
    let lifetime = product_token(&other, &account).await.expect(200).json()["expires_in"].as_i64();
    assert!(lifetime.is_some_and(|seconds| seconds <= 6), "{lifetime:?}");
    // Asking for the end that it has changes nothing, and waits again.
    let again = change(&scene, &path, json!({ "expires_at": nearer.text("expires_at") })).await.expect(200);
    assert_eq!(again.header("etag"), nearer.header("etag"));
    assert_eq!(again.json()["receipt"]["receipt_id"], nearer.json()["receipt"]["receipt_id"]);
    let later = change(&scene, &path, json!({ "expires_at": scene.in_seconds(60).await })).await.expect(422);
    assert_eq!(
        (later.code(), &later.json()["errors"][0]["field"]),
        ("expires_later".into(), &json!("expires_at"))
    );
    scene.until_status(&path, "expired").await;
    other.whoami(&token).await.expect(401);
    assert_eq!(product_token(&other, &account).await.expect(400).code(), "invalid_target");
}

#[tokio::test]
async fn while_an_instance_does_not_hear_the_answer_is_202_with_what_is_known() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 2 })).await;
    let (account, path) = valid_key(&scene, "deaf").await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let nearer = json!({ "expires_at": scene.in_seconds(3_600).await });
    let started = Instant::now();
    let prefer = [("if-match", "*"), ("prefer", "respond-async")];
    let answer = scene.send(Method::PATCH, &path, &prefer, Some(&nearer)).await.expect(202);
    assert!(started.elapsed() < Duration::from_secs(1), "it has waited {:?}", started.elapsed());
    assert!(answer.header("location").contains("/receipts/"));
    let started = Instant::now();
    let answer = change(&scene, &path, json!({ "expires_at": "2020-01-01T00:00:00Z" })).await.expect(202);
    assert!(started.elapsed() >= Duration::from_secs(2), "it has not waited");
    assert_eq!(answer.json()["receipt"]["effective_everywhere_at"], Value::Null);
    // Whoever has heard refuses already.
    scene.heard().await;
    product_token(&scene.client, &account).await.expect(400);
}

#[tokio::test]
async fn names_and_comments_change_by_who_has_seen_the_latest() {
    let scene = Scene::new().await;
    let (account, path) = valid_key(&scene, "renamed").await;
    let etag = scene.get(&path).await.header("etag").to_owned();
    let with = async |etag: &str, body: Value| {
        scene.send(Method::PATCH, &path, &[("if-match", etag)], Some(&body)).await
    };
    let refused = scene.send(Method::PATCH, &path, &[], Some(&json!({ "name": "x" }))).await.expect(428);
    assert_eq!(refused.code(), "precondition_required");
    let named = with(&etag, json!({ "name": "Größe", "comment": "a\nb" })).await.expect(200);
    assert_eq!((named.text("name"), named.text("comment")), ("Größe".into(), "a\nb".into()));
    assert!(named.json().get("receipt").is_none(), "nothing was taken away");
    assert_eq!(with(&etag, json!({ "name": "lost" })).await.expect(412).code(), "stale_etag");
    let etag = named.header("etag").to_owned();
    let same = with(&etag, json!({})).await.expect(200);
    assert_eq!((same.header("etag"), same.json()), (&*etag, named.json()));
    let emptied = with(&etag, json!({ "name": null })).await.expect(200).json();
    assert_eq!((&emptied["name"], &emptied["comment"]), (&Value::Null, &json!("a\nb")));
    for bad in [json!({ "expires_at": null }), json!({ "name": "" }), json!({ "status": "valid" }), json!([])]
    {
        assert_eq!(change(&scene, &path, bad.clone()).await.expect(400).code(), "invalid_body", "{bad}");
    }
    product_token(&scene.client, &account).await.expect(200);
    let id = path.rsplit('/').next().expect("an id").to_owned();
    scene.revoke(&id).await.expect(200);
    assert_eq!(change(&scene, &path, json!({ "name": "x" })).await.expect(409).code(), "api_key_revoked");
    let old = with(&etag, json!({ "expires_at": scene.in_seconds(5).await })).await.expect(409);
    assert_eq!(old.code(), "api_key_revoked");
}

#[tokio::test]
async fn a_key_that_turns_valid_makes_no_etag_stale() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("pending").await;
    run_sql(&scene.database_url, &deaf_instance(3)).await;
    let path = format!("api-keys/{}", scene.key("advanced_wildfire", &account).await);
    let etag = scene.get(&path).await.header("etag").to_owned();
    scene.until_status(&path, "valid").await;
    let headers = [("if-match", &*etag)];
    scene.send(Method::PATCH, &path, &headers, Some(&json!({ "comment": "seen" }))).await.expect(200);
}

#[tokio::test]
async fn of_changes_at_once_by_the_same_etag_one_wins() {
    let scene = Scene::new().await;
    let (_, path) = valid_key(&scene, "contended").await;
    let etag = scene.get(&path).await.header("etag").to_owned();
    let answers = futures_util::future::join_all((0..8).map(|n| {
        let (scene, path, etag) = (&scene, &path, &etag);
        async move {
            let body = json!({ "comment": format!("{n}") });
            scene.send(Method::PATCH, path, &[("if-match", etag)], Some(&body)).await.status
        }
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 412].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn who_may_not_change_it_does_not_and_another_tenants_key_looks_like_none() {
    let scene = Scene::new().await;
    let (_, path) = valid_key(&scene, "guarded").await;
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let elsewhere = scene.holder("elsewhere", &["iam.api_key"], json!(["prisma_access"])).await;
    let borrowed = format!("/v1/tenants/{below}/{path}");
    let table = [
        (&reader, scene.path(&path), 403, "permission_denied"),
        (&elsewhere, scene.path(&path), 404, "not_found"),
        (&local, scene.path(&path), 404, "not_found"),
        (&local, borrowed.clone(), 404, "not_found"),
        (&scene.admin, borrowed, 404, "not_found"),
    ];
    for (account, path, status, code) in table {
        let token = scene.token_of(account, &[("resource", &scene.client.url)]).await;
        let request = scene.client.request(Method::PATCH, &path).bearer_auth(token).header("if-match", "*");
        let body = json!({ "expires_at": "2020-01-01T00:00:00Z" });
        let refused = scene.client.send(request.json(&body)).await.expect(status);
        assert_eq!(refused.code(), code, "{path}");
    }
    let unknown = change(&scene, "api-keys/1", json!({})).await.expect(404);
    assert_eq!(unknown.code(), "not_found");
    assert_eq!(scene.get(&path).await.text("status"), "valid");
}

#[tokio::test]
async fn the_receipt_of_a_key_does_not_promise_an_earlier_end_of_tokens_than_they_have() {
    let scene = Scene::new().await;
    let (_, path) = valid_key(&scene, "shortened").await;
    change(&scene, &path, json!({ "expires_at": scene.in_seconds(30).await })).await.expect(200);
    let id = path.rsplit('/').next().expect("an id");
    // As it is read under the key's own path.
    let query = include_str!("../../sql/queries/receipt_find_of_key.sql")
        .replace("$1", &format!("'{}'", scene.tsg_id))
        .replace("$2", id);
    let outlives = format!(
        "SELECT r.last_token_expires_at > k.expires_at FROM ({query}) r, api_key k WHERE k.api_key_id = {id}"
    );
    assert_eq!(sql_value(&scene.database_url, &outlives).await.as_deref(), Some("t"));
}
