//! An outage is a 503 with `Retry-After`, or is not noticed at all; never the client's fault.

use std::time::{Duration, Instant};

use carnet::domain::ids::PublicId;
use carnet::domain::secret::{Secret, SecretKind};
use futures_util::future::join_all;
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{OwnStores, database, redis_url, run_sql};

const LEASE: u64 = 3;

async fn scene_on(own: &OwnStores) -> Scene {
    let database_url = own.migrated().await;
    let redis_url = own.stores.redis_urls()[0].clone();
    Scene::on(database_url, redis_url, &json!({ "lease_seconds": LEASE })).await
}

async fn ask(scene: &Scene, account: &Account) -> Answer {
    scene.client.token(&account.client_id, &account.client_secret, &[]).await
}

fn assert_outage(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "temporarily_unavailable"));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn without_postgres_warm_clients_are_served_for_one_lease_and_cold_ones_get_503_at_once() {
    let own = OwnStores::start(1);
    let scene = scene_on(&own).await;
    let (warm, cold) = (scene.account("warm").await, scene.account("cold").await);
    scene.token_of(&warm, &[]).await;
    // The cold one is in no cache: another process's Redis could have lost it.
    forget(&scene, &cold).await;

    own.stores.stop_postgres();
    let stopped = Instant::now();
    let refused = ask(&scene, &cold).await;
    assert_outage(&refused);
    assert!(stopped.elapsed() < Duration::from_secs(1), "at once: {:?}", stopped.elapsed());
    ask(&scene, &warm).await.expect(200);
    let mut served_for = Duration::ZERO;
    loop {
        let answer = ask(&scene, &warm).await;
        if answer.status == 200 {
            served_for = stopped.elapsed();
            assert!(stopped.elapsed() < Duration::from_secs(LEASE + 2), "served beyond its lease");
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        assert_outage(&answer);
        break;
    }
    // Renewed when a third of it was gone, so at least two thirds were left.
    assert!(served_for >= Duration::from_secs(LEASE) / 2, "served for {served_for:?} only");
    assert!(served_for <= Duration::from_secs(LEASE), "served for {served_for:?}");

    own.stores.start_postgres().expect("Postgres starts again");
    scene.token_of(&warm, &[]).await;
    scene.token_of(&cold, &[]).await;
}

#[tokio::test]
async fn without_postgres_the_management_api_says_503_and_the_same_request_may_be_sent_again() {
    let own = OwnStores::start(1);
    let scene = scene_on(&own).await;
    let token = scene.admin_token().await;
    let role = json!({ "name": "once", "permissions": ["iam.read"] });
    let create = async || {
        let request = scene.client.request(Method::POST, &scene.path("roles")).bearer_auth(&token);
        scene.client.send(request.header("idempotency-key", "k").json(&role)).await
    };
    own.stores.stop_postgres();
    let read = scene.client.call(&token, Method::GET, &scene.path("roles"), None).await;
    for answer in [read, create().await] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
        assert!(!answer.header("retry-after").is_empty());
    }
    own.stores.start_postgres().expect("Postgres starts again");
    scene.token_of(&scene.admin, &[]).await;
    create().await.expect(201);
    create().await.expect(201);
}

/// Removes an account's entry from Redis and from the server's memory, by restarting neither.
async fn forget(scene: &Scene, account: &Account) {
    let client = redis::Client::open(scene.redis_url.as_str()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    // What was pending a moment ago is written again behind the flip.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let key = format!("carnet:local:{}", account.client_id);
    redis::cmd("DEL").arg(key).query_async::<()>(&mut connection).await.expect("deleted");
}

#[tokio::test]
async fn without_redis_tokens_are_issued_all_the_same() {
    let own = OwnStores::start(1);
    let scene = scene_on(&own).await;
    let (warm, cold) = (scene.account("warm").await, scene.account("cold").await);
    scene.token_of(&warm, &[]).await;
    own.stores.stop_redis(0);
    for _ in 0..20 {
        ask(&scene, &warm).await.expect(200);
        ask(&scene, &cold).await.expect(200);
    }
    own.stores.start_redis(0).expect("Redis starts again");
    ask(&scene, &cold).await.expect(200);
}

#[tokio::test]
async fn a_redis_that_hangs_costs_little_more_than_one_that_is_gone() {
    let own = OwnStores::start(1);
    let scene = scene_on(&own).await;
    let accounts = join_all((0..5).map(|n| {
        let scene = &scene;
        async move { scene.account(&format!("account {n}")).await }
    }));
    let accounts = accounts.await;
    own.stores.pause_redis(0);
    let started = Instant::now();
    for account in &accounts {
        ask(&scene, account).await.expect(200);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    own.stores.resume_redis(0);
}

/// A secret that is well-formed, so that it gets past the check digits, of a client that nobody knows.
fn stranger(number: usize) -> (String, String) {
    let random = SystemRandom::new();
    let id = PublicId::generate(&random).expect("an id");
    let secret = Secret::generate(SecretKind::Client, id, &random).expect("a secret");
    (format!("stranger-{number}@1234567890.iam.carnet.local"), secret.expose().to_owned())
}

#[tokio::test]
async fn a_flood_of_unknown_clients_costs_known_ones_nothing() {
    let scene = Scene::on(database().await, redis_url(), &json!({})).await;
    let known = join_all((0..10).map(|n| {
        let scene = &scene;
        async move { scene.account(&format!("known {n}")).await }
    }));
    let known = known.await;
    // A new instance: nobody is in its memory.
    let fresh = scene.another_instance(&json!({ "lease_seconds": LEASE })).await;
    let client = crate::support::client::Client::new(&fresh.url);
    let flood = join_all((0..400).map(|n| {
        let client = &client;
        async move {
            let (id, secret) = stranger(n);
            client.token(&id, &secret, &[]).await
        }
    }));
    let served = join_all(known.iter().map(|account| {
        let client = &client;
        async move { client.token(&account.client_id, &account.client_secret, &[]).await }
    }));
    let (flood, served) = tokio::join!(flood, served);
    for answer in served {
        answer.expect(200);
    }
    for answer in flood {
        match answer.status {
            401 => assert_eq!(answer.code(), "invalid_client"),
            _ => assert_outage(&answer),
        }
    }
}

#[tokio::test]
async fn a_flood_of_unknown_clients_keeps_nobody_from_the_tenants_below_his_own() {
    let scene = Scene::on(database().await, redis_url(), &json!({})).await;
    let mut below = Vec::new();
    for n in 0..5 {
        below.push(format!("tsg_id:{}", scene.child(&format!("below {n}")).await));
    }
    let fresh = scene.another_instance(&json!({})).await;
    let client = crate::support::client::Client::new(&fresh.url);
    let admin = &scene.admin;
    client.token(&admin.client_id, &admin.client_secret, &[]).await.expect(200);

    // Whoever looks for a record waits for this lock, and so keeps the place that he has got.
    let hold = "BEGIN; LOCK TABLE access_policy IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
    let hold = run_sql(&scene.database_url, hold);
    let flood = join_all((0..50).map(|n| {
        let client = &client;
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let (id, secret) = stranger(n);
            client.token(&id, &secret, &[]).await
        }
    }));
    let served = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = below.iter().map(|tsg_id| {
            let form = [("scope", tsg_id.as_str())];
            let client = &client;
            async move { client.token(&admin.client_id, &admin.client_secret, &form).await }
        });
        join_all(asked).await
    };
    let ((), flood, served) = tokio::join!(hold, flood, served);
    assert!(flood.iter().all(|answer| answer.status == 503), "the flood fills its lane");
    for answer in served {
        answer.expect(200);
    }
}
