//! Who may act for an account: a set that is put and read by who may do so.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::exchange::{actors_path, exchange, let_act};
use crate::support::scene::{Account, Scene};

async fn put(scene: &Scene, account: &Account, actors: &Value) -> Answer {
    let body = json!({ "actors": actors });
    scene.send(Method::PUT, &actors_path(account), &[("if-match", "*")], Some(&body)).await
}

#[tokio::test]
async fn nobody_acts_until_somebody_says_so() {
    let scene = Scene::new().await;
    let (account, b, a) =
        (scene.account("lends").await, scene.account("b acts").await, scene.account("a acts").await);
    let path = actors_path(&account);
    let none = scene.get(&path).await.expect(200);
    assert_eq!((none.json(), none.header("etag")), (json!({ "actors": [] }), "\"0\""));
    let body = json!({ "actors": [b.client_id, a.client_id, b.client_id] });
    let some = scene.send(Method::PUT, &path, &[("if-match", "\"0\"")], Some(&body)).await.expect(200);
    assert_eq!(
        some.json(),
        json!({ "actors": [a.client_id, b.client_id] }),
        "in order, each once, no receipt"
    );
    assert_eq!(some.header("etag"), "\"1\"");
    assert_eq!(scene.get(&path).await.expect(200).json(), some.json());
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("actors.replace", &account.id).await, admin);
    put(&scene, &account, &json!([b.client_id, a.client_id])).await.expect(200);
    assert_eq!(scene.audited("actors.replace", &account.id).await, admin, "nothing was changed");
}

#[tokio::test]
async fn they_are_changed_only_by_who_has_seen_the_latest() {
    let scene = Scene::new().await;
    let (account, actor) = (scene.account("lends").await, scene.account("acts").await);
    let_act(&scene, &account, &[&actor]).await.expect(200);
    let (path, body) = (actors_path(&account), json!({ "actors": [] }));
    let missing = scene.send(Method::PUT, &path, &[], Some(&body)).await.expect(428);
    assert_eq!(missing.code(), "precondition_required");
    for stale in ["\"0\"", "\"2\"", "W/\"1\""] {
        let answer = scene.send(Method::PUT, &path, &[("if-match", stale)], Some(&body)).await.expect(412);
        assert_eq!(answer.code(), "stale_etag");
    }
    let gone = scene.send(Method::PUT, &path, &[("if-match", "\"1\"")], Some(&body)).await.expect(200);
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    let late = json!({ "actors": [actor.client_id] });
    let headers = [("if-match", "\"2\""), ("prefer", "respond-async")];
    scene.send(Method::PUT, &path, &headers, Some(&late)).await.expect(200);
    let headers = [("if-match", "\"3\""), ("prefer", "respond-async")];
    let later = scene.send(Method::PUT, &path, &headers, Some(&body)).await;
    assert!([200, 202].contains(&later.status), "{}", later.status);
}

#[tokio::test]
async fn who_acts_is_an_account_of_the_same_tenant() {
    let scene = Scene::new().await;
    let child = scene.child("below").await;
    let (account, below) = (scene.account("lends").await, scene.account_in(&child, "below").await);
    let gone = scene.account("gone").await;
    let path = format!("service-accounts/{}", gone.id);
    scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    for unknown in [&*below.client_id, &gone.client_id, "nobody", "a@1.iam.example"] {
        let answer = put(&scene, &account, &json!([unknown])).await.expect(422);
        assert_eq!(
            (answer.code().as_str(), &answer.json()["errors"][0]["field"]),
            ("unknown_actor", &json!("actors"))
        );
    }
    // Nor does one of above: the same looked at from the child.
    let token = scene.admin_token().await;
    let path = format!("/v1/tenants/{child}/{}", actors_path(&below));
    let above = json!({ "actors": [scene.admin.client_id] });
    let request = scene.client.request(Method::PUT, &path).bearer_auth(&token).header("if-match", "*");
    assert_eq!(scene.client.send(request.json(&above)).await.expect(422).code(), "unknown_actor");
}

#[tokio::test]
async fn as_many_as_the_contract_says() {
    let scene = Scene::new().await;
    let account = scene.account("lends").await;
    let mut actors = Vec::new();
    for n in 0..21 {
        actors.push(json!(scene.account(&format!("acts {n:02}")).await.client_id));
    }
    put(&scene, &account, &json!(actors[..20])).await.expect(200);
    let more = put(&scene, &account, &json!(actors)).await.expect(400);
    assert_eq!(
        (more.code().as_str(), &more.json()["errors"][0]["field"]),
        ("invalid_body", &json!("actors"))
    );
    for bad in [json!(null), json!("a"), json!([1]), json!([""]), json!(["x".repeat(256)])] {
        assert_eq!(put(&scene, &account, &bad).await.expect(400).code(), "invalid_body", "{bad}");
    }
}

#[tokio::test]
async fn nobody_lends_what_they_do_not_hold() {
    let scene = Scene::new().await;
    let deputy = scene.holder("deputy", &["iam.service_account"], json!("all")).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let (holder, plain) =
        (scene.holder("more", &["iam.api_key"], json!("all")).await, scene.account("plain").await);
    let call = async |by: &Account, method: Method, of: &Account| {
        let token = scene.token_of(by, &[]).await;
        let request = scene.client.request(method, &scene.path(&actors_path(of))).bearer_auth(token);
        let body = json!({ "actors": [deputy.client_id] });
        scene.client.send(request.header("if-match", "*").json(&body)).await
    };
    assert_eq!(call(&deputy, Method::PUT, &holder).await.expect(403).code(), "cannot_grant");
    call(&deputy, Method::PUT, &plain).await.expect(200);
    call(&reader, Method::GET, &plain).await.expect(200);
    assert_eq!(call(&reader, Method::PUT, &plain).await.expect(403).code(), "permission_denied");
    assert_eq!(call(&plain, Method::GET, &plain).await.expect(403).code(), "permission_denied");
}

/// What a cache holds against a caller is not believed: an actor may act from the answer on, at every instance.
#[tokio::test]
async fn a_new_actor_acts_at_once() {
    let scene = Scene::new().await;
    let (account, actor) = (scene.account("lends").await, scene.account("acts").await);
    let token = scene.token_of(&account, &[]).await;
    exchange(&scene.client, &actor, &token, &[]).await.expect(400);
    let_act(&scene, &account, &[&actor]).await.expect(200);
    exchange(&scene.client, &actor, &token, &[]).await.expect(200);
}
