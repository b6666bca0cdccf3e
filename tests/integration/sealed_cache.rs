//! Whoever owns Redis can slow Carnet down, never mint access.

use std::collections::HashMap;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::json;

use crate::support::client::Client;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{OwnStores, run_sql, sql_value};

type Fields = HashMap<String, Vec<u8>>;

async fn redis_of(scene: &Scene) -> MultiplexedConnection {
    let client = redis::Client::open(scene.redis_url.as_str()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("Redis answers")
}

fn key_of(account: &Account) -> String {
    format!("carnet:local:{}", account.client_id)
}

/// The entry of an account once it is live, in Redis, by itself.
async fn entry_of(redis: &mut MultiplexedConnection, account: &Account) -> Fields {
    for _ in 0..200 {
        let fields: Fields = redis.hgetall(key_of(account)).await.expect("fields");
        if fields.get("pending").is_some_and(|pending| pending == b"0") {
            return fields;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no live entry of {}", account.client_id);
}

async fn write(redis: &mut MultiplexedConnection, account: &Account, fields: &Fields) {
    let fields: Vec<(&String, &Vec<u8>)> = fields.iter().collect();
    redis.hset_multiple::<_, _, _, ()>(key_of(account), &fields).await.expect("written");
}

/// A new instance, with an empty memory, so that it has to believe Redis or ask.
async fn fresh(scene: &Scene) -> (crate::support::server::Server, Client) {
    // On a busy machine Redis may be slow to answer a new connection; here it is not asked how fast.
    let server = scene.another_instance(&json!({ "redis_timeout_ms": 5_000 })).await;
    let client = Client::new(&server.url);
    (server, client)
}

#[tokio::test]
async fn an_entry_from_before_a_revoke_is_refused_when_it_is_put_back() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("replayed").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let mut redis = redis_of(&scene).await;
    let before = entry_of(&mut redis, &account).await;
    scene.revoke(&id).await.expect(200);
    let (_server, client) = fresh(&scene).await;
    write(&mut redis, &account, &before).await;
    let product = [("resource", "urn:carnet:product:advanced_wildfire")];
    let answer = client.token(&account.client_id, &account.client_secret, &product).await;
    assert_eq!(answer.expect(400).code(), "invalid_target");
}

/// The twin: with an outbox that loses the change, no floor knows better than the old entry.
#[tokio::test]
async fn twin_without_the_change_in_the_outbox_the_old_entry_is_believed() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("replayed").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let mut redis = redis_of(&scene).await;
    let before = entry_of(&mut redis, &account).await;
    let append = sql_value(&scene.database_url, "SELECT pg_get_functiondef('append_changes'::regproc)").await;
    let losing = append.expect("a function").replace("version + 1", "version");
    run_sql(&scene.database_url, &losing).await;
    scene.revoke(&id).await.expect(200);
    let (_server, client) = fresh(&scene).await;
    write(&mut redis, &account, &before).await;
    let product = [("resource", "urn:carnet:product:advanced_wildfire")];
    client.token(&account.client_id, &account.client_secret, &product).await.expect(200);
}

/// Without Postgres, an entry that is believed gives a token and one that is not gives a 503.
#[tokio::test]
async fn nothing_that_was_tampered_with_opens_and_what_was_not_does() {
    let own = OwnStores::start(1);
    let scene = Scene::on(own.migrated().await, own.stores.redis_urls()[0].clone(), &json!({})).await;
    let names =
        ["untouched", "bits", "head", "tail", "swapped", "newer", "older", "empty", "wordy", "elsewhere"];
    let mut accounts = HashMap::new();
    let mut redis = redis_of(&scene).await;
    for name in names {
        let account = scene.account(name).await;
        entry_of(&mut redis, &account).await;
        accounts.insert(name, account);
    }
    // Nobody is in the memory of a new instance, so it has to believe Redis, or ask.
    let (_server, client) = fresh(&scene).await;
    own.stores.stop_postgres();
    let others = entry_of(&mut redis, &accounts["untouched"]).await;
    for (name, account) in &accounts {
        let mut fields = entry_of(&mut redis, account).await;
        let entry = fields["entry"].clone();
        let (middle, last) = (entry.len() / 2, entry.len() - 1);
        let flipped = |at: usize| {
            let mut entry = entry.clone();
            entry[at] ^= 0x40;
            entry
        };
        let (field, value) = match *name {
            "bits" => ("entry", flipped(middle)),
            "head" => ("entry", flipped(0)),
            "tail" => ("entry", flipped(last)),
            "swapped" => ("entry", others["entry"].clone()),
            "newer" => ("version", b"99".to_vec()),
            "older" => ("version", b"0".to_vec()),
            "empty" => ("entry", Vec::new()),
            "wordy" => ("version", b"one".to_vec()),
            // Where it is said to belong is no part of what opens it, so that lying about it is in vain.
            "elsewhere" => ("place", b"another".to_vec()),
            _ => continue,
        };
        fields.insert(field.to_owned(), value);
        write(&mut redis, account, &fields).await;
    }
    for (name, account) in &accounts {
        let answer = client.token(&account.client_id, &account.client_secret, &[]).await;
        let expected = if ["untouched", "elsewhere"].contains(name) { 200 } else { 503 };
        assert_eq!(answer.status, expected, "{name}");
    }
    // The swapped entry is the untouched account's: its secret does not help either.
    let swapped = client.token(&accounts["swapped"].client_id, &accounts["untouched"].client_secret, &[]);
    swapped.await.expect(503);
}
