//! Once anyone has seen `valid`, every instance accepts, also while Postgres is away (I9).

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{OwnStores, run_sql};
use crate::valid_everywhere::deaf_instance;

const PRODUCT: [(&str, &str); 1] = [("resource", "urn:carnet:product:advanced_wildfire")];

/// Two instances; the second was asked for the account's token while its key was pending, and was not
/// asked again since. Then Postgres stopped, less than a lease ago.
struct Outage {
    own: OwnStores,
    scene: Scene,
    second: Server,
    account: Account,
}

impl Outage {
    async fn begin() -> Self {
        let own = OwnStores::start(1);
        let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
        let settings = json!({ "lease_seconds": 30 });
        let scene = Scene::on(database_url, redis_url, &settings).await;
        let second = scene.another_instance(&settings).await;
        let account = scene.entitled_account("armed").await;
        scene.token_of(&account, &[]).await;

        run_sql(&scene.database_url, &deaf_instance(600)).await;
        let id = scene.key("advanced_wildfire", &account).await;
        let outage = Self { own, scene, second, account };
        outage.scene.heard().await;
        outage.ask_second().await.expect(503);

        run_sql(&outage.scene.database_url, "DELETE FROM instance WHERE applied = 0 AND low_water = 0").await;
        outage.scene.until(&id, "valid").await;
        outage.scene.token_of(&outage.account, &PRODUCT).await;
        outage.scene.heard().await;
        // What was armed is written again behind the flip.
        tokio::time::sleep(Duration::from_millis(700)).await;
        outage.own.stores.stop_postgres();
        outage
    }

    async fn ask_second(&self) -> Answer {
        let client = Client::new(&self.second.url);
        client.token(&self.account.client_id, &self.account.client_secret, &PRODUCT).await
    }

    fn end(&self) {
        // So that the instances can give their leases back.
        self.own.stores.start_postgres().expect("Postgres starts again");
    }
}

#[tokio::test]
async fn an_instance_that_was_asked_while_a_key_was_pending_accepts_it_without_postgres() {
    let outage = Outage::begin().await;
    let answer = outage.ask_second().await;
    outage.end();
    answer.expect(200);
}

/// The twin: it is the region's entry that makes it so. What the instance remembers is armed.
#[tokio::test]
async fn twin_without_the_regions_entry_such_an_instance_cannot_accept() {
    let outage = Outage::begin().await;
    let redis = redis::Client::open(outage.scene.redis_url.as_str()).expect("a URL");
    let mut connection = redis.get_multiplexed_async_connection().await.expect("Redis answers");
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.expect("flushed");
    let answer = outage.ask_second().await;
    outage.end();
    assert_eq!(answer.expect(503).code(), "temporarily_unavailable");
}
