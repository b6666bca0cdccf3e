//! A connection to Postgres that was dropped in the middle of something never goes back to its pool: it
//! may be inside a transaction, or lead nowhere.

use std::time::{Duration, Instant};

use carnet::app;
use carnet::domain::tenant::TsgId;
use carnet::store::{Store, StoreError, Tx};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{NO_REDIS, OwnStores, config, database, redis_url, run_sql, sql_value};

/// In milliseconds.
const DATABASE_TIMEOUT: u64 = 500;

fn store(database_url: &str) -> Store {
    let settings = json!({ "database_timeout_ms": DATABASE_TIMEOUT });
    app::store(&config(database_url, &redis_url(), &settings)).expect("a store")
}

fn tenant() -> TsgId {
    TsgId::parse("1234567890").expect("ten digits")
}

/// How many seconds ago the next transaction that one gets began, for Postgres.
async fn age_of_a_new_transaction(store: &Store) -> f64 {
    let age = async |tx: &mut Tx| {
        let row = tx.one("SELECT extract(epoch FROM clock_timestamp() - now())::float8", &[]).await?;
        Ok::<f64, StoreError>(row.try_get(0)?)
    };
    store.run_tx("age", &tenant(), age).await.expect("an age").value
}

async fn nothing(_: &mut Tx) -> Result<(), StoreError> {
    Ok(())
}

#[tokio::test]
async fn a_request_that_goes_away_while_a_transaction_begins_leaves_none_open() {
    let url = database().await;
    let store = store(&url);
    store.run_tx("connect", &tenant(), nothing).await.expect("a connection");
    let tenant = tenant();
    {
        let mut begun = std::pin::pin!(store.run_tx("cancelled", &tenant, nothing));
        assert!(futures_util::poll!(begun.as_mut()).is_pending());
    }
    // Long enough that it would show.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(sql_value(&url, open).await.as_deref(), Some("0"));
    let age = age_of_a_new_transaction(&store).await;
    assert!(age < 0.5, "began {age} s ago");
}

#[tokio::test]
async fn a_transaction_that_began_too_late_is_nobody_elses() {
    let proxy = Proxy::before(&database().await);
    let store = store(&proxy.database_url);
    store.run_tx("connect", &tenant(), nothing).await.expect("a connection");
    proxy.freeze();
    let late = store.run_tx("late", &tenant(), nothing).await;
    assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
    proxy.resume();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let age = age_of_a_new_transaction(&store).await;
    assert!(age < 0.5, "began {age} s ago");
}

#[tokio::test]
async fn a_connection_that_was_in_use_when_all_were_forgotten_is_forgotten_too() {
    let store = store(&database().await);
    let backend = async |tx: &mut Tx| {
        let row = tx.one("SELECT pg_backend_pid()", &[]).await?;
        Ok::<i32, StoreError>(row.try_get(0)?)
    };
    let forgotten = async |tx: &mut Tx| {
        let id = backend(tx).await?;
        store.forget_connections();
        Ok::<i32, StoreError>(id)
    };
    let first = store.run_tx("first", &tenant(), backend).await.expect("an id").value;
    let second = store.run_tx("second", &tenant(), forgotten).await.expect("an id").value;
    assert_eq!(first, second, "a connection is used again");
    let third = store.run_tx("third", &tenant(), backend).await.expect("an id").value;
    assert_ne!(second, third, "but not one that was forgotten meanwhile");
}

#[tokio::test]
async fn cold_clients_are_served_soon_after_every_connection_began_to_hang_and_from_then_on() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, redis_url(), &json!({})).await;
    let accounts = join_all((0..5).map(|n| {
        let scene = &scene;
        async move { scene.account(&format!("cold {n}")).await }
    }));
    let accounts: Vec<Account> = accounts.await;
    for account in &accounts {
        scene.token_of(account, &[]).await;
    }
    // It has no cache but its own memory.
    let proxy = Proxy::before(&scene.database_url);
    let settings = json!({ "database_timeout_ms": DATABASE_TIMEOUT });
    let server = Server::start(config(&proxy.database_url, NO_REDIS, &settings)).await;
    let client = Client::new(&server.url);
    let ask = async || {
        let asked = accounts.iter().map(|a| client.token(&a.client_id, &a.client_secret, &[]));
        join_all(asked).await.iter().map(|answer| answer.status).collect::<Vec<_>>()
    };
    // What is in a cache is older than this change, and so of no use.
    let names: Vec<String> = accounts.iter().map(|a| format!("'{}'", a.client_id)).collect();
    let touch = format!("SELECT append_changes(ARRAY[{}])", names.join(", "));
    let chill = async || {
        run_sql(&scene.database_url, &touch).await;
        scene.heard().await;
    };

    // Opens what connections there may be.
    assert_eq!(ask().await, [200; 5]);
    chill().await;
    proxy.freeze();
    let began = Instant::now();
    while ask().await != [200; 5] {
        assert!(began.elapsed() < 8 * Duration::from_millis(DATABASE_TIMEOUT), "still not served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..5 {
        chill().await;
        assert_eq!(ask().await, [200; 5]);
    }
}
