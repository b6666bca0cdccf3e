//! A key that is regenerated works until the new one does, in every region; one that is to overlap, for a while longer; and of two
//! who regenerate it, one does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::own_key::OwnKey;
use crate::support::scene::Scene;
use crate::support::stores::run_sql;

async fn regenerate(scene: &Scene, key: &OwnKey, how: Value) -> OwnKey {
    OwnKey::of(&scene.post(&format!("{}/regenerate", key.path()), how).await.expect(201))
}

async fn capacity_key(scene: &Scene) -> OwnKey {
    scene.valid_key(json!({ "product": "prisma_capacity", "name": "the one", "comment": "noted" })).await
}

#[tokio::test]
async fn one_works_at_every_moment_and_in_the_end_the_new_one_alone() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    let new = regenerate(&scene, &old, json!({})).await;
    // Between them never none.
    loop {
        let (before, after) =
            (old.as_bearer(&scene.client).await.status, new.as_bearer(&scene.client).await.status);
        assert!(before == 200 || after == 200, "{before} {after}");
        if (before, after) == (401, 200) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let gone = scene.until(&old.id, "revoked").await;
    assert_eq!(gone.text("revoke_reason"), "regenerated");
    let shown = scene.until(&new.id, "valid").await;
    assert_eq!((shown.text("name"), shown.text("comment")), ("the one".into(), "noted".into()));
    assert_eq!(shown.text("replaces"), old.id);
    assert_eq!(scene.audited("api_key.replaced", &old.id).await.as_deref(), Some("carnet"));
    // The place is taken, and free again when the new one goes.
    let another = json!({ "product": "prisma_capacity" });
    assert_eq!(scene.post("api-keys", another.clone()).await.expect(409).code(), "active_key_exists");
    scene.revoke(&new.id).await.expect(200);
    scene.post("api-keys", another).await.expect(201);
}

#[tokio::test]
async fn an_overlap_ends_by_itself() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    let new = regenerate(&scene, &old, json!({ "overlap_seconds": 2 })).await;
    scene.until(&new.id, "valid").await;
    old.as_bearer(&scene.client).await.expect(200);
    new.as_bearer(&scene.client).await.expect(200);
    scene.until(&old.id, "expired").await;
    old.as_bearer(&scene.client).await.expect(401);
    new.as_bearer(&scene.client).await.expect(200);
}

#[tokio::test]
async fn immediately_regenerated_the_old_one_is_gone_with_the_answer() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    let answer =
        scene.post(&format!("{}/regenerate", old.path()), json!({ "immediate": true })).await.expect(201);
    assert!(answer.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", answer.json());
    old.as_bearer(&scene.client).await.expect(401);
    let new = OwnKey::of(&answer);
    scene.until(&new.id, "valid").await;
    new.as_bearer(&scene.client).await.expect(200);
}

#[tokio::test]
async fn who_is_to_take_a_keys_place_takes_it_whatever_becomes_of_that_key() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    // Nobody hears of anything for a while.
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
                ('00000000-0000-0000-0000-000000000001', 'local', 0, 0, clock_timestamp() + interval '10 minutes')";
    run_sql(&scene.database_url, deaf).await;
    let new = regenerate(&scene, &old, json!({})).await;
    let again = scene.post(&format!("{}/regenerate", old.path()), json!({})).await.expect(409);
    assert_eq!(again.code(), "regeneration_under_way");
    let prefer = [("prefer", "respond-async")];
    scene
        .send(reqwest::Method::POST, &format!("{}/revoke", old.path()), &prefer, Some(&json!({})))
        .await
        .expect(202);
    let refused = scene.post("api-keys", json!({ "product": "prisma_capacity" })).await.expect(409);
    assert_eq!(refused.code(), "active_key_exists", "the place is the new one's already");
    run_sql(&scene.database_url, "DELETE FROM instance WHERE applied = 0").await;
    scene.until(&new.id, "valid").await;
    new.as_bearer(&scene.client).await.expect(200);
}

#[tokio::test]
async fn what_cannot_be_regenerated_says_what_to_do_instead() {
    let scene = Scene::new().await;
    let refused = async |key: &str, how: Value, status: u16, code: &str, says: &str| {
        let answer = scene.post(&format!("api-keys/{key}/regenerate"), how).await.expect(status);
        assert_eq!(answer.code(), code);
        assert!(answer.text("detail").contains(says), "{}", answer.text("detail"));
    };
    let account = scene.entitled_account("bound").await;
    let bound = scene.key("prisma_access", &account).await;
    refused(&bound, json!({}), 409, "not_allowed_by_policy", "rotate a secret of its service account").await;
    let signed = scene.valid_key(json!({ "product": "cortex_cloud", "role": "auditor" })).await;
    refused(&signed.id, json!({}), 409, "not_allowed_by_policy", "revoke it, and make another one").await;

    let key = capacity_key(&scene).await;
    let soon = scene.in_seconds(60).await;
    let path = key.path();
    scene
        .send(reqwest::Method::PATCH, &path, &[("if-match", "*")], Some(&json!({ "expires_at": soon })))
        .await
        .expect(200);
    refused(
        &key.id,
        json!({ "overlap_seconds": 120 }),
        422,
        "overlap_too_long",
        "longer than the key itself lives",
    )
    .await;
    scene.revoke(&key.id).await.expect(200);
    refused(&key.id, json!({}), 409, "api_key_revoked", "").await;
}

#[tokio::test]
async fn of_many_who_regenerate_one_does() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    let token = scene.admin_token().await;
    let path = scene.path(&format!("{}/regenerate", old.path()));
    let body = json!({});
    let ask = |_| scene.client.call(&token, reqwest::Method::POST, &path, Some(&body));
    let answers = futures_util::future::join_all((0..8).map(ask)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{:?}", answers.iter().map(|a| (a.status, a.code())).collect::<Vec<_>>());
    let new = OwnKey::of(made[0]);
    scene.until(&new.id, "valid").await;
    new.as_bearer(&scene.client).await.expect(200);
}

/// What a request that is repeated shows is what the first one made, without its secret.
#[tokio::test]
async fn a_repeated_regeneration_makes_nothing_again() {
    let scene = Scene::new().await;
    let old = capacity_key(&scene).await;
    let path = format!("{}/regenerate", old.path());
    let once = [("idempotency-key", "once")];
    let first = scene.send(reqwest::Method::POST, &path, &once, Some(&json!({}))).await.expect(201);
    scene.until(&old.id, "revoked").await;
    let second = scene.send(reqwest::Method::POST, &path, &once, Some(&json!({}))).await.expect(201);
    assert_eq!(second.text("api_key_id"), first.text("api_key_id"));
    assert_eq!(second.json()["secret"], json!(null));
    assert_eq!(second.header("idempotent-replayed"), "true");
}
