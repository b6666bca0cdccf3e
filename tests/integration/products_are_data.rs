//! An operator adds a product with a policy of its own, and has a working kind of key, without a line of code.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::own_key::OwnKey;
use crate::support::scene::Scene;

fn product(style: &str, policy: &Value) -> Value {
    json!({
        "product": "tide_tables", "title": "Tide tables", "audience": "urn:example:tides",
        "key_style": style, "key_policy": policy,
    })
}

async fn make(scene: &Scene, body: &Value) -> Answer {
    let token = scene.admin_token().await;
    scene.client.call(&token, Method::POST, "/v1/products", Some(body)).await
}

#[tokio::test]
async fn a_new_product_has_working_keys_by_its_own_rules() {
    let scene = Scene::new().await;
    let policy = json!({
        "owner": "role", "most_active_per_role": 1, "may_expire": true, "expiry_default_months": 3,
        "may_be_regenerated": true, "may_be_inactive": true, "security_levels": ["standard"],
    });
    let made = make(&scene, &product("signed", &policy)).await.expect(201);
    assert_eq!(made.json()["key_policy"]["requires_name"], json!(false));
    assert_eq!(scene.admin_get("/v1/products/tide_tables").await.expect(200).json(), made.json());

    let body = json!({ "product": "tide_tables", "role": "auditor", "expires": true });
    assert_eq!(scene.post("api-keys", body.clone()).await.expect(422).code(), "license_required");
    scene.post("licenses", json!({ "product": "tide_tables" })).await.expect(201);
    let key = scene.valid_key(body.clone()).await;
    let shown = key.as_standard(&scene.client).await.expect(200);
    assert_eq!(shown.text("audience"), "urn:example:tides");
    assert_eq!(scene.post("api-keys", body).await.expect(409).code(), "too_many_keys");
    let advanced = json!({ "product": "tide_tables", "role": "auditor", "security_level": "advanced" });
    assert_eq!(scene.post("api-keys", advanced).await.expect(422).code(), "security_level_not_offered");
    let new = OwnKey::of(&scene.post(&format!("{}/regenerate", key.path()), json!({})).await.expect(201));
    scene.until(&new.id, "valid").await;
    scene.until(&key.id, "revoked").await;
    new.as_standard(&scene.client).await.expect(200);
    scene.post(&format!("{}/deactivate", new.path()), json!({})).await.expect(200);
    new.as_standard(&scene.client).await.expect(401);
}

#[rstest]
#[case::bound("bound_service_account", json!({"owner": "service_account"}))]
#[case::opaque("opaque", json!({"owner": "tenant", "first_key_with_license": true}))]
#[case::access("access_key", json!({"owner": "role"}))]
#[case::the_tenants_access_key("access_key", json!({"owner": "tenant"}))]
#[case::a_roles_opaque_key("opaque", json!({"owner": "role", "most_active_per_role": 3}))]
#[tokio::test]
async fn every_style_can_be_a_new_products(#[case] style: &str, #[case] policy: Value) {
    let scene = Scene::new().await;
    make(&scene, &product(style, &policy)).await.expect(201);
    let license = scene.post("licenses", json!({ "product": "tide_tables" })).await.expect(201);
    if policy["first_key_with_license"] == true {
        assert!(license.json()["api_key"]["secret"].is_string());
        return;
    }
    let mut body = json!({ "product": "tide_tables" });
    match policy["owner"].as_str() {
        Some("service_account") => body["service_account_id"] = json!(scene.account("any").await.id),
        Some("role") => body["role"] = json!("auditor"),
        _ => {}
    }
    let made = scene.post("api-keys", body).await.expect(201);
    scene.until(&made.text("api_key_id"), "valid").await;
}

#[rstest]
#[case::unbound_account("opaque", json!({"owner": "service_account"}))]
#[case::bound_tenant("bound_service_account", json!({"owner": "tenant"}))]
#[case::count_without_role("opaque", json!({"owner": "tenant", "most_active_per_role": 2}))]
#[case::none_at_all("opaque", json!({"owner": "role", "most_active_per_role": 0}))]
#[case::held_without_role("opaque", json!({"owner": "tenant", "requires_held_role": true}))]
#[case::all_apps_without_account("opaque", json!({"owner": "tenant", "requires_all_apps": true}))]
#[case::permissions_without_all_apps("bound_service_account", json!({"owner": "service_account", "required_permissions": ["iam.read"]}))]
#[case::first_key_of_a_role("opaque", json!({"owner": "role", "first_key_with_license": true}))]
#[case::signed_how("signed", json!({"owner": "role"}))]
#[case::levels_without_signing("opaque", json!({"owner": "role", "security_levels": ["standard"]}))]
#[case::two_ends("opaque", json!({"owner": "role", "may_expire": true, "expires_with_license": true}))]
#[case::extended_without_end("opaque", json!({"owner": "role", "may_be_extended": true}))]
#[case::no_month("opaque", json!({"owner": "role", "may_expire": true, "expiry_default_months": 0}))]
#[case::bound_and_off("bound_service_account", json!({"owner": "service_account", "may_be_inactive": true}))]
#[tokio::test]
async fn a_policy_that_contradicts_itself_is_refused(#[case] style: &str, #[case] policy: Value) {
    let scene = Scene::new().await;
    let refused = make(&scene, &product(style, &policy)).await.expect(422);
    assert_eq!(refused.code(), "policy_contradicts");
    assert!(refused.text("detail").len() > "key_policy contradicts itself: ".len());
}

#[tokio::test]
async fn products_are_made_at_the_root_by_who_may() {
    let scene = Scene::new().await;
    let body = product("opaque", &json!({ "owner": "tenant" }));
    let child = scene.child("Below").await;
    let local = scene.administrator_of(&child).await;
    let token = scene.token_of(&local, &[]).await;
    let refused = scene.client.call(&token, Method::POST, "/v1/products", Some(&body)).await.expect(403);
    assert_eq!(refused.code(), "permission_denied");
    let reader = scene.holder("reader", &["iam.read", "iam.api_key"], json!("all")).await;
    let token = scene.token_of(&reader, &[]).await;
    scene.client.call(&token, Method::POST, "/v1/products", Some(&body)).await.expect(403);
    scene.client.call(&token, Method::GET, "/v1/products/cortex_cloud", None).await.expect(200);

    make(&scene, &body).await.expect(201);
    assert_eq!(make(&scene, &body).await.expect(409).code(), "product_exists");
    let mut own = product("opaque", &json!({ "owner": "tenant" }));
    own["product"] = json!("carnet_itself");
    own["audience"] = json!(scene.client.url);
    assert_eq!(make(&scene, &own).await.expect(422).code(), "invalid_audience");
    own["audience"] = json!("urn:carnet:product:cortex_cloud");
    assert_eq!(make(&scene, &own).await.expect(409).code(), "product_exists");
    own["audience"] = json!("urn:example:other");
    own["key_policy"] = json!({ "owner": "service_account", "requires_all_apps": true, "required_permissions": ["iam.nonsense"] });
    own["key_style"] = json!("bound_service_account");
    assert_eq!(make(&scene, &own).await.expect(422).code(), "unknown_permission");
    for (field, bad) in [
        ("product", json!("Tides")),
        ("product", json!("t")),
        ("audience", json!("no uri")),
        ("audience", json!("urn:a#b")),
        ("token_lifetime_seconds", json!(59)),
        ("title", json!("")),
    ] {
        let mut body = product("opaque", &json!({ "owner": "tenant" }));
        body[field] = bad.clone();
        assert_eq!(make(&scene, &body).await.expect(400).code(), "invalid_body", "{field} {bad}");
    }
}

#[tokio::test]
async fn a_title_changes_by_who_has_seen_the_latest() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let change = async |tag: &str, title: &str| {
        let request = scene.client.request(Method::PATCH, "/v1/products/cortex_cloud").bearer_auth(&token);
        scene.client.send(request.header("if-match", tag).json(&json!({ "title": title }))).await
    };
    let before = scene.admin_get("/v1/products/cortex_cloud").await.expect(200);
    let tag = before.header("etag").to_owned();
    assert_eq!(change(&tag, "Cortex").await.expect(200).text("title"), "Cortex");
    assert_eq!(change(&tag, "Vortex").await.expect(412).code(), "stale_etag");
    scene.admin_get("/v1/products/nonsense").await.expect(404);
}
