//! A key that is switched off is honoured nowhere, with proof; switched on again it goes through the regions once more. Where the
//! product does not let that happen it does not.

use serde_json::json;

use crate::support::scene::Scene;
use crate::support::stores::run_sql;

#[tokio::test]
async fn off_is_off_everywhere_and_on_is_pending_first() {
    let scene = Scene::new().await;
    let key = scene.valid_key(json!({ "product": "prisma_cloud", "name": "ci", "role": "superuser" })).await;
    let token = scene.client.token(&key.id, &key.secret, &[]).await.expect(200).text("access_token");
    let off = scene.post(&format!("{}/deactivate", key.path()), json!({})).await.expect(200);
    assert_eq!(off.text("status"), "inactive");
    assert!(off.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", off.json());
    scene.client.token(&key.id, &key.secret, &[]).await.expect(401);
    scene.client.call(&token, reqwest::Method::GET, "/v1/whoami", None).await.expect(401);
    scene.post(&format!("{}/deactivate", key.path()), json!({})).await.expect(200);

    let on = scene.post(&format!("{}/activate", key.path()), json!({})).await.expect(200);
    assert_eq!(on.text("status"), "pending");
    scene.until(&key.id, "valid").await;
    scene.client.token(&key.id, &key.secret, &[]).await.expect(200);
    scene.post(&format!("{}/activate", key.path()), json!({})).await.expect(200);
    for action in ["api_key.deactivate", "api_key.activate"] {
        let by = scene.audited(action, &key.id).await;
        assert_eq!(by.as_deref(), Some(scene.admin.client_id.as_str()), "{action}, once");
    }
}

#[tokio::test]
async fn what_is_over_stays_over() {
    let scene = Scene::new().await;
    let key = scene.valid_key(json!({ "product": "prisma_cloud", "name": "ci", "role": "superuser" })).await;
    scene.post(&format!("{}/deactivate", key.path()), json!({})).await.expect(200);
    let over =
        format!("UPDATE api_key SET expires_at = now() - interval '1 second' WHERE api_key_id = {}", key.id);
    run_sql(&scene.database_url, &over).await;
    let refused = scene.post(&format!("{}/activate", key.path()), json!({})).await.expect(409);
    assert_eq!(refused.code(), "api_key_expired");

    let gone =
        scene.valid_key(json!({ "product": "prisma_cloud", "name": "gone", "role": "superuser" })).await;
    scene.revoke(&gone.id).await.expect(200);
    for verb in ["activate", "deactivate"] {
        let refused = scene.post(&format!("{}/{verb}", gone.path()), json!({})).await.expect(409);
        assert_eq!(refused.code(), "api_key_revoked");
    }
}

#[tokio::test]
async fn a_policy_may_not_know_of_it() {
    let scene = Scene::new().await;
    let key = scene.valid_key(json!({ "product": "cortex_cloud", "role": "auditor" })).await;
    for verb in ["activate", "deactivate"] {
        let refused = scene.post(&format!("{}/{verb}", key.path()), json!({})).await.expect(409);
        assert_eq!(refused.code(), "not_allowed_by_policy");
    }
    key.as_standard(&scene.client).await.expect(200);
}

/// One that is not everywhere yet has nothing to be switched off.
#[tokio::test]
async fn a_pending_key_is_not_switched_off() {
    let scene = Scene::new().await;
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
                (gen_random_uuid(), 'local', 0, 0, clock_timestamp() + interval '10 minutes')";
    run_sql(&scene.database_url, deaf).await;
    let key = scene.own_key(json!({ "product": "prisma_cloud", "name": "ci", "role": "superuser" })).await;
    let refused = scene.post(&format!("{}/deactivate", key.path()), json!({})).await.expect(409);
    assert_eq!(refused.code(), "api_key_not_valid");
}
