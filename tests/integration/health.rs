//! The second listener: is it alive, is it ready, what has it counted? And nothing of it on the first.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::scene::Scene;
use crate::support::stores::OwnStores;

const HEALTH: [&str; 3] = ["/livez", "/readyz", "/metrics"];

async fn get(client: &Client, path: &str) -> Answer {
    client.send_unheld(client.request(Method::GET, path)).await
}

#[tokio::test]
async fn health_and_metrics_are_on_the_second_listener_only() {
    let scene = Scene::new().await;
    let health = Client::new(&scene.server.health_url);
    for path in HEALTH {
        let answer = get(&health, path).await.expect(200);
        assert!(answer.header("content-type").starts_with("text/plain"), "{path}");
        health.send_unheld(health.request(Method::HEAD, path)).await.expect(200);
        let answer = get(&scene.client, path).await.expect(404);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    for path in ["/v1/whoami", "/.well-known/jwks.json", "/oauth2/token"] {
        get(&health, path).await.expect(404);
    }
}

/// The value of a metric, of all servers in this process together.
async fn count(health: &Client, line: &str) -> u64 {
    let metrics = get(health, "/metrics").await.expect(200);
    let text = String::from_utf8(metrics.bytes).expect("text");
    let line = format!("{line} ");
    text.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn metrics_count_tokens_by_outcome_and_name_nobody() {
    let scene = Scene::new().await;
    let health = Client::new(&scene.server.health_url);
    let (issued, refused) =
        ("carnet_tokens_total{outcome=\"issued\"}", "carnet_tokens_total{outcome=\"invalid_client\"}");
    let before = (count(&health, issued).await, count(&health, refused).await);
    for _ in 0..3 {
        scene.admin_token().await;
        scene.client.token(&scene.admin.client_id, "wrong", &[]).await.expect(401);
    }
    let after = (count(&health, issued).await, count(&health, refused).await);
    // Other tests' servers count into the same metrics.
    assert!(after.0 >= before.0 + 3 && after.1 >= before.1 + 3, "{before:?} {after:?}");
    let metrics = get(&health, "/metrics").await;
    let text = String::from_utf8(metrics.bytes).expect("text");
    assert!(text.contains("carnet_lease_seconds"), "{text}");
    for private in [&scene.admin.client_id, &scene.admin.client_secret, &scene.tsg_id] {
        assert!(!text.contains(private.as_str()), "a metric must not name anybody");
    }
}

#[tokio::test]
async fn without_a_lease_it_is_alive_but_not_ready_and_ready_again_by_itself() {
    let own = OwnStores::start(1);
    let (database, redis) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let scene = Scene::on(database, redis, &json!({ "lease_seconds": 2 })).await;
    let health = Client::new(&scene.server.health_url);
    get(&health, "/readyz").await.expect(200);
    own.stores.stop_postgres();
    until(&health, 503).await;
    get(&health, "/livez").await.expect(200);
    get(&health, "/metrics").await.expect(200);
    own.stores.start_postgres().expect("Postgres starts again");
    until(&health, 200).await;
}

async fn until(health: &Client, status: u16) {
    let started = Instant::now();
    while get(health, "/readyz").await.status != status {
        assert!(started.elapsed() < Duration::from_secs(20), "still not {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
