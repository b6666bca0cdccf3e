//! Regions: they join, are waited for, are waited for no longer when they are silent or stuck, and come back.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::Client;
use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, database, run_sql, sql_value};

/// The longest that a region may take to change its state.
const PATIENCE: Duration = Duration::from_secs(20);

async fn state(scene: &Scene, region: &str) -> Option<String> {
    sql_value(&scene.database_url, &format!("SELECT state FROM region WHERE region = '{region}'")).await
}

async fn until_state(scene: &Scene, region: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let now = state(scene, region).await;
        if now.as_deref() == Some(wanted) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{region} is {now:?}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A second region with a Redis of its own.
async fn second_region(scene: &Scene, redis_url: &str) -> Server {
    let settings = json!({ "region": "eu", "lease_seconds": 2, "quarantine_seconds": 3 });
    Server::start(config(&scene.database_url, redis_url, &settings)).await
}

#[tokio::test]
async fn a_region_that_joins_is_warmed_and_then_waited_for() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let mut accounts = Vec::new();
    for n in 0..20 {
        accounts.push(scene.account(&format!("before {n}")).await);
    }
    for account in &accounts {
        scene.token_of(account, &[]).await;
    }
    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    until_state(&scene, "eu", "required").await;
    let lacking = "SELECT count(*) FROM live_credential c JOIN region r ON r.region = 'eu'
        LEFT JOIN acknowledgement a ON a.credential = c.credential AND a.region = 'eu'
        WHERE (a.epoch, a.version) IS DISTINCT FROM (r.epoch, c.version)";
    assert_eq!(sql_value(&scene.database_url, lacking).await.as_deref(), Some("0"));

    // From now on nothing is valid without it, and what is valid is accepted there.
    let account = scene.entitled_account("after").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let product = [("resource", "urn:carnet:product:advanced_wildfire")];
    let there = Client::new(&eu.url);
    there.token(&account.client_id, &account.client_secret, &product).await.expect(200);
    scene.revoke(&id).await.expect(200);
    there.token(&account.client_id, &account.client_secret, &product).await.expect(400);
}

#[tokio::test]
async fn keys_wait_for_a_region_whose_cache_is_away_until_it_is_quarantined_and_it_comes_back_warm() {
    let own = OwnStores::start(1);
    let scene = Scene::with(&json!({ "quarantine_seconds": 30 })).await;
    let _eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    until_state(&scene, "eu", "required").await;
    own.stores.stop_redis(0);
    let account = scene.entitled_account("waits").await;
    let id = scene.key("advanced_wildfire", &account).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.text("status"), "pending");
    scene.until(&id, "valid").await;
    // Heard of, but not warm.
    until_state(&scene, "eu", "rejoining").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(state(&scene, "eu").await.as_deref(), Some("rejoining"));
    own.stores.start_redis(0).expect("Redis starts again");
    until_state(&scene, "eu", "required").await;
}

#[tokio::test]
async fn a_silent_region_is_quarantined_and_the_last_required_one_never_is() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    until_state(&scene, "eu", "required").await;
    drop(eu);
    until_state(&scene, "eu", "quarantined").await;
    let account = scene.account("while it is away").await;
    scene.token_of(&account, &[]).await;
    // Somebody looks every second; the one that is left stays, even with nobody in it.
    run_sql(&scene.database_url, "UPDATE instance SET lease_until = '-infinity'").await;
    run_sql(&scene.database_url, "SELECT tend_regions('1 second')").await;
    assert_eq!(state(&scene, "local").await.as_deref(), Some("required"));

    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    until_state(&scene, "eu", "required").await;
    drop(eu);
}

#[tokio::test]
async fn a_cache_that_lost_its_entries_gets_another_epoch_and_is_warmed_again() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let account = scene.account("flushed").await;
    scene.token_of(&account, &[]).await;
    let epoch = "SELECT epoch FROM region";
    let warm = "SELECT count(*) = 0 FROM live_credential c JOIN region r ON true
        LEFT JOIN acknowledgement a ON a.credential = c.credential AND a.region = r.region
        WHERE (a.epoch, a.version) IS DISTINCT FROM (r.epoch, c.version)";
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for loss in ["flush", "restart"] {
        let before = sql_value(&scene.database_url, epoch).await;
        if loss == "flush" {
            let mut redis = redis(&scene.redis_url).await;
            let _: () = redis::cmd("FLUSHALL").query_async(&mut redis).await.expect("it is flushed");
        } else {
            own.stores.stop_redis(0);
            own.stores.start_redis(0).expect("Redis starts again");
        }
        let started = Instant::now();
        while sql_value(&scene.database_url, epoch).await == before
            || sql_value(&scene.database_url, warm).await.as_deref() != Some("t")
        {
            assert!(started.elapsed() < PATIENCE, "after a {loss}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        scene.token_of(&account, &[]).await;
    }
}

/// Whether a flush of a region's Redis raises the epoch, when its one instance has this switched off.
async fn a_flush_is_noticed_without(protection: &str) -> bool {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let redis_url = own.stores.redis_urls()[0].clone();
    let settings = [("CARNET_REGION", "eu"), ("CARNET_SABOTAGE", protection)];
    let _eu = Process::serve((&scene.database_url, &redis_url), &settings, &[]).await;
    until_state(&scene, "eu", "required").await;
    // No epoch is younger than a second when it ends.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let epoch = "SELECT epoch FROM region WHERE region = 'eu'";
    let before = sql_value(&scene.database_url, epoch).await;
    let _: () =
        redis::cmd("FLUSHALL").query_async(&mut redis(&redis_url).await).await.expect("it is flushed");
    tokio::time::sleep(Duration::from_secs(3)).await;
    sql_value(&scene.database_url, epoch).await != before
}

#[tokio::test]
async fn a_process_notices_that_its_redis_was_flushed() {
    assert!(a_flush_is_noticed_without("").await);
}

#[tokio::test]
async fn twin_without_the_look_at_its_life_a_flushed_redis_keeps_its_epoch() {
    assert!(!a_flush_is_noticed_without("no_epoch").await);
}

async fn redis(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("Redis answers")
}

#[tokio::test]
async fn a_region_s_name_is_taken_once() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    scene.account("of the first").await;
    let other = config(&scene.database_url, &own.stores.redis_urls()[0], &json!({}));
    let refused = Server::try_start(other).await.err().expect("refused");
    assert!(refused.contains("region local") && refused.contains("redis_url"), "{refused}");
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused() {
    let own = OwnStores::start(1);
    let mut connection = redis(&own.stores.redis_urls()[0]).await;
    let policy = ["SET", "maxmemory-policy", "allkeys-lru"];
    let _: () = redis::cmd("CONFIG").arg(&policy).query_async(&mut connection).await.expect("set");
    let settings = config(&database().await, &own.stores.redis_urls()[0], &json!({}));
    let refused = Server::try_start(settings).await.err().expect("refused");
    assert!(refused.contains("allkeys-lru") && refused.contains("noeviction"), "{refused}");
}

#[tokio::test]
async fn a_redis_that_begins_to_evict_is_warmed_no_more_until_it_keeps_what_it_gets() {
    let own = OwnStores::start(1);
    let settings = json!({ "region": "evicting" });
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &settings).await;
    let account = scene.account("before").await;
    scene.token_of(&account, &[]).await;
    let mut connection = redis(&scene.redis_url).await;
    let mut set = async |policy: &str| {
        let command = ["SET", "maxmemory-policy", policy];
        redis::cmd("CONFIG").arg(&command).query_async::<()>(&mut connection).await.expect("set");
        // Somebody looks four times a second.
        tokio::time::sleep(Duration::from_millis(600)).await;
    };
    set("allkeys-lru").await;
    let late = scene.account("late").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.client.token(&late.client_id, &late.client_secret, &[]).await.expect(503);
    scene.token_of(&account, &[]).await;
    set("noeviction").await;
    scene.token_of(&late, &[]).await;
}

#[tokio::test]
async fn a_redis_that_is_a_replica_is_refused_and_one_that_becomes_one_is_warmed_no_more() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let mut connection = redis(&scene.redis_url).await;
    let mut follow = async |of: [&str; 2]| {
        redis::cmd("REPLICAOF").arg(&of).query_async::<()>(&mut connection).await.expect("it follows");
    };
    follow(["127.0.0.1", "1"]).await;
    let late = scene.account("late").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.client.token(&late.client_id, &late.client_secret, &[]).await.expect(503);
    let second = config(&scene.database_url, &scene.redis_url, &json!({}));
    let refused = Server::try_start(second).await.err().expect("refused");
    assert!(refused.contains("replica"), "{refused}");
    follow(["NO", "ONE"]).await;
    scene.token_of(&late, &[]).await;
}

#[tokio::test]
async fn a_region_with_other_master_keys_is_refused_and_told_why() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let other = "test:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    let settings = json!({ "region": "eu", "master_keys": other });
    let eu = config(&scene.database_url, &own.stores.redis_urls()[0], &settings);
    let refused = Server::try_start(eu).await.err().expect("refused");
    assert!(refused.contains("master keys are not those of this database"), "{refused}");
    assert_eq!(state(&scene, "eu").await, None, "it leaves no region behind that anybody waits for");
}

/// An installation that was asleep while another took its region's name: it accepts nothing that was taken away
/// meanwhile, and the two do not keep each other from working.
#[tokio::test]
async fn a_region_s_name_that_was_taken_while_its_owner_slept_is_told_of_and_nothing_stale_is_served() {
    let own = OwnStores::start(2);
    let (database_url, urls) = (own.migrated().await, own.stores.redis_urls());
    let settings = json!({ "lease_seconds": 2, "quarantine_seconds": 60 });
    let scene = Scene::on(database_url, urls[0].clone(), &settings).await;
    let account = scene.account("disabled meanwhile").await;
    scene.token_of(&account, &[]).await;
    let stores = (scene.database_url.clone(), urls[0].clone());
    let asleep = [("CARNET_LEASE_SECONDS", "2")];
    let first = Process::serve((&stores.0, &stores.1), &asleep, &[]).await;
    let there = Client::new(&first.url);
    there.token(&account.client_id, &account.client_secret, &[]).await.expect(200);

    let Scene { server, database_url, tsg_id, admin, .. } = scene;
    let paused = first.pause();
    drop(server);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let server = Server::start(config(&database_url, &urls[1], &settings)).await;
    let (client, redis_url) = (Client::new(&server.url), urls[1].clone());
    let scene = Scene { server, client, database_url, redis_url, tsg_id, admin };
    let disable =
        format!("UPDATE service_account SET enabled = false WHERE client_id = '{}'", account.client_id);
    scene.change_record(&account.client_id, &disable).await;
    drop(paused);

    let (started, mut seen) = (Instant::now(), Vec::new());
    while started.elapsed() < Duration::from_secs(15) {
        seen.push(there.token(&account.client_id, &account.client_secret, &[]).await.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!seen.contains(&200) && seen.contains(&401), "{seen:?}");
    assert!(!first.lines("use another Redis").is_empty(), "{:?}", first.lines("epoch"));
    // One raises it against the other, and then waits longer and longer before it does so again.
    let raised = first.lines("another Redis, or one that lost its entries").len();
    assert!(raised < 8, "they raise the epoch against each other: {raised} times");
    let late = scene.account("made meanwhile").await;
    scene.token_of(&late, &[]).await;
    there.token(&late.client_id, &late.client_secret, &[]).await.expect(200);
}
