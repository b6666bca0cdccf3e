//! The order of `seq` is the order of commits: a change that commits late is never lost.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};

async fn connect(scene: &Scene) -> Client {
    let (client, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
}

/// Disables `late` in a transaction that commits only after another change was made, or tried.
async fn commit_late(scene: &Scene, late: &Account, other: &Account) {
    let (slow, quick) = (connect(scene).await, connect(scene).await);
    let disable = format!(
        "BEGIN; UPDATE service_account SET enabled = false WHERE client_id = '{0}';
         SELECT append_changes(ARRAY['{0}'])",
        late.client_id,
    );
    slow.batch_execute(&disable).await.expect("under way");
    let quick = tokio::spawn({
        let append = format!("SELECT append_changes(ARRAY['{}'])", other.client_id);
        async move { quick.batch_execute(&append).await.expect("committed") }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    slow.batch_execute("COMMIT").await.expect("committed");
    quick.await.expect("the other one");
    // Every instance hears within a poll or two.
    tokio::time::sleep(Duration::from_millis(500)).await;
}

async fn warm_accounts(scene: &Scene) -> (Account, Account) {
    let (late, other) = (scene.account("late").await, scene.account("other").await);
    for _ in 0..3 {
        scene.token_of(&late, &[]).await;
    }
    (late, other)
}

#[tokio::test]
async fn a_change_that_commits_late_is_heard() {
    let scene = Scene::new().await;
    let (late, other) = warm_accounts(&scene).await;
    commit_late(&scene, &late, &other).await;
    scene.client.token(&late.client_id, &late.client_secret, &[]).await.expect(401);
}

/// The twin: without the lock the later `seq` commits first, the feed goes past it, and the change
/// that follows is never heard: a disabled account goes on getting tokens.
#[tokio::test]
async fn twin_without_the_lock_a_change_that_commits_late_is_lost() {
    let scene = Scene::new().await;
    let (late, other) = warm_accounts(&scene).await;
    let append = sql_value(&scene.database_url, "SELECT pg_get_functiondef('append_changes'::regproc)").await;
    let unordered = append.expect("a function").replace("PERFORM pg_advisory_xact_lock(7027);", "");
    run_sql(&scene.database_url, &unordered).await;
    commit_late(&scene, &late, &other).await;
    scene.client.token(&late.client_id, &late.client_secret, &[]).await.expect(200);
}
