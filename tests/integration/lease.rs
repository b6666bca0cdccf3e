//! The permission to answer without asking.

use std::time::Duration;

use serde_json::json;

use crate::support::scene::Scene;

async fn lookups(scene: &Scene, from: &str) -> u64 {
    let metrics = reqwest::get(format!("{}/metrics", scene.server.health_url)).await.expect("metrics");
    let metrics = metrics.text().await.expect("text");
    let line = format!("carnet_lookups_total{{from=\"{from}\"}} ");
    metrics.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_machine_that_slept_beyond_its_lease_wakes_without_it() {
    // Polls so seldom that the sleeper's first request comes before its first poll.
    let scene = Scene::with(&json!({ "poll_interval_ms": 5_000, "lease_seconds": 30 })).await;
    let account = scene.account("sleeper").await;
    for _ in 0..3 {
        scene.token_of(&account, &[]).await;
    }
    let before = lookups(&scene, "postgres").await;
    scene.token_of(&account, &[]).await;
    assert_eq!(lookups(&scene, "postgres").await, before, "the twin: awake, memory answers");

    // CLOCK_BOOTTIME goes on while a machine sleeps.
    scene.server.clock.push(Duration::from_secs(31));
    let ready = reqwest::get(format!("{}/readyz", scene.server.health_url)).await.expect("an answer");
    assert_eq!(ready.status(), 503, "not ready without a lease");
    scene.token_of(&account, &[]).await;
    assert!(lookups(&scene, "postgres").await > before, "asked, because the lease is over");
}
