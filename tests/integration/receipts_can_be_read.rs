//! A receipt can be read afterwards, while it fills and when it is complete, by whoever was promised it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;
use crate::valid_everywhere::deaf_instance;

const PATIENCE: Duration = Duration::from_secs(20);

async fn valid_key(scene: &Scene, name: &str) -> (Account, String) {
    let account = scene.entitled_account(name).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    (account, id)
}

fn states(receipt: &Value) -> Vec<String> {
    let regions = receipt["regions"].as_array().expect("regions");
    let instances = regions.iter().flat_map(|region| region["instances"].as_array().expect("instances"));
    let mut states: Vec<_> =
        instances.map(|mark| mark["state"].as_str().expect("a state").to_owned()).collect();
    states.sort();
    states
}

#[tokio::test]
async fn what_a_revoke_answered_is_read_again_by_the_key_and_by_its_id() {
    let scene = Scene::new().await;
    let (_, id) = valid_key(&scene, "read again").await;
    let path = format!("api-keys/{id}/receipt");
    assert_eq!(scene.get(&path).await.expect(404).code(), "not_found", "nothing was taken from it");
    let answered = scene.revoke(&id).await.expect(200).json()["receipt"].clone();
    assert!(answered["effective_everywhere_at"].is_string(), "{answered}");
    assert_eq!(states(&answered), ["applied"]);
    assert_eq!(scene.get(&path).await.expect(200).json(), answered);
    let by_id = format!("receipts/{}", answered["receipt_id"].as_str().expect("an id"));
    assert_eq!(scene.get(&by_id).await.expect(200).json(), answered);
    assert_eq!(scene.get("api-keys/1/receipt").await.expect(404).code(), "not_found");
    let unknown = scene.get("receipts/0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10").await;
    assert_eq!(unknown.expect(404).code(), "not_found");

    // Another tenant's looks like an unknown one.
    let child = scene.child("elsewhere").await;
    for rest in [&path, &by_id] {
        let elsewhere = format!("/v1/tenants/{child}/{rest}");
        assert_eq!(scene.admin_get(&elsewhere).await.expect(404).code(), "not_found");
    }
}

#[tokio::test]
async fn a_receipt_fills_and_is_complete_when_the_last_lease_is_over() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1 })).await;
    let (_, id) = valid_key(&scene, "fills").await;
    run_sql(&scene.database_url, &deaf_instance(4)).await;
    let accepted = scene.revoke(&id).await.expect(202);
    let receipt = scene.admin_get(accepted.header("location")).await.expect(200).json();
    assert_eq!(receipt["effective_everywhere_at"], Value::Null);
    assert_eq!(states(&receipt), ["applied", "waiting"]);
    let time = |receipt: &Value, name: &str| -> jiff::Timestamp {
        receipt[name].as_str().expect("a time").parse().expect("RFC 3339")
    };
    let started = Instant::now();
    let complete = loop {
        let receipt = scene.admin_get(accepted.header("location")).await.expect(200).json();
        if receipt["effective_everywhere_at"].is_string() {
            break receipt;
        }
        assert!(started.elapsed() < PATIENCE, "{receipt}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(states(&complete), ["applied", "lapsed"]);
    assert!(time(&complete, "effective_everywhere_at") <= time(&complete, "bound_at"), "{complete}");
    assert_eq!(time(&complete, "requested_at"), time(&receipt, "requested_at"));
}

#[tokio::test]
async fn who_may_take_away_may_read_the_receipt_and_who_may_not_see_a_key_does_not_see_its_receipt() {
    let scene = Scene::new().await;
    let (account, id) = valid_key(&scene, "watched").await;
    let by_key = scene.path(&format!("api-keys/{id}/receipt"));
    let admin = scene.admin_token().await;
    let change =
        scene.client.request(Method::PATCH, &scene.path(&format!("service-accounts/{}", account.id)));
    let change = change.bearer_auth(&admin).header("If-Match", "*").json(&json!({ "enabled": false }));
    let disabled = scene.client.send(change).await.expect(200).json();
    let receipt_id = disabled["receipt"]["receipt_id"].as_str().expect("a receipt").to_owned();
    let by_id = scene.path(&format!("receipts/{receipt_id}"));
    // The key's last withdrawal is that of its account.
    assert_eq!(scene.admin_get(&by_key).await.expect(200).text("receipt_id"), receipt_id);

    let table = [
        ("accounts", "iam.service_account", json!("all"), 403, 200),
        ("policies", "iam.access_policy", json!("all"), 403, 200),
        ("keys", "iam.api_key", json!("all"), 200, 200),
        ("reader", "iam.read", json!("all"), 200, 200),
        ("roles", "iam.custom_role", json!("all"), 403, 403),
        ("its product", "iam.api_key", json!(["advanced_wildfire"]), 200, 403),
        ("another product", "iam.api_key", json!(["prisma_access"]), 404, 403),
    ];
    for (name, permission, products, of_key, of_id) in table {
        let holder = scene.holder(name, &[permission], products).await;
        let token = scene.token_of(&holder, &[]).await;
        let ask = async |path: &str| -> Answer { scene.client.call(&token, Method::GET, path, None).await };
        assert_eq!(ask(&by_key).await.status, of_key, "{name}");
        assert_eq!(ask(&by_id).await.status, of_id, "{name}");
    }
}
