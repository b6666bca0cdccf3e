//! Missed at start: what changes after an instance has loaded its floor, and before it is on the list of those who have
//! to hear of it, is heard all the same.

use serde_json::json;

use crate::support::client::Client;
use crate::support::scene::{Account, Scene};
use crate::support::server::{Server, ready};
use crate::support::stores::{config, run_sql};

/// The account is disabled in the very transaction in which an instance registers; then what else happens.
fn at_registration(account: &Account, then: &str) -> String {
    let id = &account.client_id;
    format!(
        "CREATE FUNCTION disable_late() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
         SET search_path = public, pg_temp AS $$
         BEGIN
             UPDATE service_account SET enabled = false WHERE client_id = '{id}' AND enabled;
             IF FOUND THEN
                 PERFORM append_changes(ARRAY['{id}']);
                 {then}
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER disable_late BEFORE INSERT ON instance FOR EACH ROW EXECUTE FUNCTION disable_late()"
    )
}

/// What a new instance, and none else, answers to the account, which its region's Redis knows as enabled.
async fn answer_after(then: &str) -> u16 {
    let scene = Scene::new().await;
    let account = scene.account("disabled late").await;
    scene.token_of(&account, &[]).await;
    // What was pending a moment ago is written again behind the flip.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    run_sql(&scene.database_url, &at_registration(&account, then)).await;
    let Scene { server, database_url, redis_url, .. } = scene;
    drop(server);
    let settings = json!({ "redis_timeout_ms": 5_000 });
    let server = Server::start(config(&database_url, &redis_url, &settings)).await;
    ready(&server.health_url).await;
    let client = Client::new(&server.url);
    client.token(&account.client_id, &account.client_secret, &[]).await.status
}

#[tokio::test]
async fn what_changes_between_loading_the_floor_and_registering_is_heard() {
    assert_eq!(answer_after("").await, 401);
}

/// The twin: the change is not behind the floor, as if the feed began where the instance registered. (That nothing is
/// cold hides it from the sweep, which would find it later.)
#[tokio::test]
async fn twin_when_the_feed_begins_at_the_registration_the_change_is_missed() {
    let missed = "DELETE FROM change WHERE seq = (SELECT max(seq) FROM change);
                  UPDATE acknowledgement a SET version = c.version FROM credential c
                  WHERE c.credential = a.credential;";
    assert_eq!(answer_after(missed).await, 200);
}
