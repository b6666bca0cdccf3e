//! What key policies refuse, rule by rule, each by its own code: the fields, who may make a key, how many, what it is called, when
//! it ends.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

/// The end of a fraction may be written or not.
fn moment(text: &str) -> jiff::Timestamp {
    text.parse().expect("a moment")
}

const NOBODY: &str = "00000000-0000-7000-8000-0000000000ff";

async fn by(scene: &Scene, account: &Account, body: Value) -> Answer {
    let token = scene.token_of(account, &[]).await;
    scene.client.call(&token, Method::POST, &scene.path("api-keys"), Some(&body)).await
}

#[rstest]
#[case::bound_needs_an_account(json!({"product": "prisma_access"}), "service_account_required", "service_account_id")]
#[case::bound_has_no_role(json!({"product": "prisma_access", "service_account_id": NOBODY, "role": "auditor"}), "not_for_product", "role")]
#[case::bound_has_no_level(json!({"product": "prisma_access", "service_account_id": "@", "security_level": "standard"}), "not_for_product", "security_level")]
#[case::bound_has_no_end(json!({"product": "prisma_access", "service_account_id": "@", "expires": true}), "not_for_product", "expires")]
#[case::the_tenants_has_no_account(json!({"product": "prisma_capacity", "service_account_id": NOBODY}), "not_for_product", "service_account_id")]
#[case::the_tenants_has_no_role(json!({"product": "prisma_capacity", "role": "auditor"}), "not_for_product", "role")]
#[case::the_tenants_never_ends(json!({"product": "prisma_capacity", "expires_at": "2099-01-01T00:00:00Z"}), "not_for_product", "expires_at")]
#[case::access_needs_a_role(json!({"product": "prisma_cloud", "name": "a"}), "key_role_required", "role")]
#[case::access_needs_a_name(json!({"product": "prisma_cloud", "role": "superuser"}), "name_required", "name")]
#[case::access_has_no_account(json!({"product": "prisma_cloud", "name": "a", "service_account_id": NOBODY}), "not_for_product", "service_account_id")]
#[case::access_has_no_level(json!({"product": "prisma_cloud", "name": "a", "role": "superuser", "security_level": "advanced"}), "not_for_product", "security_level")]
#[case::not_over_already(json!({"product": "prisma_cloud", "name": "a", "role": "superuser", "expires_at": "2020-01-01T00:00:00Z"}), "expires_in_past", "expires_at")]
#[case::either_or(json!({"product": "prisma_cloud", "name": "a", "role": "superuser", "expires": false, "expires_at": "2099-01-01T00:00:00Z"}), "expires_contradicts", "expires")]
#[case::signed_needs_a_role(json!({"product": "cortex_cloud"}), "key_role_required", "role")]
#[case::a_role_that_exists(json!({"product": "cortex_cloud", "role": "nonsense"}), "unknown_role", "role")]
#[tokio::test]
async fn a_field_that_does_not_fit_is_named(
    #[case] mut body: Value,
    #[case] code: &str,
    #[case] field: &str,
) {
    let scene = Scene::new().await;
    if body["service_account_id"] == "@" {
        body["service_account_id"] = json!(scene.entitled_account("usable").await.id);
    }
    let refused = scene.post("api-keys", body).await.expect(422);
    assert_eq!(refused.code(), code);
    assert_eq!(refused.json()["errors"][0]["field"], json!(field), "{}", refused.json());
}

#[tokio::test]
async fn who_makes_a_key_of_a_role_holds_what_it_has_and_where_it_is_asked_for_the_role() {
    let scene = Scene::new().await;
    scene.post("roles", json!({ "name": "reader", "permissions": ["iam.read"] })).await.expect(201);
    let body = |product: &str, role: &str| json!({ "product": product, "role": role, "name": "mine" });

    // May make keys, and reads; holds the role `reader` in nothing but its permissions.
    let maker = scene.holder("maker", &["iam.api_key", "iam.read", "iam.api_access"], json!("all")).await;
    by(&scene, &maker, body("cortex_cloud", "reader")).await.expect(201);
    let refused = by(&scene, &maker, body("prisma_cloud", "reader")).await.expect(403);
    assert_eq!(refused.code(), "role_not_held");
    by(&scene, &maker, body("prisma_cloud", "maker role")).await.expect(201);
    for product in ["cortex_cloud", "prisma_cloud"] {
        let refused = by(&scene, &maker, body(product, "superuser")).await.expect(403);
        let code = if product == "cortex_cloud" { "cannot_grant" } else { "role_not_held" };
        assert_eq!(refused.code(), code);
    }

    // For one product only: neither the other's keys nor a wider role.
    let narrow = scene.holder("narrow", &["iam.api_key", "iam.read"], json!(["cortex_cloud"])).await;
    by(&scene, &narrow, body("cortex_cloud", "reader")).await.expect(201);
    let refused = by(&scene, &narrow, body("prisma_cloud", "reader")).await.expect(403);
    assert_eq!(refused.code(), "permission_denied");

    let without = scene.holder("without", &["iam.api_key", "iam.read"], json!("all")).await;
    let refused = by(&scene, &without, body("prisma_cloud", "without role")).await.expect(403);
    assert_eq!(refused.code(), "api_access_required");
}

#[tokio::test]
async fn a_role_has_two_active_access_keys_or_one() {
    let scene = Scene::new().await;
    let make = async |name: &str, role: &str| {
        scene.post("api-keys", json!({ "product": "prisma_cloud", "name": name, "role": role })).await
    };
    let first = make("first", "superuser").await.expect(201).text("api_key_id");
    let second = make("second", "superuser").await.expect(201).text("api_key_id");
    let refused = make("third", "superuser").await.expect(409);
    assert_eq!(refused.code(), "too_many_keys");
    assert!(refused.text("detail").contains("has 2 active keys"), "{}", refused.text("detail"));

    scene.post("roles", json!({ "name": "single", "permissions": ["iam.read"] })).await.expect(201);
    let policy = json!({ "principal": scene.admin.client_id, "role": "single", "products": "all" });
    scene.post("access-policies", policy).await.expect(201);
    run_sql(&scene.database_url, "UPDATE role SET one_access_key = true WHERE name = 'single'").await;
    make("only", "single").await.expect(201);
    let refused = make("second of it", "single").await.expect(409);
    assert!(refused.text("detail").contains("has 1 active keys"), "{}", refused.text("detail"));

    // One that is off counts; one that is revoked or over does not.
    scene.until(&first, "valid").await;
    scene.post(&format!("api-keys/{first}/deactivate"), json!({})).await.expect(200);
    assert_eq!(make("third", "superuser").await.expect(409).code(), "too_many_keys");
    scene.revoke(&second).await.expect(200);
    make("third", "superuser").await.expect(201);
    run_sql(
        &scene.database_url,
        &format!("UPDATE api_key SET expires_at = now() - interval '1 second' WHERE api_key_id = {first}"),
    )
    .await;
    make("fourth", "superuser").await.expect(201);
}

#[tokio::test]
async fn of_many_who_are_equally_fast_as_many_have_a_key_as_may() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let path = scene.path("api-keys");
    let ask = async |n: usize| {
        let body = json!({ "product": "prisma_cloud", "name": format!("key {n}"), "role": "superuser" });
        scene.client.call(&token, Method::POST, &path, Some(&body)).await
    };
    let answers = futures_util::future::join_all((0..8).map(ask)).await;
    let mut outcomes: Vec<_> = answers.iter().map(|answer| (answer.status, answer.code())).collect();
    outcomes.sort();
    let made = outcomes.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(made, 2, "{outcomes:?}");
    assert!(outcomes[2..].iter().all(|outcome| *outcome == (409, "too_many_keys".into())), "{outcomes:?}");
}

#[tokio::test]
async fn a_name_is_one_active_keys_alone() {
    let scene = Scene::new().await;
    let make = async |name: &str| {
        scene.post("api-keys", json!({ "product": "prisma_cloud", "name": name, "role": "superuser" })).await
    };
    let first = make("ci").await.expect(201).text("api_key_id");
    assert_eq!(make("ci").await.expect(409).code(), "duplicate_key_name");
    let second = make("other").await.expect(201).text("api_key_id");
    let rename = async |to: Value| {
        let path = format!("api-keys/{second}");
        scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&json!({ "name": to }))).await
    };
    assert_eq!(rename(json!("ci")).await.expect(409).code(), "duplicate_key_name");
    assert_eq!(rename(json!(null)).await.expect(422).code(), "name_required");
    scene.revoke(&first).await.expect(200);
    rename(json!("ci")).await.expect(200);
    // Where names need not be unique they are not.
    for _ in 0..2 {
        scene
            .post("api-keys", json!({ "product": "cortex_cloud", "name": "ci", "role": "auditor" }))
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn an_end_is_put_off_where_the_policy_says_so_and_never_once_it_has_come() {
    let scene = Scene::new().await;
    let made = scene
        .post(
            "api-keys",
            json!({ "product": "prisma_cloud", "name": "short", "role": "superuser", "expires": true }),
        )
        .await;
    let key = made.expect(201).text("api_key_id");
    let extend = async |key: &str, to: &str| {
        let path = format!("api-keys/{key}");
        scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&json!({ "expires_at": to }))).await
    };
    let (month, license) = (scene.in_seconds(86_400 * 40).await, scene.in_seconds(86_400 * 20_000).await);
    assert_eq!(moment(&extend(&key, &month).await.expect(200).text("expires_at")), moment(&month));
    let shown = extend(&key, &license).await.expect(200);
    let ends = moment(&shown.text("expires_at"));
    assert!(ends < moment(&license), "no key outlives its license: {ends}");
    run_sql(
        &scene.database_url,
        &format!("UPDATE api_key SET expires_at = now() - interval '1 second' WHERE api_key_id = {key}"),
    )
    .await;
    assert_eq!(extend(&key, &month).await.expect(409).code(), "api_key_expired");

    let made = scene
        .post("api-keys", json!({ "product": "cortex_cloud", "role": "auditor", "expires": true }))
        .await;
    let fixed = made.expect(201).text("api_key_id");
    assert_eq!(extend(&fixed, &month).await.expect(422).code(), "expires_later");
}

/// A license that goes on lets those keys go on that were to.
#[tokio::test]
async fn a_longer_license_lets_keys_go_on_for_as_long_as_was_asked() {
    let scene = Scene::new().await;
    let licenses = scene.get("licenses").await.expect(200).json();
    let license =
        licenses["items"].as_array().expect("items").iter().find(|l| l["product"] == "cortex_cloud");
    let license = license.and_then(|l| l["id"].as_str()).expect("a license").to_owned();
    let make = async |body: Value| scene.post("api-keys", body).await.expect(201).text("api_key_id");
    let soon = scene.in_seconds(86_400).await;
    let forever = make(json!({ "product": "cortex_cloud", "role": "auditor" })).await;
    let until_soon = make(json!({ "product": "cortex_cloud", "role": "auditor", "expires_at": soon })).await;
    let end = async |to: &str| {
        let path = format!("licenses/{license}");
        scene
            .send(Method::PATCH, &path, &[("if-match", "*")], Some(&json!({ "ends_at": to })))
            .await
            .expect(200)
    };
    let ends =
        async |key: &str| moment(&scene.get(&format!("api-keys/{key}")).await.expect(200).text("expires_at"));
    let hour = scene.in_seconds(3_600).await;
    end(&hour).await;
    assert_eq!((ends(&forever).await, ends(&until_soon).await), (moment(&hour), moment(&hour)));
    let year = scene.in_seconds(86_400 * 365).await;
    end(&year).await;
    assert_eq!((ends(&forever).await, ends(&until_soon).await), (moment(&year), moment(&soon)));
}
