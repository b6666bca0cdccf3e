//! Pruned: the outbox no longer has the change that an entry is older than. Whoever cannot know does not believe.

use std::time::Duration;

use serde_json::json;

use crate::support::client::Client;
use crate::support::forge::Forger;
use crate::support::proxy::Proxy;
use crate::support::scene::{Account, Scene};
use crate::support::server::{Server, ready};
use crate::support::stores::{NO_REDIS, config, run_sql};

/// Disables the account, lets others change, and prunes the change of the account.
async fn disable_and_prune(scene: &Scene, account: &Account) {
    let id = &account.client_id;
    let disable = format!("UPDATE service_account SET enabled = false WHERE client_id = '{id}'");
    scene.change_record(id, &disable).await;
    for n in 0..3 {
        scene.account(&format!("later {n}")).await;
    }
    scene.heard().await;
    let prune =
        format!("DELETE FROM change WHERE seq <= (SELECT seq FROM credential WHERE credential = '{id}')");
    run_sql(&scene.database_url, &prune).await;
}

/// What a new instance answers when the entry from before is put back into Redis; `hole` is what else is in the outbox.
async fn answer_from_an_old_entry(hole: &str) -> u16 {
    let scene = Scene::new().await;
    let account = scene.account("long ago").await;
    scene.token_of(&account, &[]).await;
    let mut forger = Forger::new(&scene, "local", &scene.redis_url).await;
    forger.live(&account).await;
    let before = forger.fields(&account).await;
    disable_and_prune(&scene, &account).await;
    while forger.live(&account).await.record.enabled {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    run_sql(&scene.database_url, hole).await;
    let fresh = scene.another_instance(&json!({ "redis_timeout_ms": 5_000 })).await;
    ready(&fresh.health_url).await;
    forger.put(&account, &before).await;
    let client = Client::new(&fresh.url);
    client.token(&account.client_id, &account.client_secret, &[]).await.status
}

#[tokio::test]
async fn an_entry_from_before_the_outbox_begins_is_not_believed() {
    assert_eq!(answer_from_an_old_entry("SELECT 1").await, 401);
}

/// The twin: an outbox that was pruned in the middle seems to reach back further than it does.
#[tokio::test]
async fn twin_behind_a_hole_in_the_outbox_the_old_entry_is_believed() {
    let hole = "INSERT INTO change (seq, credential, version, kind) OVERRIDING SYSTEM VALUE
                SELECT 0, min(credential), 0, 'changed' FROM credential";
    assert_eq!(answer_from_an_old_entry(hole).await, 200);
}

/// What an instance answers when it is back from where it heard of nothing; `meanwhile` something becomes of its row.
async fn answers_of_one_that_was_away(meanwhile: &str) -> Vec<u16> {
    let scene = Scene::new().await;
    let account = scene.account("remembered").await;
    scene.token_of(&account, &[]).await;
    let proxy = Proxy::before(&scene.database_url);
    let settings = json!({ "lease_seconds": 2, "database_timeout_ms": 500 });
    let away = Server::start(config(&proxy.database_url, NO_REDIS, &settings)).await;
    let client = Client::new(&away.url);
    let ask = async || client.token(&account.client_id, &account.client_secret, &[]).await.status;
    assert_eq!(ask().await, 200, "it is in its memory");
    proxy.lead_to("postgresql://postgres@%2Fnowhere/carnet");
    proxy.close();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    disable_and_prune(&scene, &account).await;
    run_sql(&scene.database_url, meanwhile).await;
    proxy.lead_to(&scene.database_url);
    ready(&away.health_url).await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(ask().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    answers
}

#[tokio::test]
async fn an_instance_that_was_forgotten_begins_anew_and_believes_nothing_of_before() {
    // After a day: see `instance_delete_gone.sql`. Only then is the outbox pruned above what it has applied.
    let forgotten = "DELETE FROM instance WHERE lease_until < clock_timestamp()";
    let answers = answers_of_one_that_was_away(forgotten).await;
    assert!(!answers.contains(&200) && answers.last() == Some(&401), "{answers:?}");
}

/// The twin: the outbox is pruned although the instance is still on the list, which then goes on where it was.
#[tokio::test]
async fn twin_pruned_above_what_an_instance_has_applied_it_serves_what_it_remembers() {
    let answers = answers_of_one_that_was_away("SELECT 1").await;
    assert!(answers.contains(&200), "{answers:?}");
}
