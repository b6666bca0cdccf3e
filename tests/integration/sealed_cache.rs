//! Whoever owns Redis can slow Carnet down, never mint access.

use std::collections::HashMap;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::json;

use crate::support::client::Client;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};

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
    let server = scene.another_instance(&json!({})).await;
    let client = Client::new(&server.url);
    (server, client)
}

async fn lookups(server: &crate::support::server::Server, from: &str) -> u64 {
    let metrics = reqwest::get(format!("{}/metrics", server.health_url)).await.expect("metrics");
    let metrics = metrics.text().await.expect("text");
    let line = format!("carnet_lookups_total{{from=\"{from}\"}} ");
    metrics.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
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

#[tokio::test]
async fn nothing_that_was_tampered_with_opens() {
    let scene = Scene::new().await;
    let (account, other) = (scene.account("victim").await, scene.account("other").await);
    let mut redis = redis_of(&scene).await;
    let (good, others) = (entry_of(&mut redis, &account).await, entry_of(&mut redis, &other).await);
    let with = |field: &str, value: &[u8]| {
        let mut fields = good.clone();
        fields.insert(field.to_owned(), value.to_vec());
        fields
    };
    let mut poisons = vec![
        ("another credential's entry", others.clone()),
        ("another version", with("version", b"99")),
        ("nothing sealed", with("entry", b"")),
        ("no number", with("version", b"one")),
    ];
    for at in [0, 5, 20, good["entry"].len() - 1] {
        let mut entry = good["entry"].clone();
        entry[at] ^= 0x40;
        poisons.push(("a flipped bit", with("entry", &entry)));
    }
    for (what, poison) in poisons {
        let (server, client) = fresh(&scene).await;
        write(&mut redis, &account, &poison).await;
        let believed = lookups(&server, "redis").await;
        let wrong = client.token(&account.client_id, &other.client_secret, &[]).await;
        assert_eq!(wrong.expect(401).code(), "invalid_client", "{what}");
        client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
        assert_eq!(lookups(&server, "redis").await, believed, "{what} was believed");
    }
}

/// The twin of all of the above: the untouched entry is believed, so refusing is not all it can do.
#[tokio::test]
async fn twin_the_untouched_entry_is_believed() {
    let scene = Scene::new().await;
    let account = scene.account("believed").await;
    let mut redis = redis_of(&scene).await;
    entry_of(&mut redis, &account).await;
    let (server, client) = fresh(&scene).await;
    let believed = lookups(&server, "redis").await;
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    assert_eq!(lookups(&server, "redis").await, believed + 1);
}
