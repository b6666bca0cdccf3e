//! The permission to answer without asking.

use std::time::Duration;

use serde_json::json;

use crate::support::scene::Scene;
use crate::support::stores::OwnStores;

#[tokio::test]
async fn a_machine_that_slept_beyond_its_lease_wakes_without_it() {
    let own = OwnStores::start(1);
    let settings = json!({ "lease_seconds": 60 });
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &settings).await;
    let account = scene.account("sleeper").await;
    scene.token_of(&account, &[]).await;
    own.stores.stop_postgres();
    let ask = || scene.client.token(&account.client_id, &account.client_secret, &[]);
    ask().await.expect(200);
    // CLOCK_BOOTTIME goes on while a machine sleeps.
    scene.server.clock.push(Duration::from_secs(30));
    ask().await.expect(200);
    scene.server.clock.push(Duration::from_secs(31));
    let refused = ask().await.expect(503);
    assert_eq!(refused.code(), "temporarily_unavailable");
    let ready = reqwest::get(format!("{}/readyz", scene.server.health_url)).await.expect("an answer");
    assert_eq!(ready.status(), 503, "not ready without a lease");
}
