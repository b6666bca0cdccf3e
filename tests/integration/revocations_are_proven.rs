//! What proves that a revocation is over, and what is written when it is.

use reqwest::Method;
use serde_json::json;

use crate::support::scene::Scene;
use crate::support::stores::{run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

/// What a promotion that lost its tail leaves behind: the newest changes never were.
const GO_BACK: &str = "DO $$ DECLARE k bigint; BEGIN
    SELECT max(seq) - 6 INTO k FROM change;
    DELETE FROM change WHERE seq > k;
    PERFORM setval(pg_get_serial_sequence('change', 'seq'), k);
    UPDATE instance SET applied = least(applied, k);
END $$";

#[tokio::test]
async fn what_was_asked_before_the_history_went_back_proves_nothing() {
    // Polls are rare, so that nobody notices before the revoke.
    let settings = json!({ "poll_interval_ms": 5_000, "lease_seconds": 30, "revoke_wait_seconds": 3 });
    let scene = Scene::with(&settings).await;
    let account = scene.account("gone back").await;
    scene.token_of(&account, &[]).await;
    for n in 0..5 {
        let filler = scene.account(&format!("filler {n}")).await;
        scene.token_of(&filler, &[]).await;
    }
    let admin = scene.admin_token().await;
    // The frontier of now is asked for once a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    run_sql(&scene.database_url, &format!("{GO_BACK}; {}", deaf_instance(60))).await;
    let path = scene.path(&format!("service-accounts/{}", account.id));
    let change = scene.client.request(Method::PATCH, &path).bearer_auth(&admin);
    let change = change.header("If-Match", "*").json(&json!({ "enabled": false }));
    scene.client.send(change).await.expect(202);
}

async fn events(scene: &Scene, action: &str, target: &str) -> Option<String> {
    let query = format!(
        "SELECT string_agg(actor, ',') FROM audit_event WHERE action = '{action}' AND target = '{target}'"
    );
    sql_value(&scene.database_url, &query).await
}

#[tokio::test]
async fn the_end_of_a_revocation_is_an_audit_event_and_comes_when_it_has_ended() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1 })).await;
    let account = scene.entitled_account("audited").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    run_sql(&scene.database_url, &deaf_instance(4)).await;
    scene.revoke(&id).await.expect(202);
    assert_eq!(events(&scene, "api_key.revoked", &id).await, None, "it has not ended");
    scene.until(&id, "revoked").await;
    assert_eq!(events(&scene, "api_key.revoked", &id).await.as_deref(), Some("carnet"));
    scene.revoke(&id).await.expect(200);
    assert_eq!(events(&scene, "api_key.revoked", &id).await.as_deref(), Some("carnet"), "once");
}

#[tokio::test]
async fn the_secrets_of_a_deleted_account_end_with_an_audit_event_each() {
    let scene = Scene::new().await;
    let account = scene.account("deleted").await;
    scene.token_of(&account, &[]).await;
    let secret =
        format!("SELECT credential_id FROM client_secret WHERE credential = '{}'", account.client_id);
    let secret = sql_value(&scene.database_url, &secret).await.expect("a secret");
    let path = format!("service-accounts/{}", account.id);
    let etag = scene.get(&path).await.header("etag").to_owned();
    let admin = scene.admin_token().await;
    let delete = scene.client.request(Method::DELETE, &scene.path(&path)).bearer_auth(&admin);
    scene.client.send(delete.header("If-Match", etag)).await.expect(200);
    assert_eq!(events(&scene, "client_secret.revoked", &secret).await.as_deref(), Some("carnet"));
}
