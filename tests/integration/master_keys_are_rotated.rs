//! A new master key comes beside the old one, then in front of it, and the old one goes when nothing needs it: no start, no
//! token and no secret is lost on the way, and whoever is too early is told.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{MASTER_KEY, config, sql_value};

const PATIENCE: Duration = Duration::from_secs(20);
const NEW: &str = "new:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

async fn start(scene: &Scene, master_keys: &str) -> Result<Server, String> {
    let settings = json!({ "master_keys": master_keys, "issuer": "https://id.example" });
    Server::try_start(config(&scene.database_url, &scene.redis_url, &settings)).await
}

async fn until(scene: &Scene, query: &str, wanted: &str) {
    let started = Instant::now();
    while sql_value(&scene.database_url, query).await.as_deref() != Some(wanted) {
        assert!(started.elapsed() < PATIENCE, "{query} is not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const SEALED_ANEW: &str =
    "SELECT bool_and(sealed_under(sealed) = 'new') FROM signing_key WHERE sealed IS NOT NULL";
const HASHED_ANEW: &str = "SELECT count(*) FROM client_secret WHERE pepper = 'new'";

#[tokio::test]
async fn an_old_master_key_goes_when_nothing_needs_it_and_not_before() {
    let mut scene = Scene::with(&json!({ "issuer": "https://id.example" })).await;
    let idle = scene.account("idle").await;
    scene.token_of(&idle, &[]).await;
    let token = scene.admin_token().await;
    let both = start(&scene, &format!("{NEW},{MASTER_KEY}")).await.expect("it knows both");

    // As long as somebody makes new things with the old one, nothing is made anew.
    let client = Client::new(&both.url);
    client.token(&scene.admin.client_id, &scene.admin.client_secret, &[]).await.expect(200);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(sql_value(&scene.database_url, SEALED_ANEW).await.as_deref(), Some("f"));
    assert_eq!(sql_value(&scene.database_url, HASHED_ANEW).await.as_deref(), Some("0"));

    let before = std::mem::replace(&mut scene.server, both);
    scene.client = client;
    tokio::task::spawn_blocking(move || drop(before)).await.expect("it stops");
    until(&scene, SEALED_ANEW, "t").await;
    scene.client.whoami(&token).await.expect(200);
    let version = format!("SELECT version FROM credential WHERE credential = '{}'", scene.admin.client_id);
    let was: i64 =
        sql_value(&scene.database_url, &version).await.expect("a version").parse().expect("a number");
    for _ in 0..5 {
        scene.admin_token().await;
    }
    until(&scene, HASHED_ANEW, "1").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.admin_token().await;
    assert_eq!(
        sql_value(&scene.database_url, &version).await,
        Some((was + 1).to_string()),
        "one change each"
    );

    let uses = async || {
        let keys = scene.admin_get("/v1/master-keys").await.expect(200).json();
        keys["items"].as_array().expect("items").clone()
    };
    let shown = |id: &str, current: bool, keys: i64, secrets: i64| json!({ "master_key_id": id, "current": current, "signing_keys": keys, "client_secrets": secrets });
    let expected = [shown("new", true, 3, 1), shown("test", false, 0, 1)];
    assert_eq!(uses().await, expected);
    let refused = start(&scene, NEW).await.err().expect("one secret needs it");
    assert!(
        refused.contains("`test` is still needed, for 0 signing key(s) and 1 client secret(s)"),
        "{refused}"
    );
    assert!(refused.contains("`carnet keys master`"), "{refused}");

    scene.token_of(&idle, &[]).await;
    until(&scene, HASHED_ANEW, "2").await;
    assert_eq!(uses().await[1], shown("test", false, 0, 0));
    let after = start(&scene, NEW).await.expect("nothing needs the old one");
    let before = std::mem::replace(&mut scene.server, after);
    scene.client = Client::new(&scene.server.url);
    tokio::task::spawn_blocking(move || drop(before)).await.expect("it stops");
    scene.client.whoami(&token).await.expect(200);
    scene.token_of(&idle, &[]).await;
    scene.client.token(&idle.client_id, "wrong", &[]).await.expect(401);
}

#[tokio::test]
async fn a_wrong_secret_is_never_hashed_anew() {
    let mut scene = Scene::with(&json!({ "issuer": "https://id.example" })).await;
    let account = scene.account("attacked").await;
    scene.token_of(&account, &[]).await;
    let both = start(&scene, &format!("{NEW},{MASTER_KEY}")).await.expect("it knows both");
    let before = std::mem::replace(&mut scene.server, both);
    scene.client = Client::new(&scene.server.url);
    tokio::task::spawn_blocking(move || drop(before)).await.expect("it stops");
    // Of the right shape, with the public id of the right one.
    let stranger = scene.account("stranger").await;
    let other_body = stranger.client_secret.split('_').nth(3).expect("a body");
    let forged = format!("carnet_client_{}_{other_body}", account.credential_id());
    scene.client.token(&account.client_id, &forged, &[]).await.expect(401);
    scene.client.token(&account.client_id, &stranger.client_secret, &[]).await.expect(401);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let pepper =
        format!("SELECT pepper FROM client_secret WHERE credential_id = '{}'", account.credential_id());
    assert_eq!(sql_value(&scene.database_url, &pepper).await.as_deref(), Some("test"));
    scene.token_of(&account, &[]).await;
    until(&scene, &pepper, "new").await;
}

#[tokio::test]
async fn another_key_of_a_known_name_is_refused_in_any_place() {
    let scene = Scene::new().await;
    let impostor = "test:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    let third = "third:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";
    start(&scene, &format!("{MASTER_KEY},{third}")).await.map(drop).expect("a new one behind the old one");
    for keys in [impostor.to_owned(), NEW.to_owned(), format!("{third},{impostor}")] {
        let refused = start(&scene, &keys).await.err().expect("a refusal");
        assert!(refused.contains("the master keys are not those of this database"), "{refused}");
    }
    let token = scene.admin_token().await;
    let shown: Value =
        scene.client.call(&token, Method::GET, "/v1/master-keys", None).await.expect(200).json();
    let ids: Vec<_> =
        shown["items"].as_array().expect("items").iter().map(|key| &key["master_key_id"]).collect();
    assert_eq!(ids, ["test", "third"]);
}
