//! What a tenant may get in a day and a month: counted by all servers, said from above, observed or enforced.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::metrics;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};

const PATIENCE: Duration = Duration::from_secs(10);

async fn scene() -> Scene {
    Scene::with(&json!({ "usage_flush_seconds": 1 })).await
}

fn path(tsg_id: &str) -> String {
    format!("/v1/tenants/{tsg_id}/quota")
}

async fn put(scene: &Scene, tsg_id: &str, quota: &Value) -> Answer {
    let token = scene.admin_token().await;
    let request = scene.client.request(Method::PUT, &path(tsg_id)).bearer_auth(token);
    scene.client.send(request.header("if-match", "*").json(quota)).await
}

async fn shown(scene: &Scene, tsg_id: &str) -> Value {
    scene.admin_get(&path(tsg_id)).await.expect(200).json()
}

async fn until_today(scene: &Scene, tsg_id: &str, tokens: u64) -> Value {
    let started = Instant::now();
    loop {
        let shown = shown(scene, tsg_id).await;
        if shown["tokens_today"] == tokens {
            return shown;
        }
        assert!(started.elapsed() < PATIENCE, "{shown} instead of {tokens}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ask(client: &Client, account: &Account) -> Answer {
    client.token(&account.client_id, &account.client_secret, &[]).await
}

/// Gets tokens until there are none; how many there were.
async fn until_refused(client: &Client, account: &Account, most: u32) -> (u32, Option<Answer>) {
    for got in 0..most {
        let answer = ask(client, account).await;
        if answer.status != 200 {
            return (got, Some(answer.expect(429)));
        }
    }
    (most, None)
}

#[tokio::test]
async fn what_exceeds_an_enforced_quota_is_refused_until_the_day_is_over_and_other_tenants_do_not_notice() {
    let scene = scene().await;
    let (below, other) = (scene.child("below").await, scene.child("other").await);
    let (account, free) = (scene.account_in(&below, "limited").await, scene.account_in(&other, "free").await);
    let made = put(&scene, &below, &json!({ "mode": "enforce", "tokens_per_day": 5 })).await.expect(200);
    assert_eq!((made.header("etag"), made.json()["exceeded"].clone()), ("\"1\"", json!(false)));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let first = ask(&scene.client, &account).await.expect(200);
    assert!(
        first.header("ratelimit-policy").ends_with("\"day\";q=5;w=86400"),
        "{}",
        first.header("ratelimit-policy")
    );
    assert!(first.header("ratelimit").contains("\"day\";r=4;t="), "{}", first.header("ratelimit"));
    let (got, refused) = until_refused(&scene.client, &account, 20).await;
    assert_eq!(got, 4);
    let refused = refused.expect("a quota");
    let left: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!(left <= 86_400 && refused.header("ratelimit") == format!("\"day\";r=0;t={left}"));
    assert_eq!(refused.header("ratelimit-policy"), "\"day\";q=5;w=86400");
    let shown = until_today(&scene, &below, 5).await;
    assert_eq!((&shown["tokens_this_month"], &shown["exceeded"]), (&json!(5), &json!(true)));
    ask(&scene.client, &account).await.expect(429);
    ask(&scene.client, &free).await.expect(200);
    // More is granted, and works with the next flush.
    put(&scene, &below, &json!({ "mode": "enforce", "tokens_per_day": 8, "tokens_per_month": null }))
        .await
        .expect(200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(until_refused(&scene.client, &account, 20).await.0, 3);
}

#[tokio::test]
async fn what_exceeds_an_observed_quota_is_served_and_reported() {
    let scene = scene().await;
    let below = scene.child("observed").await;
    let account = scene.account_in(&below, "observed").await;
    put(&scene, &below, &json!({ "mode": "observe", "tokens_per_month": 3 })).await.expect(200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let health = &scene.server.health_url;
    let before = metrics::count(health, "carnet_quota_exceeded_total", &["mode=\"observe\""]).await;
    assert_eq!(until_refused(&scene.client, &account, 8).await.0, 8);
    let shown = until_today(&scene, &below, 8).await;
    assert_eq!((&shown["mode"], &shown["exceeded"]), (&json!("observe"), &json!(true)));
    assert!(metrics::count(health, "carnet_quota_exceeded_total", &["mode=\"observe\""]).await >= before + 5);
    // The twin.
    put(&scene, &below, &json!({ "mode": "enforce", "tokens_per_month": 3 })).await.expect(200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let refused = ask(&scene.client, &account).await.expect(429);
    assert_eq!(refused.header("ratelimit-policy"), "\"month\";q=3", "a month has no fixed window");
}

#[tokio::test]
async fn a_tenant_without_a_quota_is_counted_and_never_refused() {
    let scene = scene().await;
    let below = scene.child("free").await;
    let account = scene.account_in(&below, "free").await;
    let answer = scene.admin_get(&path(&below)).await.expect(200);
    let none = json!({ "tsg_id": below, "mode": "observe", "tokens_per_day": null, "tokens_per_month": null,
                       "tokens_today": 0, "tokens_this_month": 0, "exceeded": false });
    assert_eq!((answer.json(), answer.header("etag")), (none, "\"0\""));
    assert_eq!(until_refused(&scene.client, &account, 12).await.0, 12);
    until_today(&scene, &below, 12).await;
    // Earlier days of the month count for it; those of other months do not.
    let earlier = format!(
        "INSERT INTO token_count SELECT '{below}', (date_trunc('month', now()) - interval '1 day')::date, 1000;
         INSERT INTO token_count SELECT '{below}', day::date, 7
         FROM generate_series(date_trunc('month', now()), now() - interval '1 day', interval '1 day') day
         WHERE day::date < now()::date LIMIT 1"
    );
    run_sql(&scene.database_url, &earlier).await;
    let first_of_month = sql_value(&scene.database_url, "SELECT extract(day FROM now()) = 1").await;
    let expected = if first_of_month.as_deref() == Some("t") { 12 } else { 19 };
    assert_eq!(shown(&scene, &below).await["tokens_this_month"], expected);
}

#[tokio::test]
async fn several_servers_overrun_it_by_no_more_than_they_issue_between_two_flushes() {
    let scene = scene().await;
    let instance = scene.another_instance(&json!({ "usage_flush_seconds": 1 })).await;
    let other = Client::new(&instance.url);
    let below = scene.child("shared").await;
    let account = scene.account_in(&below, "shared").await;
    put(&scene, &below, &json!({ "mode": "enforce", "tokens_per_day": 10 })).await.expect(200);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Before they can hear of each other: at worst each gives all of it.
    let (here, there) =
        tokio::join!(until_refused(&scene.client, &account, 30), until_refused(&other, &account, 30));
    let got = here.0 + there.0;
    assert!((10..=20).contains(&got), "{got}");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for client in [&scene.client, &other] {
        ask(client, &account).await.expect(429);
    }
    until_today(&scene, &below, got.into()).await;
}

#[tokio::test]
async fn a_quota_is_said_from_above_by_who_has_seen_the_latest() {
    let scene = scene().await;
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let token = scene.token_of(&local, &[]).await;
    let body = json!({ "mode": "enforce", "tokens_per_day": 5 });
    let send = async |token: &str, tsg_id: &str, tag: Option<&str>, body: &Value| {
        let request = scene.client.request(Method::PUT, &path(tsg_id)).bearer_auth(token).json(body);
        scene.client.send(if let Some(tag) = tag { request.header("if-match", tag) } else { request }).await
    };
    assert_eq!(send(&token, &below, Some("*"), &body).await.expect(409).code(), "own_tenant");
    assert_eq!(send(&token, &scene.tsg_id, Some("*"), &body).await.expect(404).code(), "not_found");
    let lesser = scene.holder("lesser", &["iam.read"], json!("all")).await;
    let reader = scene.token_of(&lesser, &[]).await;
    assert_eq!(send(&reader, &below, Some("*"), &body).await.expect(403).code(), "permission_denied");
    let admin = scene.admin_token().await;
    assert_eq!(send(&admin, &below, None, &body).await.expect(428).code(), "precondition_required");
    send(&admin, &below, Some("\"0\""), &body).await.expect(200);
    assert_eq!(send(&admin, &below, Some("\"0\""), &body).await.expect(412).code(), "stale_etag");
    for bad in [json!({}), json!({ "mode": "block" }), json!({ "mode": "observe", "tokens_per_day": -1 })] {
        assert_eq!(send(&admin, &below, Some("*"), &bad).await.expect(400).code(), "invalid_body", "{bad}");
    }
    // The same again changes nothing, and is no event.
    assert_eq!(send(&admin, &below, Some("*"), &body).await.expect(200).header("etag"), "\"1\"");
    assert_eq!(scene.audited("quota.replace", &below).await, Some(scene.admin.client_id.clone()));
    // Who is below reads it; nobody is above the root.
    let read = scene.client.call(&token, Method::GET, &path(&below), None).await.expect(200);
    assert_eq!(read.json()["tokens_per_day"], 5);
    send(&admin, &scene.tsg_id, Some("*"), &json!({ "mode": "observe" })).await.expect(200);
}
