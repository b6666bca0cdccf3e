//! Who runs the installation sees how its regions are doing, drains them, lets them come back and removes them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_sql, sql_value};

const PATIENCE: Duration = Duration::from_secs(20);

async fn second_region(scene: &Scene, redis_url: &str) -> Server {
    let settings = json!({ "region": "eu", "lease_seconds": 2, "quarantine_seconds": 3 });
    Server::start(config(&scene.database_url, redis_url, &settings)).await
}

async fn until_state(scene: &Scene, region: &str, wanted: &str) -> Value {
    let started = Instant::now();
    loop {
        let shown = scene.admin_get(&format!("/v1/regions/{region}")).await.expect(200).json();
        if shown["state"] == wanted {
            return shown;
        }
        assert!(started.elapsed() < PATIENCE, "not {wanted}: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn call(scene: &Scene, method: Method, path: &str) -> Answer {
    scene.client.call(&scene.admin_token().await, method, path, None).await
}

async fn readyz(server: &Server) -> (u16, String) {
    let health = Client::new(&server.health_url);
    let answer = health.send_unheld(health.request(Method::GET, "/readyz")).await;
    (answer.status, String::from_utf8(answer.bytes).expect("text"))
}

#[tokio::test]
async fn regions_are_shown_one_by_one_and_in_pages() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let _eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    let eu = until_state(&scene, "eu", "required").await;
    let local = until_state(&scene, "local", "required").await;
    for shown in [&eu, &local] {
        assert_eq!((&shown["warmed"], &shown["poisoned"]), (&shown["total"], &json!(0)), "{shown}");
        assert_eq!(shown["instances"].as_array().map(Vec::len), Some(1), "{shown}");
        assert!(shown["lease_until"].is_string(), "{shown}");
    }
    let names = |page: &Answer| -> Vec<Value> {
        page.json()["items"].as_array().expect("items").iter().map(|item| item["region"].clone()).collect()
    };
    let all = call(&scene, Method::GET, "/v1/regions").await.expect(200);
    assert_eq!(names(&all), ["eu", "local"]);
    let first = call(&scene, Method::GET, "/v1/regions?limit=1").await.expect(200);
    let next = format!("/v1/regions?limit=1&cursor={}", first.text("next_cursor"));
    let second = call(&scene, Method::GET, &next).await.expect(200);
    assert_eq!((names(&first), names(&second)), (vec![json!("eu")], vec![json!("local")]));
    for unknown in ["nowhere", "NOWHERE", "%00", &"x".repeat(33)] {
        let path = format!("/v1/regions/{unknown}");
        assert_eq!(call(&scene, Method::GET, &path).await.expect(404).code(), "not_found");
        assert_eq!(call(&scene, Method::DELETE, &path).await.expect(404).code(), "not_found");
        for what in ["drain", "rejoin"] {
            let moved = call(&scene, Method::POST, &format!("{path}/{what}")).await;
            assert_eq!(moved.expect(404).code(), "not_found");
        }
    }
}

#[tokio::test]
async fn only_who_acts_for_a_root_may_look_and_only_with_the_permission_may_act() {
    let scene = Scene::new().await;
    let everything = [
        (Method::GET, "/v1/regions"),
        (Method::GET, "/v1/regions/local"),
        (Method::POST, "/v1/regions/local/drain"),
        (Method::POST, "/v1/regions/local/rejoin"),
        (Method::DELETE, "/v1/regions/local"),
    ];
    let child = scene.child("below").await;
    let below = scene.administrator_of(&child).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let operator = scene.holder("operator", &["iam.region"], json!("all")).await;
    let other = scene.holder("other", &["iam.tenant", "iam.api_key"], json!("all")).await;
    let for_some = scene.holder("for some", &["iam.region"], json!(["prisma_access"])).await;
    for (account, looks, acts) in [
        (&below, 403, [403, 403, 403]),
        (&reader, 200, [403, 403, 403]),
        (&other, 403, [403, 403, 403]),
        (&for_some, 403, [403, 403, 403]),
        (&operator, 200, [409, 409, 409]),
    ] {
        let token = scene.token_of(account, &[]).await;
        let expected = [looks, looks, acts[0], acts[1], acts[2]];
        for ((method, path), expected) in everything.iter().zip(expected) {
            let answer = scene.client.call(&token, method.clone(), path, None).await;
            assert_eq!(answer.status, expected, "{} {method} {path}", account.client_id);
            if expected == 403 {
                assert_eq!(answer.code(), "permission_denied");
            }
        }
    }
    assert_eq!(call(&scene, Method::POST, "/v1/regions/local/drain").await.code(), "last_required_region");
    assert_eq!(call(&scene, Method::POST, "/v1/regions/local/rejoin").await.code(), "not_draining");
    assert_eq!(call(&scene, Method::DELETE, "/v1/regions/local").await.code(), "region_in_use");
    // Nor is the last one forgotten when nobody seems to be alive in it.
    let admin = scene.admin_token().await;
    run_sql(&scene.database_url, "UPDATE instance SET lease_until = '-infinity'").await;
    let refused = scene.client.call(&admin, Method::DELETE, "/v1/regions/local", None).await;
    assert_eq!(refused.expect(409).code(), "last_required_region");
}

#[tokio::test]
async fn a_draining_region_is_not_ready_and_not_waited_for_and_comes_back_when_it_is_told() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    until_state(&scene, "eu", "required").await;
    assert_eq!(readyz(&eu).await, (200, "ready\n".to_owned()));
    let drained = call(&scene, Method::POST, "/v1/regions/eu/drain").await.expect(200);
    assert_eq!(drained.text("state"), "draining");
    let again = call(&scene, Method::POST, "/v1/regions/eu/drain").await.expect(200);
    assert_eq!(again.text("state_changed_at"), drained.text("state_changed_at"), "nothing has changed");
    let started = Instant::now();
    while readyz(&eu).await != (503, "the region is draining\n".to_owned()) {
        assert!(started.elapsed() < PATIENCE, "still ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(readyz(&scene.server).await.0, 200, "the other region is");

    // Its cache is away, and nothing waits for it; who asks it is answered all the same.
    own.stores.stop_redis(0);
    let account = scene.account("made meanwhile").await;
    scene.token_of(&account, &[]).await;
    Client::new(&eu.url).token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    own.stores.start_redis(0).expect("Redis starts again");

    let rejoin = async |key: &str| {
        let token = scene.admin_token().await;
        let request = scene.client.request(Method::POST, "/v1/regions/eu/rejoin").bearer_auth(token);
        scene.client.send(request.header("Idempotency-Key", key)).await
    };
    let back = rejoin("one").await.expect(200);
    assert_eq!(back.header("idempotent-replayed"), "");
    assert_eq!(rejoin("one").await.expect(200).header("idempotent-replayed"), "true");
    assert_eq!(rejoin("two").await.expect(409).code(), "not_draining");
    until_state(&scene, "eu", "required").await;
    assert_eq!(readyz(&eu).await.0, 200);
    let told = "SELECT string_agg(action || ' by ' || actor, ', ' ORDER BY id) FROM audit_event
        WHERE target = 'eu' AND action IN ('region.draining', 'region.rejoining') AND actor <> 'carnet'";
    let by = &scene.admin.client_id;
    let expected = format!("region.draining by {by}, region.rejoining by {by}");
    assert_eq!(sql_value(&scene.database_url, told).await, Some(expected));
}

#[tokio::test]
async fn a_removed_region_is_forgotten_and_joins_anew_when_somebody_serves_it_again() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    let first = until_state(&scene, "eu", "required").await;
    assert_eq!(call(&scene, Method::DELETE, "/v1/regions/eu").await.expect(409).code(), "region_in_use");
    tokio::task::spawn_blocking(move || drop(eu)).await.expect("it stops");
    let gone = call(&scene, Method::DELETE, "/v1/regions/eu").await.expect(204);
    assert!(gone.bytes.is_empty());
    call(&scene, Method::GET, "/v1/regions/eu").await.expect(404);
    call(&scene, Method::DELETE, "/v1/regions/eu").await.expect(404);
    let account = scene.account("while it is gone").await;
    scene.token_of(&account, &[]).await;

    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    let anew = until_state(&scene, "eu", "required").await;
    assert_ne!(anew["created_at"], first["created_at"]);
    assert!(anew["epoch"].as_i64() > first["epoch"].as_i64(), "{anew} after {first}");
    Client::new(&eu.url).token(&account.client_id, &account.client_secret, &[]).await.expect(200);

    // Removed under its feet: only a row says that nobody is alive. It joins anew without a restart.
    run_sql(&scene.database_url, "UPDATE instance SET lease_until = '-infinity' WHERE region = 'eu'").await;
    call(&scene, Method::DELETE, "/v1/regions/eu").await.expect(204);
    let started = Instant::now();
    while call(&scene, Method::GET, "/v1/regions/eu").await.status != 200 {
        assert!(started.elapsed() < PATIENCE, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_state(&scene, "eu", "required").await;
}

#[tokio::test]
async fn a_body_is_not_needed_and_must_say_nothing() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let drain = async |body: Value| {
        scene.client.call(&token, Method::POST, "/v1/regions/local/drain", Some(&body)).await
    };
    assert_eq!(drain(json!({})).await.expect(409).code(), "last_required_region");
    assert_eq!(drain(json!({ "force": true })).await.expect(400).code(), "invalid_body");
}
