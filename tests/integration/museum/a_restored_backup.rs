//! A dump that was restored tells another history: what caches know of the lost future is not believed.
//!
//! Restored by the tools that an operator would take, those beside the Postgres that the tests start.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::NamedTempFile;

use crate::support::client::Client;
use crate::support::forge::Forger;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{self, OwnStores, run_sql, run_tool, sql_value};

const PRODUCT: [(&str, &str); 1] = [("resource", "urn:carnet:product:advanced_wildfire")];

/// A database of which there is a dump, and which has gone on since.
struct Future {
    own: OwnStores,
    scene: Scene,
    dump: NamedTempFile,
    /// Was there before the dump, changed after it, has a key.
    account: Account,
    api_key_id: String,
    /// Was made after the dump.
    lost: Account,
}

/// Short, because a new history must wait for leases of the old.
fn settings() -> serde_json::Value {
    json!({ "lease_seconds": 2 })
}

impl Future {
    async fn new(before: &str) -> Self {
        let own = OwnStores::start(2);
        let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
        run_sql(&database_url, before).await;
        let scene = Scene::on(database_url, redis_url, &settings()).await;
        let account = scene.entitled_account("restored").await;
        let api_key_id = scene.key("advanced_wildfire", &account).await;
        scene.until(&api_key_id, "valid").await;

        let dump = NamedTempFile::new().expect("a file");
        run_tool(&scene.database_url, "pg_dump", &["-Fc", "-f", &path_of(&dump)]).await;

        // Its entry in Redis gets a version that the restored database will reach only later.
        for n in 0..3 {
            let role = format!("role {n}");
            scene.post("roles", json!({ "name": role, "permissions": ["iam.read"] })).await.expect(201);
            let policy = json!({ "principal": account.client_id, "role": role, "products": "all" });
            scene.post("access-policies", policy).await.expect(201);
        }
        let lost = scene.account("made after the dump").await;
        scene.token_of(&account, &PRODUCT).await;
        scene.token_of(&lost, &[]).await;
        scene.heard().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        Self { own, scene, dump, account, api_key_id, lost }
    }

    /// Every server is stopped while the dump is restored, as one does.
    async fn restore_in_peace(self) -> Self {
        let Self { own, scene, dump, account, api_key_id, lost } = self;
        let Scene { server, client, database_url, redis_url, tsg_id, admin } = scene;
        drop((server, client));
        let restore = ["--clean", "--if-exists", "--exit-on-error", &path_of(&dump)];
        run_tool(&database_url, "pg_restore", &restore).await;
        let server = Server::start(stores::config(&database_url, &redis_url, &settings())).await;
        let client = Client::new(&server.url);
        let scene = Scene { server, client, database_url, redis_url, tsg_id, admin };
        Self { own, scene, dump, account, api_key_id, lost }
    }

    async fn status_of(&self, account: &Account, form: &[(&str, &str)]) -> u16 {
        self.scene.client.token(&account.client_id, &account.client_secret, form).await.status
    }

    async fn nothing_of_the_lost_future_is_believed(&self) {
        self.scene.token_of(&self.account, &PRODUCT).await;
        assert_eq!(self.status_of(&self.lost, &[]).await, 401, "nobody has made this account");
        self.scene.revoke(&self.api_key_id).await.expect(200);
        assert_eq!(self.status_of(&self.account, &PRODUCT).await, 400, "the key is revoked");
    }
}

fn path_of(dump: &NamedTempFile) -> String {
    dump.path().to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test]
async fn what_was_cached_after_the_dump_is_not_believed() {
    let restored = Future::new("").await.restore_in_peace().await;
    restored.nothing_of_the_lost_future_is_believed().await;
}

/// Waits until somebody has written down that this is another history than before.
async fn noticed(database_url: &str, before: &str) {
    let noticed = format!("SELECT count(*) FROM authority WHERE incarnation <> {before}");
    let started = Instant::now();
    while sql_value(database_url, &noticed).await.as_deref() != Some("1") {
        assert!(started.elapsed() < Duration::from_secs(5), "nobody has noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const INCARNATION: &str = "SELECT incarnation FROM authority";

#[tokio::test]
async fn running_regions_notice_fail_closed_and_start_over() {
    let future = Future::new("").await;
    let (url, redis_urls) = (&future.scene.database_url, future.own.stores.redis_urls());
    // A region that the backup does not know at all.
    let settings = json!({ "region": "eu", "lease_seconds": 2 });
    let eu = Server::start(stores::config(url, &redis_urls[1], &settings)).await;
    let there = Client::new(&eu.url);
    let lost_there =
        async || there.token(&future.lost.client_id, &future.lost.client_secret, &[]).await.status;
    assert_eq!(lost_there().await, 200);
    let before = sql_value(url, INCARNATION).await.expect("a history");
    let restore = ["--clean", "--if-exists", "--exit-on-error", &path_of(&future.dump)];
    run_tool(url, "pg_restore", &restore).await;
    let restored = Instant::now();
    noticed(url, &before).await;
    while restored.elapsed() < Duration::from_secs(5) && lost_there().await != 401 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..100 {
        assert_eq!(lost_there().await, 401, "nobody has made this account");
    }
    future.nothing_of_the_lost_future_is_believed().await;
    // Everything is warmed anew, for the history that is.
    for (region, redis_url) in [("local", &redis_urls[0]), ("eu", &redis_urls[1])] {
        Forger::new(&future.scene, region, redis_url).await.live(&future.account).await;
    }
}

#[tokio::test]
async fn a_running_server_does_not_get_in_the_way_of_a_restore_that_takes_long() {
    let future = Future::new("").await;
    let url = &future.scene.database_url;
    let before = sql_value(url, INCARNATION).await.expect("a history");
    run_sql(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
        .await;
    for section in ["pre-data", "data", "post-data"] {
        let section = format!("--section={section}");
        run_tool(url, "pg_restore", &["--exit-on-error", &section, &path_of(&future.dump)]).await;
        // The feed looks again and again meanwhile.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    noticed(url, &before).await;
    future.nothing_of_the_lost_future_is_believed().await;
}

/// The twin: when the incarnation of its table is no part of a history, ghosts are served.
#[tokio::test]
async fn twin_without_incarnations_an_account_that_nobody_has_made_is_served() {
    let url = stores::database().await;
    let function = sql_value(&url, "SELECT pg_get_functiondef('authority_now'::regproc)").await;
    let function = function.expect("a function");
    let blind = function.replace("'authority'::regclass::oid::bigint", "0::bigint");
    assert_ne!(blind, function);
    let restored = Future::new(&blind).await.restore_in_peace().await;
    restored.scene.token_of(&restored.account, &PRODUCT).await;
    assert_eq!(restored.status_of(&restored.lost, &[]).await, 200);
}
