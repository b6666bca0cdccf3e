//! Two warmers at once: they do the same twice, and no harm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carnet::app;
use carnet::domain::record::Entry;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::forge::Forger;
use crate::support::scene::Scene;
use crate::support::stores::{config, run_sql, sql_value};

const SECRETS: usize = 10;

/// How often secrets became valid that were made while many warmers settle everything, again and again.
async fn flips(flip: impl Fn(String) -> String) -> Option<String> {
    let scene = Scene::new().await;
    let function = sql_value(&scene.database_url, "SELECT pg_get_functiondef('flip_ready'::regproc)").await;
    run_sql(&scene.database_url, &flip(function.expect("a function"))).await;
    let store = app::store(&config(&scene.database_url, &scene.redis_url, &json!({}))).expect("a store");
    let mut names = Vec::new();
    let (mut accounts, started) = (Vec::new(), Instant::now());
    for n in 0..SECRETS {
        accounts.push(scene.account(&format!("settled {n}")).await);
        names.push(accounts[n].client_id.clone());
        let settled = join_all((0..5).map(|_| store.acknowledge_and_flip("local", 1, &[], &names)));
        for outcome in settled.await {
            outcome.expect("settled");
        }
    }
    for account in &accounts {
        scene.token_of(account, &[]).await;
    }
    // Some more, when all are valid.
    while started.elapsed() < Duration::from_secs(3) {
        join_all((0..5).map(|_| store.acknowledge_and_flip("local", 1, &[], &names))).await;
    }
    let valid = "SELECT count(*) FROM audit_event WHERE action = 'client_secret.valid' AND target IN
        (SELECT credential_id FROM client_secret s JOIN service_account a ON a.id = s.service_account_id
         WHERE a.name LIKE 'settled %')";
    sql_value(&scene.database_url, valid).await
}

#[tokio::test]
async fn what_many_settle_at_once_becomes_valid_once() {
    assert_eq!(flips(|function| function).await, Some(SECRETS.to_string()));
}

/// The twin: the flip does not ask whether it has been done.
#[tokio::test]
async fn twin_when_the_flip_does_not_look_it_is_done_again_and_again() {
    let blind = |function: String| {
        let blind = function.replace("AND p.status = 'pending'", "AND p.status IN ('pending', 'valid')");
        assert_ne!(blind, function);
        blind
    };
    let valid: usize = flips(blind).await.expect("a number").parse().expect("a number");
    assert!(valid > SECRETS, "{valid}");
}

/// Two readings of one account: the older one is written by a warmer that was slow, after the newer one.
async fn version_after_a_late_writer(over: bool) -> (i64, i64) {
    let scene = Scene::new().await;
    let account = scene.account("written late").await;
    scene.token_of(&account, &[]).await;
    let forger = Forger::new(&scene, "local", &scene.redis_url).await;
    let older = forger.live(&account).await;
    scene.change_record(&account.client_id, "SELECT 1").await;
    let started = Instant::now();
    while forger.live(&account).await.version == older.version {
        assert!(started.elapsed() < Duration::from_secs(10), "not written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let newer = forger.live(&account).await.version;
    // Read later, as a flip's reading would be, but of the version before.
    let late = Entry { record: Arc::clone(&older.record), ..older };
    forger.write(&late, over).await;
    (newer, forger.live(&account).await.version)
}

#[tokio::test]
async fn a_warmer_that_was_slow_does_not_write_over_what_is_newer() {
    let (newer, held) = version_after_a_late_writer(false).await;
    assert_eq!(held, newer);
}

/// The twin: without compare-and-set the version goes down.
#[tokio::test]
async fn twin_without_compare_and_set_the_older_reading_takes_the_place() {
    let (newer, held) = version_after_a_late_writer(true).await;
    assert!(held < newer, "{held} {newer}");
}
