//! A secret is rotated without a moment in which there is none, by one of any number who try; and what it replaced is
//! refused everywhere, with a receipt.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

mod refused;
mod together;

/// An account whose secret works.
async fn working(scene: &Scene, name: &str) -> Account {
    let account = scene.account(name).await;
    scene.token_of(&account, &[]).await;
    account
}

async fn rotate(scene: &Scene, account: &Account, body: &Value) -> Answer {
    scene.post(&format!("{}/rotate", account.secret_path()), body.clone()).await
}

async fn status_of(client: &Client, account: &Account) -> u16 {
    client.token(&account.client_id, &account.client_secret, &[]).await.status
}

#[tokio::test]
async fn the_new_secret_takes_the_place_of_the_old_one_in_every_instance_and_there_is_a_receipt() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let old = working(&scene, "rotated").await;
    let token = other.token(&old.client_id, &old.client_secret, &[]).await.expect(200).text("access_token");
    other.whoami(&token).await.expect(200);
    assert_eq!(scene.get(&format!("{}/receipt", old.secret_path())).await.expect(404).code(), "not_found");

    let made = rotate(&scene, &old, &json!({})).await.expect(201);
    assert_eq!((made.text("status"), made.text("replaces")), ("pending".into(), old.credential_id()));
    assert_eq!((made.text("name"), &made.json()["expires_at"]), ("default".into(), &Value::Null));
    let new = old.with_secret(&made);
    assert_eq!(made.header("location"), scene.path(&new.secret_path()));
    assert!(made.json().get("receipt").is_none(), "nothing has been taken away yet");

    scene.until_status(&new.secret_path(), "valid").await;
    let receipt = scene.until_everywhere(&format!("{}/receipt", old.secret_path())).await.json();
    let instances = receipt["regions"][0]["instances"].as_array().expect("instances");
    assert_eq!(instances.len(), 2);
    assert!(instances.iter().all(|instance| instance["state"] == "applied"), "{receipt}");
    for client in [&scene.client, &other] {
        assert_eq!((status_of(client, &old).await, status_of(client, &new).await), (401, 200));
    }
    other.whoami(&token).await.expect(401);
    let gone = scene.get(&old.secret_path()).await.expect(200);
    assert_eq!(gone.text("status"), "revoked");
    let by = [
        ("client_secret.rotate", &old, scene.admin.client_id.as_str()),
        ("client_secret.valid", &new, "carnet"),
        ("client_secret.replaced", &old, "carnet"),
        ("client_secret.revoked", &old, "carnet"),
    ];
    for (action, secret, actor) in by {
        let audited = scene.audited(action, &secret.credential_id()).await;
        assert_eq!(audited.as_deref(), Some(actor), "{action}");
    }
    // It goes on from there.
    let again = rotate(&scene, &new, &json!({ "name": "third" })).await.expect(201);
    assert_eq!((again.text("name"), again.text("replaces")), ("third".into(), new.credential_id()));
}

#[tokio::test]
async fn there_is_never_a_moment_in_which_neither_is_accepted() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let clients = [scene.client.clone(), Client::new(&instance.url)];
    let mut account = working(&scene, "never without").await;
    for round in 0..6 {
        let new = account.with_secret(&rotate(&scene, &account, &json!({})).await.expect(201));
        let deadline = Instant::now() + Duration::from_millis(600);
        let mut refused = [false; 2];
        while Instant::now() < deadline {
            for (client, refused) in clients.iter().zip(&mut refused) {
                // Refused once means that the other one, asked later, is accepted.
                *refused |= status_of(client, &account).await == 401;
                let status = status_of(client, &new).await;
                assert!(if *refused { status == 200 } else { [200, 503].contains(&status) }, "{status}");
            }
        }
        assert_eq!(refused, [true; 2], "round {round}");
        account = new;
    }
}

#[tokio::test]
async fn the_old_one_is_revoking_until_everybody_has_heard() {
    let scene = Scene::new().await;
    let old = working(&scene, "heard late").await;
    // It has heard of the new secret, which is the next change, and hears of nothing after that.
    let half_deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until)
        SELECT gen_random_uuid(), 'local', max(seq) + 1, 0, clock_timestamp() + interval '3 seconds' FROM change";
    run_sql(&scene.database_url, half_deaf).await;
    let new = old.with_secret(&rotate(&scene, &old, &json!({})).await.expect(201));
    scene.until_status(&new.secret_path(), "valid").await;
    assert_eq!(scene.get(&old.secret_path()).await.text("status"), "revoking");
    let path = format!("{}/receipt", old.secret_path());
    let receipt = scene.get(&path).await.expect(200).json();
    assert_eq!(receipt["effective_everywhere_at"], Value::Null);
    assert!(receipt.to_string().contains("waiting"), "{receipt}");
    let receipt = scene.until_everywhere(&path).await.json();
    assert!(receipt.to_string().contains("lapsed"), "{receipt}");
    scene.until_status(&old.secret_path(), "revoked").await;
}

#[tokio::test]
async fn rotated_at_once_the_old_one_is_refused_everywhere_when_the_answer_is_there() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let old = working(&scene, "leaked").await;
    other.token(&old.client_id, &old.client_secret, &[]).await.expect(200);
    let made = rotate(&scene, &old, &json!({ "immediate": true })).await.expect(201);
    assert!(made.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", made.json());
    for client in [&scene.client, &other] {
        assert_eq!(status_of(client, &old).await, 401);
    }
    assert_eq!(scene.get(&old.secret_path()).await.text("status"), "revoked");
    let new = old.with_secret(&made);
    scene.token_of(&new, &[]).await;
    let receipt = scene.get(&format!("{}/receipt", old.secret_path())).await.expect(200);
    assert_eq!(receipt.json(), made.json()["receipt"]);
    let by = scene.audited("client_secret.revoke", &old.credential_id()).await;
    assert_eq!(by.as_deref(), Some(scene.admin.client_id.as_str()));
    assert_eq!(scene.audited("client_secret.replaced", &old.credential_id()).await, None);
}

#[tokio::test]
async fn rotated_at_once_while_an_instance_does_not_hear_the_receipt_says_so() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 2 })).await;
    let (slow, quick) = (working(&scene, "slow").await, working(&scene, "quick").await);
    run_sql(&scene.database_url, &crate::valid_everywhere::deaf_instance(600)).await;
    let immediate = json!({ "immediate": true });
    let key = [("idempotency-key", "leak")];
    let path = format!("{}/rotate", slow.secret_path());
    let started = Instant::now();
    let made = scene.send(Method::POST, &path, &key, Some(&immediate)).await.expect(201);
    assert!(started.elapsed() >= Duration::from_secs(2), "it has not waited");
    assert_eq!(made.json()["receipt"]["effective_everywhere_at"], Value::Null);
    let again = scene.send(Method::POST, &path, &key, Some(&immediate)).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json()["receipt"]["receipt_id"], made.json()["receipt"]["receipt_id"]);

    let path = format!("{}/rotate", quick.secret_path());
    let started = Instant::now();
    let prefer = [("prefer", "respond-async")];
    let made = scene.send(Method::POST, &path, &prefer, Some(&immediate)).await.expect(201);
    assert!(started.elapsed() < Duration::from_secs(1), "it has waited {:?}", started.elapsed());
    assert_eq!(made.json()["receipt"]["effective_everywhere_at"], Value::Null);
}

#[tokio::test]
async fn a_new_secret_whose_time_is_over_before_it_is_everywhere_takes_nobodys_place() {
    let scene = Scene::new().await;
    let old = working(&scene, "kept").await;
    run_sql(&scene.database_url, &crate::valid_everywhere::deaf_instance(3)).await;
    let soon = scene.in_seconds(1).await;
    let new = old.with_secret(&rotate(&scene, &old, &json!({ "expires_at": soon })).await.expect(201));
    scene.until_status(&new.secret_path(), "expired").await;
    let flipped = async || scene.audited("client_secret.valid", &new.credential_id()).await.is_some();
    while !flipped().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(scene.get(&old.secret_path()).await.text("status"), "valid");
    assert_eq!(status_of(&scene.client, &old).await, 200);
    rotate(&scene, &old, &json!({})).await.expect(201);
}
