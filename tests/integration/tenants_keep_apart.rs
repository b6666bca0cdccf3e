//! A tenant acts for itself and for what is below it, never sideways or up; what belongs to another
//! looks exactly like what does not exist, whatever is asked of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::Scene;

/// An answer without what tells one occurrence from another.
fn shape(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
    }
    (answer.status, body)
}

#[tokio::test]
async fn down_the_tree_but_never_sideways_or_up() {
    let scene = Scene::new().await;
    let (left, right) = (scene.child("left").await, scene.child("right").await);
    let local = scene.administrator_of(&left).await;
    let token = scene.token_of(&local, &[]).await;
    let get = async |path: &str| scene.client.call(&token, Method::GET, path, None).await;
    let make = async |body: Value| scene.client.call(&token, Method::POST, "/v1/tenants", Some(&body)).await;

    let below = make(json!({ "name": "below left" })).await.expect(201).json();
    assert_eq!(below["parent_tsg_id"], json!(left), "the caller's own unless told");
    let below = below["tsg_id"].as_str().expect("a number").to_owned();
    let deepest = make(json!({ "name": "deepest", "parent_tsg_id": below })).await.expect(201).text("tsg_id");
    let seen = get("/v1/tenants").await.expect(200).json();
    let mut seen: Vec<_> =
        seen["items"].as_array().expect("items").iter().map(|t| t["tsg_id"].clone()).collect();
    let mut reach = [json!(left), json!(below), json!(deepest)];
    seen.sort_by_key(ToString::to_string);
    reach.sort_by_key(ToString::to_string);
    assert_eq!(seen, reach);

    let unknown = shape(&get("/v1/tenants/9999999999").await.expect(404));
    for other in [&right, &scene.tsg_id] {
        assert_eq!(shape(&get(&format!("/v1/tenants/{other}")).await), unknown);
        for noun in ["licenses", "service-accounts", "roles", "access-policies", "api-keys"] {
            assert_eq!(shape(&get(&format!("/v1/tenants/{other}/{noun}")).await), unknown, "{noun}");
        }
        let role = json!({ "name": "r", "permissions": ["iam.read"] });
        let path = format!("/v1/tenants/{other}/roles");
        assert_eq!(shape(&scene.client.call(&token, Method::POST, &path, Some(&role)).await), unknown);
        let child = make(json!({ "name": "t", "parent_tsg_id": other })).await.expect(422);
        assert_eq!(child.code(), "not_a_descendant");
    }
    get(&format!("/v1/tenants/{deepest}/roles")).await.expect(200);
    scene.client.call(&token, Method::GET, &format!("/v1/tenants/{left}"), None).await.expect(200);
}

#[tokio::test]
async fn a_token_for_a_descendant_acts_there_and_not_where_its_account_is() {
    let scene = Scene::new().await;
    let below = scene.child("below").await;
    let token = scene.token_of(&scene.admin, &[("scope", &format!("tsg_id:{below}"))]).await;
    scene.client.call(&token, Method::GET, &format!("/v1/tenants/{below}/roles"), None).await.expect(200);
    scene.client.call(&token, Method::GET, &scene.path("roles"), None).await.expect(404);
    let made = json!({ "name": "further below" });
    let made = scene.client.call(&token, Method::POST, "/v1/tenants", Some(&made)).await.expect(201);
    assert_eq!(made.text("parent_tsg_id"), below);
}

#[tokio::test]
async fn things_of_another_tenant_look_like_things_that_do_not_exist() {
    let scene = Scene::new().await;
    let other = scene.child("other").await;
    let stranger = scene.administrator_of(&other).await;
    let token = scene.admin_token().await;
    let there = async |noun: &str, body: Value| {
        let path = format!("/v1/tenants/{other}/{noun}");
        scene.client.call(&token, Method::POST, &path, Some(&body)).await.expect(201)
    };
    let license = there("licenses", json!({ "product": "prisma_access" })).await.text("id");
    let role = there("roles", json!({ "name": "theirs", "permissions": ["iam.read"] })).await.text("id");
    let policy = json!({ "principal": stranger.client_id, "role": "theirs", "products": "all" });
    let policy = there("access-policies", policy).await.text("id");
    let key = json!({ "product": "prisma_access", "service_account_id": stranger.id });
    let key = there("api-keys", key).await.text("api_key_id");

    let nobody = "00000000-0000-7000-8000-0000000000ff";
    let call = async |method: Method, noun: &str, id: &str| {
        let request = scene.client.request(method.clone(), &scene.path(&format!("{noun}/{id}")));
        let mut request = request.bearer_auth(&token).header("if-match", "*");
        if method == Method::PATCH {
            request = request.json(&json!({ "enabled": false }));
        }
        shape(&scene.client.send(request).await)
    };
    for (method, noun, theirs, unknown) in [
        (Method::GET, "licenses", &license, nobody),
        (Method::GET, "roles", &role, nobody),
        (Method::GET, "access-policies", &policy, nobody),
        (Method::DELETE, "access-policies", &policy, nobody),
        (Method::GET, "service-accounts", &stranger.id, nobody),
        (Method::PATCH, "service-accounts", &stranger.id, nobody),
        (Method::DELETE, "service-accounts", &stranger.id, nobody),
        (Method::GET, "api-keys", &key, "42"),
    ] {
        let answer = call(method.clone(), noun, theirs).await;
        assert_eq!(answer.0, 404, "{method} {noun}");
        assert_eq!(answer, call(method, noun, unknown).await, "{noun}");
    }
    let revoked = scene.revoke(&key).await.expect(404);
    assert_eq!(shape(&revoked), shape(&scene.revoke("42").await));

    let key = json!({ "product": "prisma_access", "service_account_id": stranger.id });
    assert_eq!(scene.post("api-keys", key).await.expect(422).code(), "unknown_service_account");
    let friend = scene.account("friend").await;
    let policy =
        |principal: &str, role: &str| json!({ "principal": principal, "role": role, "products": "all" });
    let unknown = scene.post("access-policies", policy(&stranger.client_id, "auditor")).await.expect(422);
    assert_eq!(unknown.code(), "unknown_principal");
    let unknown = scene.post("access-policies", policy(&friend.client_id, "theirs")).await.expect(422);
    assert_eq!(unknown.code(), "unknown_role");
    // All of it is where it was.
    scene.token_of(&stranger, &[("resource", &scene.client.url)]).await;
}
