//! Who may not rotate, and what cannot be rotated.

use reqwest::Method;
use serde_json::{Value, json};

use super::{rotate, working};
use crate::support::scene::Scene;
use crate::support::stores::run_sql;

#[tokio::test]
async fn only_what_is_valid_is_rotated_and_only_once_at_a_time() {
    let scene = Scene::new().await;
    let account = working(&scene, "refused").await;
    let past = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    let refused = rotate(&scene, &account, &past).await.expect(422);
    assert_eq!(
        (refused.code(), &refused.json()["errors"][0]["field"]),
        ("expires_in_past".into(), &json!("expires_at"))
    );
    for bad in [json!({ "nam": "x" }), json!({ "name": "" }), json!({ "immediate": null }), json!([])] {
        assert_eq!(rotate(&scene, &account, &bad).await.expect(400).code(), "invalid_body", "{bad}");
    }

    run_sql(&scene.database_url, &crate::valid_everywhere::deaf_instance(600)).await;
    let new = account.with_secret(&rotate(&scene, &account, &json!({})).await.expect(201));
    assert_eq!(rotate(&scene, &account, &json!({})).await.expect(409).code(), "rotation_under_way");
    let at_once = json!({ "immediate": true });
    assert_eq!(rotate(&scene, &account, &at_once).await.expect(409).code(), "rotation_under_way");
    assert_eq!(rotate(&scene, &new, &json!({})).await.expect(409).code(), "secret_not_active", "pending");
    run_sql(&scene.database_url, "DELETE FROM instance WHERE applied = 0 AND low_water = 0").await;
    scene.until_status(&account.secret_path(), "revoked").await;
    assert_eq!(rotate(&scene, &account, &json!({})).await.expect(409).code(), "secret_not_active", "revoked");
    // A refusal has changed nothing.
    assert_eq!(scene.get(&new.secret_path()).await.text("status"), "valid");
}

#[tokio::test]
async fn a_repeated_rotation_shows_what_the_first_made_without_the_secret() {
    let scene = Scene::new().await;
    let account = working(&scene, "repeated").await;
    let path = format!("{}/rotate", account.secret_path());
    let key = [("idempotency-key", "k")];
    // The body may be left out.
    let made = scene.send(Method::POST, &path, &key, None).await.expect(201);
    scene.until_status(&account.secret_path(), "revoked").await;
    let again = scene.send(Method::POST, &path, &key, None).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), made.header("location"));
    assert_eq!(again.text("credential_id"), made.text("credential_id"));
    assert_eq!((again.text("status"), again.json().get("client_secret")), ("valid".into(), None));
    let other = scene.send(Method::POST, &path, &key, Some(&json!({ "name": "other" }))).await.expect(422);
    assert_eq!(other.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn who_lacks_the_right_or_holds_less_rotates_nothing() {
    let scene = Scene::new().await;
    let greater = scene.holder("greater", &["iam.service_account", "iam.license"], json!("all")).await;
    scene.token_of(&greater, &[]).await;
    let path = scene.path(&format!("{}/rotate", greater.secret_path()));
    for (name, permission, code) in
        [("lesser", "iam.service_account", "cannot_grant"), ("reader", "iam.read", "permission_denied")]
    {
        let account = scene.holder(name, &[permission], json!("all")).await;
        let token = scene.token_of(&account, &[]).await;
        let refused = scene.client.call(&token, Method::POST, &path, Some(&json!({}))).await.expect(403);
        assert_eq!(refused.code(), code, "{name}");
        for shown in [greater.secret_path(), format!("{}/receipt", greater.secret_path())] {
            let status = scene.client.call(&token, Method::GET, &scene.path(&shown), None).await.status;
            assert_eq!(status, if shown.ends_with("receipt") { 404 } else { 200 });
        }
    }
    scene.token_of(&greater, &[]).await;
}

#[tokio::test]
async fn a_secret_of_another_account_or_tenant_looks_like_none() {
    let scene = Scene::new().await;
    let (own, other) = (working(&scene, "own").await, working(&scene, "other").await);
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let local_token = scene.token_of(&local, &[]).await;
    let admin = scene.admin_token().await;
    let shape = async |token: &str, method: &Method, path: String| -> (u16, Value) {
        let body = (method == Method::POST).then(|| json!({}));
        let mut problem =
            scene.client.call(token, method.clone(), &path, body.as_ref()).await.expect(404).json();
        problem.as_object_mut().expect("a problem").remove("instance");
        (404, problem)
    };
    for (method, end) in [(Method::GET, ""), (Method::POST, "/rotate"), (Method::GET, "/receipt")] {
        let account = format!("service-accounts/{}/secrets", own.id);
        let unknown = shape(&admin, &method, scene.path(&format!("{account}/0000000000000000{end}"))).await;
        let others = scene.path(&format!("{account}/{}{end}", other.credential_id()));
        assert_eq!(shape(&admin, &method, others).await, unknown);
        for odd in ["x", "0000000000000000000", "%00", "00000000-0000000"] {
            assert_eq!(shape(&admin, &method, scene.path(&format!("{account}/{odd}{end}"))).await, unknown);
        }
        // Up the tree, by its own path and by that of the tenant below.
        let own_path = format!("{}{end}", own.secret_path());
        assert_eq!(shape(&local_token, &method, scene.path(&own_path)).await, unknown);
        let borrowed = format!("/v1/tenants/{below}/{own_path}");
        assert_eq!(shape(&local_token, &method, borrowed.clone()).await, unknown);
        assert_eq!(shape(&admin, &method, borrowed).await, unknown);
    }
    scene.token_of(&own, &[]).await;
}
