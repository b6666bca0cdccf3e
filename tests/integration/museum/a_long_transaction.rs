//! A long transaction: somebody stalls between appending a change and committing it. Changes commit in order, so all
//! others wait; but not for ever, and nothing of theirs is lost.

use std::time::{Duration, Instant};

use carnet::app;
use carnet::domain::tenant::TsgId;
use carnet::store::{StoreError, Tx};
use reqwest::Method;
use serde_json::json;
use tokio_postgres::NoTls;

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};
use crate::support::stores::config;

/// Longer than anything here waits.
const STALLED: Duration = Duration::from_secs(12);
/// For how long a transaction of Carnet's may sit between two statements.
const LIMIT: Duration = Duration::from_secs(5);

/// A process of ours, on a thread of its own, that is stopped in the middle.
fn stall(scene: &Scene, account: &Account) {
    let settings = config(&scene.database_url, &scene.redis_url, &json!({}));
    let (tsg_id, id) = (TsgId::parse(&scene.tsg_id).expect("a tenant"), account.client_id.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = app::store(&settings).expect("a store");
        let stopped = runtime.block_on(store.run_tx("stalls", &tsg_id, async |tx: &mut Tx| {
            tx.run("UPDATE service_account SET enabled = false WHERE client_id = $1", &[&id]).await?;
            tx.one("SELECT append_changes(ARRAY[$1::text])", &[&id]).await?;
            std::thread::sleep(STALLED);
            Ok::<_, StoreError>(())
        }));
        assert!(stopped.is_err(), "what sat for so long is not committed");
    });
}

async fn create(scene: &Scene, token: &str) -> Answer {
    let body = json!({ "name": "meanwhile" });
    let path = scene.path("service-accounts");
    scene.client.call(token, Method::POST, &path, Some(&body)).await
}

#[tokio::test]
async fn others_wait_for_at_most_the_limit_and_nothing_is_lost() {
    let scene = Scene::new().await;
    let account = scene.account("half disabled").await;
    scene.token_of(&account, &[]).await;
    let token = scene.admin_token().await;
    stall(&scene, &account);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    let made = loop {
        // Who is known is served all the while.
        scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
        let answer = create(&scene, &token).await;
        if answer.status == 201 {
            break Account::of(&answer);
        }
        assert_eq!(answer.status, 503, "an outage, and nobody's fault");
        assert!(started.elapsed() < LIMIT + Duration::from_secs(4), "it goes on for too long");
    };
    assert!(started.elapsed() > Duration::from_secs(2), "it did not stall: {:?}", started.elapsed());
    scene.token_of(&made, &[]).await;
    // Half of a change is none.
    scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}

/// The twin: a connection without that limit.
#[tokio::test]
async fn twin_without_the_limit_nothing_can_be_changed_for_as_long_as_somebody_stalls() {
    let scene = Scene::new().await;
    let account = scene.account("half disabled").await;
    let token = scene.admin_token().await;
    let (stalled, connection) =
        tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let append = format!("BEGIN; SELECT append_changes(ARRAY['{}'])", account.client_id);
    stalled.batch_execute(&append).await.expect("under way");
    let started = Instant::now();
    while started.elapsed() < LIMIT + Duration::from_secs(4) {
        create(&scene, &token).await.expect(503);
    }
    drop(stalled);
}
