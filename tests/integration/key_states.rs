//! The SQL and `domain::key` agree: what each event does to a key in each state, seen in the database.

use carnet::domain::key::{KeyEvent, KeyStatus};
use serde_json::{Value, json};

use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

/// Every status that is stored.
const STORED: [KeyStatus; 6] = [
    KeyStatus::Unmigrated,
    KeyStatus::Pending,
    KeyStatus::Valid,
    KeyStatus::Inactive,
    KeyStatus::Revoking,
    KeyStatus::Revoked,
];

const DEAF: &str = "INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
     (gen_random_uuid(), 'local', 0, 0, clock_timestamp() + interval '10 minutes')";

fn name(status: KeyStatus) -> Value {
    serde_json::to_value(status).expect("a name")
}

/// One key in each stored status, numbered from 1, and one that is expired.
async fn keys(scene: &Scene, account: &Account) {
    for (status, number) in STORED.into_iter().zip(1..) {
        insert(scene, account, number, status, "NULL").await;
    }
    insert(scene, account, 7, KeyStatus::Valid, "now() - interval '1 second'").await;
    run_sql(&scene.database_url, &format!("SELECT append_changes(ARRAY['{}'])", account.client_id)).await;
}

async fn insert(scene: &Scene, account: &Account, number: i64, status: KeyStatus, expires_at: &str) {
    let (tsg_id, id, client_id) = (&scene.tsg_id, &account.id, &account.client_id);
    let status = name(status);
    let status = status.as_str().expect("a string");
    let key = format!(
        "INSERT INTO api_key (api_key_id, tsg_id, product, status, service_account_id, credential, created_by, expires_at)
         VALUES ({number}, '{tsg_id}', 'prisma_access', '{status}', '{id}', '{client_id}', 'a test', {expires_at})"
    );
    run_sql(&scene.database_url, &key).await;
}

async fn status_of(scene: &Scene, number: i64) -> Value {
    scene.get(&format!("api-keys/{number}")).await.expect(200).json()["status"].clone()
}

#[tokio::test]
async fn revoking_does_in_every_state_what_the_state_machine_says() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 0 })).await;
    let account = scene.account("many keys").await;
    // Nobody hears of it everywhere, so that what is revoking stays so.
    run_sql(&scene.database_url, DEAF).await;
    keys(&scene, &account).await;
    for (status, number) in STORED.into_iter().zip(1..) {
        scene.revoke(&i64::to_string(&number)).await;
        let expected = status.after(KeyEvent::Revoke).unwrap_or(status);
        assert_eq!(status_of(&scene, number).await, name(expected), "{status:?}");
    }
    assert_eq!(KeyStatus::Expired.after(KeyEvent::Revoke), None);
    assert_eq!(scene.revoke("7").await.expect(409).code(), "api_key_expired");
    assert_eq!(status_of(&scene, 7).await, name(KeyStatus::Expired));
}

#[tokio::test]
async fn settling_and_withdrawing_touch_only_the_states_that_the_state_machine_names() {
    let scene = Scene::new().await;
    let account = scene.account("many keys").await;
    keys(&scene, &account).await;
    scene.until("2", "valid").await;
    scene.until("5", "revoked").await;
    for (status, number) in STORED.into_iter().zip(1..) {
        let settled = status.after(KeyEvent::Settled).or(status.after(KeyEvent::Withdrawn));
        assert_eq!(status_of(&scene, number).await, name(settled.unwrap_or(status)), "{status:?}");
    }
    assert_eq!(status_of(&scene, 7).await, name(KeyStatus::Expired));
}
