//! A client that gets a token for each of its requests: an administrator is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::metrics;
use crate::support::scene::{Account, Scene};

const MINUTE: u64 = 60_000;

/// Lets time pass until a minute begins, as the server counts them.
async fn begin_minute(scene: &Scene) {
    let clock = &scene.server.clock;
    clock.push(Duration::from_millis(MINUTE + 1 - clock.boot().as_millis() % MINUTE));
    // The lease went with that time.
    scene.admin_token().await;
}

async fn got(scene: &Scene, account: &Account, from: &str, tokens: u32) {
    for _ in 0..tokens {
        let answer = scene.client.token_from(from, &account.client_id, &account.client_secret).await;
        answer.expect(200);
    }
}

async fn advice(scene: &Scene, account: &Account) -> Value {
    scene.get(&format!("service-accounts/{}", account.id)).await.expect(200).json()["advice"].clone()
}

#[tokio::test]
async fn who_gets_a_token_for_each_request_is_told_so_and_a_fleet_is_not() {
    let settings = json!({
        "trusted_proxies": "127.0.0.1", "usage_flush_seconds": 1, "token_per_request_per_minute": 8,
    });
    let scene = Scene::with(&settings).await;
    let (hasty, burst, fleet) =
        (scene.account("hasty").await, scene.account("burst").await, scene.account("fleet").await);
    let health = scene.server.health_url.clone();
    let before = metrics::count(&health, "carnet_token_per_request_total", &[]).await;
    for minute in 0..2 {
        begin_minute(&scene).await;
        got(&scene, &hasty, "203.0.113.7", 11).await;
        if minute == 0 {
            got(&scene, &burst, "203.0.113.8", 30).await;
        }
        for machine in 0..20 {
            got(&scene, &fleet, &format!("198.51.100.{machine}"), 1).await;
        }
    }
    let started = Instant::now();
    let told = loop {
        let told = advice(&scene, &hasty).await;
        if told != json!([]) {
            break told;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "nobody is told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&told[0]["code"], &told[0]["tokens_per_minute"]), (&json!("token_per_request"), &json!(11)));
    assert_eq!(told[0]["since"], told[0]["last_seen_at"]);
    assert!(metrics::count(&health, "carnet_token_per_request_total", &[]).await > before);
    for patient in [&burst, &fleet] {
        assert_eq!(advice(&scene, patient).await, json!([]), "{}", patient.client_id);
    }
    // It goes on: since stays, and what is seen last moves.
    begin_minute(&scene).await;
    got(&scene, &hasty, "203.0.113.7", 9).await;
    let started = Instant::now();
    loop {
        let later = advice(&scene, &hasty).await;
        if later[0]["last_seen_at"] != told[0]["last_seen_at"] {
            assert_eq!(later[0]["since"], told[0]["since"]);
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{later}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let listed = scene.get("service-accounts?limit=200").await.expect(200).json();
    let listed = listed["items"].as_array().expect("items").clone();
    // The administrator of this test gets one for each request as well.
    let of = |account: &Account| listed.iter().find(|one| one["id"] == *account.id).expect("it is listed");
    assert_eq!(of(&hasty)["advice"][0]["code"], "token_per_request");
    assert_eq!(of(&fleet)["advice"], json!([]));
}
