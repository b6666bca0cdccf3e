//! Questions without answers: a link that carries one way only. Who is asked hears that somebody is there; who asks
//! hears nothing. Such an instance must not keep its lease, or a revoke would wait for it for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carnet::app;
use carnet::store::feed::{Identity, Renewal};
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::client::Answer;
use crate::support::scene::Scene;
use crate::support::stores::{config, run_sql, sql_value};

const LEASE: Duration = Duration::from_secs(2);
/// How old a change may be that an instance has not applied and still gets its lease: `unheard_limit()`.
const UNHEARD: Duration = Duration::from_millis(400);

/// A revocation while an instance goes on asking, and no answer gets through to it.
async fn revoke_meanwhile(before: &str) -> (Answer, Duration) {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 6 })).await;
    let account = scene.entitled_account("unheard").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    run_sql(&scene.database_url, before).await;

    let store = app::store(&config(&scene.database_url, &scene.redis_url, &json!({}))).expect("a store");
    let connection = store.connect_feed(Arc::new(watch::Sender::new(()))).await.expect("connected");
    let head = sql_value(&scene.database_url, "SELECT max(seq) FROM change").await.expect("a change");
    let applied = head.parse().expect("a number");
    let keyring = store.read_keyring().await.expect("a keyring").revision;
    let renewal = Renewal { applied, low_water: 0, believed: LEASE, keyring, keys_lacking: &[] };
    let who = Identity { instance: Uuid::from_u128(7), region: "local".to_owned() };
    connection.register(&who, renewal, &[]).await.expect("registered");
    let asking = tokio::spawn(async move {
        loop {
            // What it says is lost on the way.
            connection.poll(&who, applied, 1, Some(renewal)).await.expect("it is asked");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    let answer = scene.revoke(&id).await;
    let took = started.elapsed();
    asking.abort();
    (answer, took)
}

#[tokio::test]
async fn a_link_that_carries_only_questions_keeps_no_lease_alive() {
    let (answer, took) = revoke_meanwhile("SELECT 1").await;
    let answer = answer.expect(200);
    assert!(took < UNHEARD + LEASE + Duration::from_secs(1), "{took:?}");
    assert!(took > Duration::from_millis(1_500), "its lease was believed: {took:?}");
    assert!(String::from_utf8_lossy(&answer.bytes).contains("lapsed"), "{:?}", answer.json());
}

/// The twin: leases are renewed unconditionally.
#[tokio::test]
async fn twin_without_the_condition_a_revoke_waits_for_as_long_as_somebody_asks() {
    let unconditional = "CREATE OR REPLACE FUNCTION unheard_limit() RETURNS interval
                         LANGUAGE sql IMMUTABLE AS $$ SELECT interval '1 day' $$";
    let (answer, _) = revoke_meanwhile(unconditional).await;
    answer.expect(202);
}
