//! An assertion gets one token: here, in every other instance, in every region, however many use it at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, account_with, ask, ask_with, claims, now};
use crate::support::process::Process;
use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_sql, sql_value};

const ISSUER: &str = "https://id.example";

async fn scene() -> (Scene, ClientKey, Account) {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let key = ClientKey::new("EdDSA");
    let account = account_with(&scene, "once", &[&key]).await;
    (scene, key, account)
}

#[tokio::test]
async fn a_second_use_is_refused_by_every_instance_of_every_region() {
    let own = OwnStores::start(1);
    let (scene, key, account) = scene().await;
    let sister = scene.another_instance(&json!({ "issuer": ISSUER })).await;
    let settings = json!({ "issuer": ISSUER, "region": "eu", "lease_seconds": 5 });
    let abroad = Server::start(config(&scene.database_url, &own.stores.redis_urls()[0], &settings)).await;
    let clients = [&scene.client.url, &sister.url, &abroad.url].map(|url| Client::new(url));
    for first in &clients {
        let assertion = key.assertion(&account.client_id, ISSUER);
        ask(first, &assertion).await.expect(200);
        let mut again = Vec::new();
        for client in &clients {
            again.push((format!("{} after {}", client.url, first.url), ask(client, &assertion).await));
        }
        // As every other failure is.
        let stranger = ClientKey::new("EdDSA").assertion(&account.client_id, ISSUER);
        again.push(("a stranger's".to_owned(), ask(first, &stranger).await));
        assert_alike(&again, 401, "invalid_client");
    }
}

#[tokio::test]
async fn of_fifty_at_once_one_gets_a_token() {
    let (scene, key, account) = scene().await;
    let sister = scene.another_instance(&json!({ "issuer": ISSUER })).await;
    let clients = [Client::new(&scene.client.url), Client::new(&sister.url)];
    ask(&clients[1], &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    for _ in 0..3 {
        let assertion = key.assertion(&account.client_id, ISSUER);
        let answers = join_all((0..50).map(|n| ask(&clients[n % 2], &assertion))).await;
        let issued = answers.iter().filter(|answer| answer.status == 200).count();
        let refused: Vec<(String, Answer)> = answers
            .into_iter()
            .filter(|answer| answer.status != 200)
            .map(|answer| (String::new(), answer))
            .collect();
        assert_eq!((issued, refused.len()), (1, 49));
        assert_alike(&refused, 401, "invalid_client");
    }
    // Different ones do not stand in each other's way.
    let many = join_all((0..50).map(|n| {
        let (client, assertion) = (&clients[n % 2], key.assertion(&account.client_id, ISSUER));
        async move { ask(client, &assertion).await.status }
    }));
    assert!(many.await.into_iter().all(|status| status == 200));
}

#[tokio::test]
async fn a_name_is_its_owners_and_is_not_given_to_a_second_assertion() {
    let (scene, key, account) = scene().await;
    let other_key = ClientKey::new("EdDSA");
    let other = account_with(&scene, "other", &[&other_key]).await;
    let named = |account: &Account, key: &ClientKey, exp: i64| {
        let mut claims = claims(&account.client_id, ISSUER);
        (claims["jti"], claims["exp"]) = (json!("the same"), json!(now() + exp));
        key.sign(&key.header(), &claims)
    };
    ask(&scene.client, &named(&account, &key, 30)).await.expect(200);
    ask(&scene.client, &named(&other, &other_key, 30)).await.expect(200);
    // Another minute, and so another place.
    for exp in [20, 100, 200, 290] {
        ask(&scene.client, &named(&account, &key, exp)).await.expect(401);
    }
}

#[tokio::test]
async fn what_gets_no_token_is_not_used_up() {
    let (scene, key, account) = scene().await;
    let assertion = key.assertion(&account.client_id, ISSUER);
    ask_with(&scene.client, &assertion, &[("scope", "unknown")]).await.expect(400);
    ask_with(&scene.client, &assertion, &[("resource", "urn:unknown")]).await.expect(400);
    ask(&scene.client, &assertion).await.expect(200);
}

#[tokio::test]
async fn without_postgres_nobody_knows_and_so_it_is_an_outage() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let settings = json!({ "issuer": ISSUER, "lease_seconds": 30 });
    let scene = Scene::on(database_url, redis_url, &settings).await;
    let key = ClientKey::new("EdDSA");
    let account = account_with(&scene, "once", &[&key]).await;
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    own.stores.stop_postgres();
    let assertion = key.assertion(&account.client_id, ISSUER);
    let started = Instant::now();
    let answer = ask(&scene.client, &assertion).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "temporarily_unavailable"));
    assert!(!answer.header("retry-after").is_empty());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // A secret needs nobody to remember it.
    scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    own.stores.start_postgres().expect("Postgres starts again");
    let started = Instant::now();
    while ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.status == 503 {
        assert!(started.elapsed() < Duration::from_secs(20), "it stays away");
    }
    ask(&scene.client, &assertion).await.expect(200);
}

#[tokio::test]
async fn nobody_waits_for_long_and_nobody_gets_a_token_unwritten() {
    let (scene, key, account) = scene().await;
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    let held = "BEGIN; LOCK TABLE used_once IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT";
    let url = scene.database_url.clone();
    let holding = tokio::spawn(async move { run_sql(&url, held).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let assertions: Vec<String> = (0..20).map(|_| key.assertion(&account.client_id, ISSUER)).collect();
    let started = Instant::now();
    let answers = join_all(assertions.iter().map(|assertion| ask(&scene.client, assertion))).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(answers.iter().all(|answer| answer.status == 503 && answer.code() == "temporarily_unavailable"));
    // Nobody else is held up.
    scene.token_of(&account, &[]).await;
    holding.await.expect("held");
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
}

#[tokio::test]
async fn what_has_expired_is_forgotten_and_what_has_not_is_kept() {
    let (scene, key, account) = scene().await;
    let assertion = key.assertion(&account.client_id, ISSUER);
    ask(&scene.client, &assertion).await.expect(200);
    let old = "INSERT INTO used_once (slot, used)
        SELECT (minute_of(clock_timestamp()) - ago) % 24, gen_random_uuid() FROM generate_series(2, 4) ago";
    run_sql(&scene.database_url, old).await;
    let count = "SELECT count(*) FROM used_once";
    assert_eq!(sql_value(&scene.database_url, count).await.as_deref(), Some("4"));
    run_sql(&scene.database_url, "SET ROLE carnet_engine; SELECT prune_used_once()").await;
    assert_eq!(sql_value(&scene.database_url, count).await.as_deref(), Some("1"));
    ask(&scene.client, &assertion).await.expect(401);
    // What has expired, or expires too late to be remembered, is used by nobody.
    let ends = |seconds: i32| {
        format!(
            "SELECT count(*) FROM use_once(ARRAY[gen_random_uuid()], ARRAY[clock_timestamp() + interval '{seconds} seconds'])"
        )
    };
    for (seconds, first) in [(-1, "0"), (661, "0"), (300, "1")] {
        assert_eq!(sql_value(&scene.database_url, &ends(seconds)).await.as_deref(), Some(first), "{seconds}");
    }
}

/// As when they are emptied. Whether a plan is made for these minutes or kept from before: not even the tenth use looks there.
#[tokio::test]
async fn nobody_waits_for_the_minutes_that_are_over() {
    let (scene, key, account) = scene().await;
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    let held = "DO $$ BEGIN
            FOR ago IN 2..3 LOOP
                EXECUTE format('LOCK TABLE used_once_%s', (minute_of(clock_timestamp()) - ago) % 24);
            END LOOP;
            PERFORM pg_sleep(6);
        END $$";
    let url = scene.database_url.clone();
    let holding = tokio::spawn(async move { run_sql(&url, held).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    for _ in 0..20 {
        ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(!holding.is_finished(), "they were locked all the while");
    holding.await.expect("held");
}

/// The twin: without the table a replay gets a token.
#[tokio::test]
async fn without_the_table_a_replay_would_get_a_token() {
    let (scene, key, account) = scene().await;
    let forgetful = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "no_once".to_owned())],
    )
    .await;
    let there = Client::new(&forgetful.url);
    let assertion = key.assertion(&account.client_id, ISSUER);
    ask(&there, &assertion).await.expect(200);
    ask(&there, &assertion).await.expect(200);
    ask(&scene.client, &assertion).await.expect(200);
    ask(&scene.client, &assertion).await.expect(401);
}
