//! An account may have several secrets; each is made, seen and taken away by itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;
use crate::valid_everywhere::deaf_instance;

async fn another(scene: &Scene, account: &Account, body: &Value) -> Answer {
    scene.post(&format!("service-accounts/{}/secrets", account.id), body.clone()).await
}

async fn delete(scene: &Scene, account: &Account) -> Answer {
    scene.send(Method::DELETE, &account.secret_path(), &[], None).await
}

async fn status_of(client: &Client, account: &Account) -> u16 {
    client.token(&account.client_id, &account.client_secret, &[]).await.status
}

#[tokio::test]
async fn each_works_until_it_is_deleted_and_then_no_instance_accepts_it() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let first = scene.account("of two").await;
    scene.token_of(&first, &[]).await;
    let made = another(&scene, &first, &json!({ "name": "second" })).await.expect(201);
    assert_eq!((made.text("name"), &made.json()["replaces"]), ("second".into(), &Value::Null));
    let second = first.with_secret(&made);
    scene.until_status(&second.secret_path(), "valid").await;
    assert_eq!(made.header("location"), scene.path(&second.secret_path()));
    let shown = scene.get(&second.secret_path()).await.expect(200).json();
    let account = scene.get(&format!("service-accounts/{}", first.id)).await.expect(200).json();
    assert_eq!(account["secrets"][1], shown);

    let answer = other.token(&first.client_id, &first.client_secret, &[]).await.expect(200);
    let token = answer.text("access_token");
    other.whoami(&token).await.expect(200);
    let gone = delete(&scene, &first).await.expect(200).json();
    assert!(gone["receipt"]["effective_everywhere_at"].is_string(), "{gone}");
    other.whoami(&token).await.expect(401);
    for client in [&scene.client, &other] {
        assert_eq!((status_of(client, &first).await, status_of(client, &second).await), (401, 200));
    }
    assert_eq!(scene.get(&first.secret_path()).await.text("status"), "revoked");
    let receipt = scene.get(&format!("{}/receipt", first.secret_path())).await.expect(200).json();
    assert_eq!(receipt, gone["receipt"]);
    assert_eq!(
        delete(&scene, &first).await.expect(200).json()["receipt"]["receipt_id"],
        receipt["receipt_id"]
    );
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_secret.create", &second.credential_id()).await, admin);
    assert_eq!(scene.audited("client_secret.revoke", &first.credential_id()).await, admin, "once");
    assert_eq!(
        scene.audited("client_secret.revoked", &first.credential_id()).await.as_deref(),
        Some("carnet")
    );
}

#[tokio::test]
async fn a_deletion_that_not_everybody_has_heard_of_is_answered_202_with_what_is_known() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 2 })).await;
    let account = scene.account("deaf").await;
    let made = another(&scene, &account, &json!({})).await.expect(201);
    let second = account.with_secret(&made);
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    for (secret, headers, waits) in
        [(&account, &[][..], true), (&second, &[("prefer", "respond-async")][..], false)]
    {
        let started = Instant::now();
        let gone = scene.send(Method::DELETE, &secret.secret_path(), headers, None).await.expect(202);
        assert_eq!(started.elapsed() >= Duration::from_secs(2), waits, "{:?}", started.elapsed());
        let receipt = gone.json()["receipt"].clone();
        assert_eq!(receipt["effective_everywhere_at"], Value::Null);
        let id = receipt["receipt_id"].as_str().expect("an id");
        assert_eq!(gone.header("location"), scene.path(&format!("receipts/{id}")));
        assert_eq!(scene.get(&secret.secret_path()).await.text("status"), "revoking");
        // Whoever has heard refuses already.
        scene.heard().await;
        assert_eq!(status_of(&scene.client, secret).await, 401);
    }
}

#[tokio::test]
async fn a_secret_ends_when_it_was_said_to_end() {
    let scene = Scene::new().await;
    let account = scene.account("ends").await;
    let soon = scene.in_seconds(6).await;
    let short =
        account.with_secret(&another(&scene, &account, &json!({ "expires_at": soon })).await.expect(201));
    let answer = scene.client.token(&short.client_id, &short.client_secret, &[]).await.expect(200);
    assert!(answer.json()["expires_in"].as_i64().expect("seconds") <= 6, "no token outlives its secret");
    scene.until_status(&short.secret_path(), "expired").await;
    assert_eq!(status_of(&scene.client, &short).await, 401);
    assert_eq!(delete(&scene, &short).await.expect(409).code(), "secret_expired");
    let rotate = scene.post(&format!("{}/rotate", short.secret_path()), json!({})).await.expect(409);
    assert_eq!(rotate.code(), "secret_not_active");
    let past = another(&scene, &account, &json!({ "expires_at": "2020-01-01T00:00:00Z" })).await.expect(422);
    assert_eq!(
        (past.code(), &past.json()["errors"][0]["field"]),
        ("expires_in_past".into(), &json!("expires_at"))
    );
    for bad in [json!({ "nam": "x" }), json!({ "name": " x" }), json!({ "expires_at": "soon" })] {
        assert_eq!(another(&scene, &account, &bad).await.expect(400).code(), "invalid_body", "{bad}");
    }
}

#[tokio::test]
async fn there_are_no_more_than_ten_that_work_however_many_ask_at_once() {
    let scene = Scene::new().await;
    let account = scene.account("many").await;
    let made = futures_util::future::join_all((0..12).map(|n| {
        let (scene, account) = (&scene, &account);
        async move { another(scene, account, &json!({ "name": format!("n{n}") })).await }
    }))
    .await;
    let refused: Vec<&Answer> = made.iter().filter(|answer| answer.status != 201).collect();
    assert_eq!(refused.len(), 3, "the first secret is one of the ten");
    assert!(refused.iter().all(|answer| answer.status == 409 && answer.code() == "too_many_secrets"));
    // A rotation adds none for long, so it is not refused; and what is gone makes room.
    let new = scene.post(&format!("{}/rotate", account.secret_path()), json!({})).await.expect(201);
    let new = account.with_secret(&new);
    scene.until_status(&new.secret_path(), "valid").await;
    assert_eq!(another(&scene, &account, &json!({})).await.expect(409).code(), "too_many_secrets");
    delete(&scene, &new).await.expect(200);
    another(&scene, &account, &json!({})).await.expect(201);
}

#[tokio::test]
async fn a_rotation_ends_when_its_new_secret_is_deleted_and_goes_on_when_its_old_one_is() {
    let scene = Scene::new().await;
    let (one, other) = (scene.account("one").await, scene.account("other").await);
    let rotate = async |account: &Account| {
        scene.token_of(account, &[]).await;
        account.with_secret(
            &scene.post(&format!("{}/rotate", account.secret_path()), json!({})).await.expect(201),
        )
    };
    scene.token_of(&other, &[]).await;
    scene.token_of(&one, &[]).await;
    run_sql(&scene.database_url, &deaf_instance(4)).await;
    let (new_of_one, new_of_other) = (rotate(&one).await, rotate(&other).await);
    let prefer = [("prefer", "respond-async")];
    scene.send(Method::DELETE, &new_of_one.secret_path(), &prefer, None).await.expect(202);
    scene.send(Method::DELETE, &other.secret_path(), &prefer, None).await.expect(202);
    scene.until_status(&new_of_other.secret_path(), "valid").await;
    scene.until_status(&new_of_one.secret_path(), "revoked").await;
    assert_eq!(status_of(&scene.client, &new_of_one).await, 401);
    assert_eq!(status_of(&scene.client, &one).await, 200, "nothing took its place");
    assert_eq!(status_of(&scene.client, &other).await, 401);
    rotate(&one).await;
}

#[tokio::test]
async fn a_repeated_creation_shows_what_the_first_made_without_the_secret() {
    let scene = Scene::new().await;
    let account = scene.account("repeated").await;
    let path = format!("service-accounts/{}/secrets", account.id);
    let key = [("idempotency-key", "k")];
    let made = scene.send(Method::POST, &path, &key, None).await.expect(201);
    let again = scene.send(Method::POST, &path, &key, None).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), made.header("location"));
    assert!(again.json().get("client_secret").is_none());
    let other = scene.send(Method::POST, &path, &key, Some(&json!({ "name": "other" }))).await.expect(422);
    assert_eq!(other.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn nobody_gives_or_takes_the_secrets_of_who_holds_more_or_is_out_of_reach() {
    let scene = Scene::new().await;
    let greater = scene.holder("greater", &["iam.service_account", "iam.license"], json!("all")).await;
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let lesser = scene.holder("lesser", &["iam.service_account"], json!("all")).await;
    let table =
        [(&lesser, 403, "cannot_grant"), (&reader, 403, "permission_denied"), (&local, 404, "not_found")];
    for (account, status, code) in table {
        let token = scene.token_of(account, &[]).await;
        let path = scene.path(&format!("service-accounts/{}/secrets", greater.id));
        let refused = scene.client.call(&token, Method::POST, &path, Some(&json!({}))).await.expect(status);
        assert_eq!(refused.code(), code);
        let path = scene.path(&greater.secret_path());
        let refused = scene.client.call(&token, Method::DELETE, &path, None).await.expect(status);
        assert_eq!(refused.code(), code);
    }
    let borrowed = format!("/v1/tenants/{below}/{}", greater.secret_path());
    let token = scene.token_of(&local, &[]).await;
    assert_eq!(
        scene.client.call(&token, Method::DELETE, &borrowed, None).await.expect(404).code(),
        "not_found"
    );
    scene.token_of(&greater, &[]).await;
}
