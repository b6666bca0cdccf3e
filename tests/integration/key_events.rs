//! Who looks on sees what becomes of a key, for as long as they may, and holds nothing up.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::client::Client;
use crate::support::events::{Event, Events};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

const CURED: &str = "DELETE FROM instance WHERE applied = 0 AND low_water = 0";

async fn watched(scene: &Scene, name: &str) -> (Account, String, String) {
    let account = scene.entitled_account(name).await;
    scene.token_of(&account, &[]).await;
    let id = scene.key("advanced_wildfire", &account).await;
    let path = scene.path(&format!("api-keys/{id}/events"));
    (account, id, path)
}

async fn open(client: &Client, token: &str, path: &str) -> Events {
    client.watch(token, path, None).await.unwrap_or_else(|answer| panic!("{}", answer.status))
}

fn shorts(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::short).collect()
}

#[tokio::test]
async fn from_pending_to_the_complete_receipt_and_then_the_stream_ends() {
    let scene = Scene::new().await;
    let admin = scene.admin_token().await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    let account = scene.entitled_account("whole life").await;
    let id = scene.key("advanced_wildfire", &account).await;
    let path = scene.path(&format!("api-keys/{id}/events"));
    let mut events = open(&scene.client, &admin, &path).await;
    let first = events.next().await.expect("an event");
    let key = scene.get(&format!("api-keys/{id}")).await.json();
    let expected = json!({ "api_key_id": id, "status": "pending", "at": key["status_changed_at"] });
    assert_eq!((&*first.name, &first.data), ("status", &expected));

    run_sql(&scene.database_url, CURED).await;
    let mut seen = vec![first];
    let started = Instant::now();
    seen.extend(events.until("valid").await);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    scene.revoke(&id).await.expect(200);
    seen.extend(events.until("complete").await);
    let told = shorts(&seen);
    assert_eq!(told[..2], ["pending", "valid"]);
    assert!(told.contains(&"revoked".to_owned()), "{told:?}");
    assert!(seen.windows(2).all(|two| two[0].id <= two[1].id), "{seen:?}");
    let last = seen.last().expect("an event").clone();
    let started = Instant::now();
    assert_eq!(events.end(&scene.client).await, 0);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(last.data, scene.get(&format!("api-keys/{id}/receipt")).await.json());

    // A client of the standard connects again, and is told to stop.
    let again = scene.client.watch(&admin, &path, Some(last.id)).await.expect_err("no stream");
    assert_eq!(again.expect(204).bytes, b"");
    // One that has not seen the end is shown it.
    let mut late = scene.client.watch(&admin, &path, Some(last.id - 1)).await.expect("a stream");
    let shown = late.until("complete").await;
    assert_eq!(shorts(&shown), ["revoked", "complete"]);
    assert_eq!(shown[1].id, last.id, "under the same number");
    assert_eq!(late.end(&scene.client).await, 0);
}

#[tokio::test]
async fn what_happens_at_one_instance_is_seen_at_another_and_a_receipt_is_seen_to_fill() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1 })).await;
    let issuer = json!({ "issuer": scene.client.url });
    let server = scene.another_instance(&issuer).await;
    let other = Client::new(&server.url);
    let (_, id, path) = watched(&scene, "elsewhere").await;
    scene.until(&id, "valid").await;
    run_sql(&scene.database_url, &deaf_instance(4)).await;
    let mut events = open(&other, &scene.admin_token().await, &path).await;
    assert_eq!(shorts(&events.until("valid").await), ["valid"]);
    scene.revoke(&id).await.expect(202);
    let seen = events.until("complete").await;
    let told = shorts(&seen);
    assert_eq!(told.first().map(String::as_str), Some("revoking"), "{told:?}");
    assert!(told.contains(&"receipt".to_owned()), "before it was complete: {told:?}");
    events.end(&other).await;
}

#[tokio::test]
async fn when_its_time_comes_that_is_told_too() {
    let scene = Scene::new().await;
    let (account, id, path) = watched(&scene, "ends").await;
    scene.until(&id, "valid").await;
    let soon =
        format!("UPDATE api_key SET expires_at = clock_timestamp() + interval '2 s' WHERE api_key_id = {id}");
    scene.change_record(&account.client_id, &soon).await;
    let mut events = open(&scene.client, &scene.admin_token().await, &path).await;
    let seen = events.until("expired").await;
    assert_eq!(shorts(&seen), ["valid", "expired"]);
    let key = scene.get(&format!("api-keys/{id}")).await.json();
    assert_eq!(seen[1].data["at"], key["expires_at"]);
    assert_eq!(events.end(&scene.client).await, 0);
}

#[tokio::test]
async fn who_may_not_see_the_key_may_not_look_on_and_who_may_no_longer_is_cut_off() {
    let scene = Scene::new().await;
    let (_, id, path) = watched(&scene, "private").await;
    scene.until(&id, "valid").await;
    let refused = async |token: &str, path: &str| {
        scene.client.watch(token, path, None).await.err().map(|answer| (answer.status, answer.code()))
    };
    let other = scene.holder("other product", &["iam.api_key"], json!(["prisma_access"])).await;
    let token = scene.token_of(&other, &[]).await;
    assert_eq!(refused(&token, &path).await, Some((404, "not_found".to_owned())));
    let nobody = scene.holder("nobody", &["iam.custom_role"], json!("all")).await;
    let token = scene.token_of(&nobody, &[]).await;
    assert_eq!(refused(&token, &path).await, Some((403, "permission_denied".to_owned())));
    assert_eq!(refused("nonsense", &path).await, Some((401, "invalid_token".to_owned())));
    let admin = scene.admin_token().await;
    let unknown = scene.path("api-keys/1/events");
    assert_eq!(refused(&admin, &unknown).await, Some((404, "not_found".to_owned())));

    let reader = scene.holder("reader", &["iam.api_key"], json!(["advanced_wildfire"])).await;
    let mut events = open(&scene.client, &scene.token_of(&reader, &[]).await, &path).await;
    events.until("valid").await;
    let disable =
        scene.client.request(Method::PATCH, &scene.path(&format!("service-accounts/{}", reader.id)));
    let disable = disable.bearer_auth(&admin).header("If-Match", "*").json(&json!({ "enabled": false }));
    scene.client.send(disable).await.expect(200);
    let started = Instant::now();
    assert_eq!(events.end(&scene.client).await, 0);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_looks_on_by_a_token_that_is_taken_back_is_cut_off() {
    let scene = Scene::new().await;
    let (_, id, path) = watched(&scene, "watched by a token").await;
    scene.until(&id, "valid").await;
    let reader = scene.holder("looks on", &["iam.api_key"], json!(["advanced_wildfire"])).await;
    let token = scene.token_of(&reader, &[]).await;
    let mut events = open(&scene.client, &token, &path).await;
    events.until("valid").await;
    let revoke = scene.client.request(Method::POST, "/oauth2/revoke").form(&[("token", &token)]);
    let revoke = revoke.basic_auth(&reader.client_id, Some(&reader.client_secret));
    scene.client.send(revoke).await.expect(200);
    let started = Instant::now();
    assert_eq!(events.end(&scene.client).await, 0);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_instance_has_room_for_so_many_streams_and_says_when_it_has_none() {
    let scene = Scene::with(&json!({ "event_streams": 16, "event_stream_seconds": 8 })).await;
    let (_, id, path) = watched(&scene, "crowded").await;
    scene.until(&id, "valid").await;
    let admin = scene.admin_token().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut events = open(&scene.client, &admin, &path).await;
        events.until("valid").await;
        streams.push(events);
    }
    let refused = scene.client.watch(&admin, &path, None).await.expect_err("no room").expect(503);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too_many_streams", "10"));
    // Others have theirs.
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let token = scene.token_of(&reader, &[]).await;
    open(&scene.client, &token, &path).await.until("valid").await;
    // One that has ended makes room.
    drop(streams);
    let started = Instant::now();
    while scene.client.watch(&admin, &path, None).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "there is never room again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_callers_of_one_tenant_leave_room_for_those_of_others() {
    let scene = Scene::with(&json!({ "event_streams": 4 })).await;
    let (_, id, path) = watched(&scene, "crowded").await;
    scene.until(&id, "valid").await;
    let below = scene.child("below").await;
    let (other, parent) = (scene.administrator_of(&below).await, scene.admin_token().await);
    let unknown = format!("/v1/tenants/{below}/api-keys/1/events");
    let mut readers = Vec::new();
    for n in 0..3 {
        let reader = scene.holder(&format!("reader {n}"), &["iam.read"], json!("all")).await;
        readers.push(scene.token_of(&reader, &[]).await);
    }
    let other = scene.token_of(&other, &[]).await;
    let _first = open(&scene.client, &readers[0], &path).await;
    let _second = open(&scene.client, &readers[1], &path).await;
    for token in [&readers[2], &parent] {
        let refused = scene.client.watch(token, &path, None).await.expect_err("no room").expect(503);
        assert_eq!(refused.code(), "too_many_streams");
    }
    // There is room for another tenant, whose key only is not there.
    let refused = scene.client.watch(&other, &unknown, None).await.expect_err("no such key");
    assert_eq!(refused.expect(404).code(), "not_found");
}

/// How long a seat stays taken by a client that asks for a stream and never reads; `goes` says whether it goes then.
async fn seat_taken_by_one_who_never_reads(stream_seconds: u64, goes: bool) -> Duration {
    let scene = Scene::with(&json!({ "event_streams": 1, "event_stream_seconds": stream_seconds })).await;
    let (_, id, path) = watched(&scene, "not read").await;
    scene.until(&id, "valid").await;
    let admin = scene.admin_token().await;
    let address = scene.client.url.strip_prefix("http://").expect("plain");
    let mut silent = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {admin}\r\n\r\n");
    silent.write_all(ask.as_bytes()).await.expect("sent");
    // Something is there to be read.
    silent.readable().await.expect("an answer");
    scene.client.watch(&admin, &path, None).await.expect_err("no room").expect(503);
    let (started, kept) = (Instant::now(), (!goes).then_some(silent));
    while scene.client.watch(&admin, &path, None).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "there is never room again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(kept);
    started.elapsed()
}

#[tokio::test]
async fn the_seat_of_a_client_that_vanished_is_free_at_the_next_sign_of_life_at_the_latest() {
    // One is sent every 15 seconds.
    let taken = seat_taken_by_one_who_never_reads(600, true).await;
    assert!(taken < Duration::from_secs(17), "{taken:?}");
}

#[tokio::test]
async fn the_seat_of_a_client_that_neither_reads_nor_goes_is_free_when_its_time_is_over() {
    let taken = seat_taken_by_one_who_never_reads(3, false).await;
    assert!(taken > Duration::from_secs(1) && taken < Duration::from_secs(6), "{taken:?}");
}

#[tokio::test]
async fn open_streams_hold_no_connection_to_postgres() {
    let scene = Scene::new().await;
    let (_, id, path) = watched(&scene, "many eyes").await;
    scene.until(&id, "valid").await;
    let admin = scene.admin_token().await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut events = open(&scene.client, &admin, &path).await;
        events.until("valid").await;
        streams.push(events);
    }
    // All of them, and twelve connections in all: they are there for whoever asks.
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state = 'idle in transaction'";
    assert_eq!(sql_value(&scene.database_url, busy).await.as_deref(), Some("0"));
    scene.get("api-keys").await.expect(200);
    scene.revoke(&id).await.expect(200);
    for mut events in streams {
        events.until("complete").await;
    }
}

#[tokio::test]
async fn a_stream_ends_after_its_time_and_when_the_server_stops() {
    let scene = Scene::with(&json!({ "event_stream_seconds": 1, "shutdown_seconds": 60 })).await;
    let (_, id, path) = watched(&scene, "ends").await;
    scene.until(&id, "valid").await;
    let admin = scene.admin_token().await;
    let started = Instant::now();
    let mut events = open(&scene.client, &admin, &path).await;
    events.until("valid").await;
    assert_eq!(events.end(&scene.client).await, 0);
    let lasted = started.elapsed();
    assert!(lasted > Duration::from_millis(900) && lasted < Duration::from_secs(5), "{lasted:?}");

    let long = json!({ "issuer": scene.client.url, "shutdown_seconds": 60 });
    let server = scene.another_instance(&long).await;
    let client = Client::new(&server.url);
    let mut events = open(&client, &admin, &path).await;
    events.until("valid").await;
    let started = Instant::now();
    tokio::task::spawn_blocking(move || drop(server)).await.expect("it stops");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_head_has_none() {
    let scene = Scene::new().await;
    let (_, id, path) = watched(&scene, "quiet").await;
    scene.until(&id, "valid").await;
    let admin = scene.admin_token().await;
    let head = scene.client.call(&admin, Method::HEAD, &path, None).await.expect(200);
    assert_eq!((head.header("content-type"), head.bytes.len()), ("text/event-stream", 0));
    let mut events = open(&scene.client, &admin, &path).await;
    events.until("valid").await;
    tokio::time::sleep(Duration::from_secs(16)).await;
    scene.revoke(&id).await.expect(200);
    events.until("complete").await;
    assert_eq!(events.comments(), 1);
}
