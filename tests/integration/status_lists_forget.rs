//! Places of what has long been gone are forgotten as fast as they come, and no change waits for it.

use std::time::{Duration, Instant};

use carnet::store::Store;

use crate::support::scene::Scene;
use crate::support::stores::{config, run_sql, sql_value};

const GONE: &str = "SELECT count(*) FROM token_status WHERE gone_at IS NOT NULL";

fn store(scene: &Scene) -> Store {
    let config = config(&scene.database_url, &scene.redis_url, &serde_json::json!({}));
    carnet::app::store(&config).expect("a store")
}

/// So many pairs of the root's administrator that have been gone for hours, in a list of their own.
async fn gone(scene: &Scene, pairs: u32) {
    let statements = format!(
        "INSERT INTO status_list SELECT 7, 32768, 0, 0, 0, 0;
         INSERT INTO token_status (list, idx, credential, credential_id, gone_at)
         SELECT 7, n, '{}', 'gone ' || n, now() - interval '2 hours' FROM generate_series(1, {pairs}) n",
        scene.admin.client_id
    );
    run_sql(&scene.database_url, &statements).await;
}

#[tokio::test]
async fn whatever_has_gathered_is_forgotten_at_once() {
    let scene = Scene::new().await;
    gone(&scene, 3_500).await;
    store(&scene).prune_token_statuses().await.expect("forgotten");
    assert_eq!(sql_value(&scene.database_url, GONE).await.as_deref(), Some("0"));
    let lists = "SELECT count(*) FROM status_list WHERE list = 7";
    assert_eq!(sql_value(&scene.database_url, lists).await.as_deref(), Some("0"), "and the list of it");
}

#[tokio::test]
async fn places_are_forgotten_beside_a_change_that_takes_its_time() {
    let scene = Scene::new().await;
    gone(&scene, 3).await;
    // It holds the lock of all changes, and one of those pairs comes back with it.
    let change = "BEGIN; SELECT pg_advisory_xact_lock(7027);
        UPDATE token_status SET gone_at = NULL WHERE credential_id = 'gone 2'; SELECT pg_sleep(4); COMMIT";
    let url = scene.database_url.clone();
    let changing = tokio::spawn(async move { run_sql(&url, change).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    let prune = "SET ROLE carnet_engine; SELECT prune_token_statuses(1000)";
    run_sql(&scene.database_url, prune).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(sql_value(&scene.database_url, GONE).await.as_deref(), Some("1"), "not what is changed");
    changing.await.expect("changed");
    run_sql(&scene.database_url, prune).await;
    let back = "SELECT count(*) FROM token_status WHERE credential_id = 'gone 2' AND gone_at IS NULL";
    assert_eq!(sql_value(&scene.database_url, back).await.as_deref(), Some("1"), "what is back stays");
}
