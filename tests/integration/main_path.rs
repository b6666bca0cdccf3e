//! From an account to a token, and what ends it.

use reqwest::Method;
use serde_json::json;

use crate::support::scene::Scene;

const WILDFIRE: &str = "urn:carnet:product:advanced_wildfire";

#[tokio::test]
async fn a_key_goes_from_pending_to_valid_and_its_token_passes() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("billing export").await;
    let key = json!({ "product": "advanced_wildfire", "service_account_id": account.id });
    let key = scene.post("api-keys", key).await.expect(201);
    assert_eq!(key.text("status"), "pending");
    let key = scene.until(&key.text("api_key_id"), "valid").await;

    let token = scene.token_of(&account, &[]).await;
    let me = scene.client.whoami(&token).await.expect(200);
    assert_eq!(me.text("client_id"), account.client_id);
    assert_eq!(me.text("api_key_id"), key.text("api_key_id"));
    assert_eq!(me.text("product"), "advanced_wildfire");
    assert_eq!(me.text("audience"), WILDFIRE);
}

#[tokio::test]
async fn a_token_of_a_revoked_key_fails_as_soon_as_the_revoke_has_returned() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("short lived").await;
    let id = scene.key("prisma_access", &account).await;
    scene.until(&id, "valid").await;
    let token = scene.token_of(&account, &[]).await;
    scene.client.whoami(&token).await.expect(200);

    let revoked = scene.revoke(&id).await.expect(200);
    assert_eq!(revoked.text("status"), "revoked");
    let refused = scene.client.whoami(&token).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
    let refused = scene.client.token(
        &account.client_id,
        &account.client_secret,
        &[("resource", "urn:carnet:product:prisma_access")],
    );
    assert_eq!(refused.await.expect(400).code(), "invalid_target");
    let management = scene.token_of(&account, &[]).await;
    let me = scene.client.whoami(&management).await.expect(200);
    assert_eq!(me.json()["api_key_id"], json!(null), "the account itself is as it was");
    scene.client.call(&token, Method::GET, "/v1/products", None).await.expect(401);
}
