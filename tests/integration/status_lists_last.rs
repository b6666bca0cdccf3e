//! Places in status lists are given once: in whatever history, however full the list, whoever else is about.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::refused::assert_refused;
use crate::support::scene::Scene;
use crate::support::status_list::{Place, fetch, list};
use crate::support::stores::{OwnStores, run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

const PLACES: &str = "SELECT count(*) FROM token_status";

#[tokio::test]
async fn a_list_that_was_fetched_before_holds_nothing_against_who_is_new() {
    let scene = Scene::new().await;
    let before = Place::of(&scene.admin_token().await);
    let old = list(&scene.client, &before.uri).await;
    let new = Place::of(&scene.token_of(&scene.account("new").await, &[]).await);
    assert_eq!(new.uri, before.uri);
    assert!(!old.is_set(new.idx));
}

#[tokio::test]
async fn tokens_take_no_places() {
    let scene = Scene::new().await;
    let account = scene.account("asks often").await;
    scene.token_of(&account, &[]).await;
    let before = sql_value(&scene.database_url, PLACES).await;
    for _ in 0..20 {
        scene.token_of(&account, &[]).await;
    }
    assert_eq!(sql_value(&scene.database_url, PLACES).await, before);
}

#[tokio::test]
async fn a_full_list_is_followed_by_another() {
    let scene = Scene::new().await;
    let first = Place::of(&scene.admin_token().await);
    list(&scene.client, &first.uri).await;
    run_sql(&scene.database_url, "UPDATE status_list SET next_idx = 32767").await;
    let last = Place::of(&scene.token_of(&scene.account("last").await, &[]).await);
    assert_eq!((&last.uri, last.idx), (&first.uri, 32_767));
    let next = Place::of(&scene.token_of(&scene.account("next").await, &[]).await);
    assert_eq!(next.idx, 0);
    assert_ne!(next.uri, first.uri);
    // At once, though which lists there are was read a moment ago.
    assert!(!next.is_set(&scene.client).await);
    last.until(&scene.client, false, "it is good").await;
    let skipped = Place { idx: 20_000, ..last.clone() };
    skipped.until(&scene.client, true, "nobody has this one, and nobody will").await;
}

/// After a restore nobody knows which places were given in the history that is lost.
#[tokio::test]
async fn a_history_that_starts_over_gives_no_place_again() {
    let scene = Scene::with(&json!({ "lease_seconds": 2 })).await;
    let kept = Place::of(&scene.admin_token().await);
    // What the lost history gave away: its next place, in this list.
    let lost = Place { idx: kept.idx + 1, ..kept.clone() };
    assert!(!lost.is_set(&scene.client).await);
    let restored = "UPDATE authority SET restore_counter = restore_counter + 1, since = clock_timestamp()";
    run_sql(&scene.database_url, restored).await;
    let started = Instant::now();
    let new = loop {
        let account = scene.account(&format!("restored {}", started.elapsed().as_millis())).await;
        let token = scene.client.token(&account.client_id, &account.client_secret, &[]).await;
        if token.status == 200 {
            break Place::of(&token.text("access_token"));
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", token.status);
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_ne!(new.uri, kept.uri);
    lost.until(&scene.client, true, "it was given to somebody who is not there").await;
    assert!(!kept.is_set(&scene.client).await && !new.is_set(&scene.client).await);
}

#[tokio::test]
async fn what_has_long_been_gone_is_forgotten_and_stays_bad() {
    let scene = Scene::new().await;
    let account = scene.account("gone").await;
    let place = Place::of(&scene.token_of(&account, &[]).await);
    let path = format!("service-accounts/{}", account.id);
    scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    place.until(&scene.client, true, "deleted").await;
    let rows = format!("{PLACES} WHERE credential = '{}'", account.client_id);
    let prune = "SET ROLE carnet_engine; SELECT prune_token_statuses(1000), prune_status_lists()";
    run_sql(&scene.database_url, prune).await;
    assert_eq!(sql_value(&scene.database_url, &rows).await.as_deref(), Some("1"), "not at once");
    let old = "UPDATE token_status SET gone_at = gone_at - interval '2 hours'";
    let abandoned = "INSERT INTO status_list SELECT 1, 5, 0, 0, 0, 0";
    run_sql(&scene.database_url, &format!("{old}; {abandoned}; {prune}")).await;
    assert_eq!(sql_value(&scene.database_url, &rows).await.as_deref(), Some("0"));
    let lists = "SELECT count(*) FROM status_list";
    assert_eq!(sql_value(&scene.database_url, lists).await.as_deref(), Some("1"), "the empty one is gone");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(place.is_set(&scene.client).await);
    assert!(!Place::of(&scene.admin_token().await).is_set(&scene.client).await);
}

/// While a server of the version before is alive, which cannot read them, records have no (new) places.
#[tokio::test]
async fn a_program_of_before_is_waited_for() {
    let scene = Scene::new().await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let account = scene.account("early").await;
    let places = format!("{PLACES} WHERE credential = '{}'", account.client_id);
    assert_eq!(sql_value(&scene.database_url, &places).await.as_deref(), Some("0"));
    run_sql(&scene.database_url, "DELETE FROM instance WHERE NOT reads_statuses").await;
    let token = scene.token_of(&account, &[]).await;
    assert_eq!(Place::named(&token), None);
    scene.client.whoami(&token).await.expect(200);
    scene.change_record(&account.client_id, "SELECT 1").await;
    let place = Place::of(&scene.token_of(&account, &[]).await);
    assert!(!place.is_set(&scene.client).await);
}

#[tokio::test]
async fn status_list_section_8_1_without_a_lease_there_is_no_list() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let scene = Scene::on(database_url, redis_url, &json!({ "lease_seconds": 3 })).await;
    let place = Place::of(&scene.admin_token().await);
    assert!(!place.is_set(&scene.client).await);
    own.stores.stop_postgres();
    let stopped = Instant::now();
    let refused = loop {
        let answer = fetch(&scene.client, &place.uri).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(stopped.elapsed() < Duration::from_secs(5), "shown beyond the lease");
    };
    assert_refused(&refused, 503, "temporarily_unavailable", "no lease");
    assert!(!refused.header("retry-after").is_empty());
    own.stores.start_postgres().expect("Postgres starts again");
    scene.admin_token().await;
    let started = Instant::now();
    while fetch(&scene.client, &place.uri).await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "it stays away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
