//! The clock of a machine may be wrong: whatever has a date follows Postgres's clock, and an operator is told.

use std::time::Duration;

use crate::support::client::Client;
use crate::support::metrics;
use crate::support::process::{Process, faketime};
use crate::support::read_token::read_token;
use crate::support::scene::Scene;
use crate::support::stores::sql_value;

const WARNING: &str = "the clock of this machine is not the authority's";

/// Postgres's time in whole seconds, which is what tokens have.
async fn now(scene: &Scene) -> i64 {
    let now = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint";
    sql_value(&scene.database_url, now).await.expect("a time").parse().expect("a number")
}

async fn offset(process: &Process) -> f64 {
    metrics::value(&process.health_url, "carnet_clock_offset_seconds", &[]).await
}

async fn lifetimes_are_the_authority_s(offset_of_the_clock: &str, seconds: f64) {
    let scene = Scene::new().await;
    let account = scene.account("timely").await;
    scene.token_of(&account, &[]).await;
    let stores = (scene.database_url.as_str(), scene.redis_url.as_str());
    let process = Process::serve(stores, &[], &faketime(offset_of_the_clock)).await;
    let client = Client::new(&process.url);

    let before = now(&scene).await;
    let answer = client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    let after = now(&scene).await;
    // Held to the test's own clock, which is right.
    let token = answer.text("access_token");
    let claims = read_token(&client, &token, &process.url).await.claims;
    let claim = |name: &str| claims[name].as_i64().expect("a time");
    // On the early side by at most one round trip, which may be across a second.
    assert!((before - 1..=after).contains(&claim("iat")), "{before} {} {after}", claim("iat"));
    assert_eq!(Some(claim("exp") - claim("iat")), answer.json()["expires_in"].as_i64());
    client.whoami(&token).await.expect(200);

    let soon = format!(
        "UPDATE client_secret SET expires_at = clock_timestamp() + interval '3 seconds' WHERE credential = '{}'",
        account.client_id,
    );
    scene.change_record(&account.client_id, &soon).await;
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);

    let shown = offset(&process).await;
    assert!((shown - seconds).abs() < 1.0, "{shown} is shown");
    assert_eq!(process.lines(WARNING).len(), 1, "said once: {:?}", process.lines(WARNING));
}

#[tokio::test]
async fn a_clock_ten_minutes_ahead_changes_no_lifetime_and_is_told_of() {
    lifetimes_are_the_authority_s("+10m", 600.0).await;
}

#[tokio::test]
async fn a_clock_ten_minutes_behind_changes_no_lifetime_and_is_told_of() {
    lifetimes_are_the_authority_s("-10m", -600.0).await;
}

#[tokio::test]
async fn a_clock_that_is_right_is_nothing_to_speak_of() {
    let scene = Scene::new().await;
    let process = Process::serve((&scene.database_url, &scene.redis_url), &[], &[]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(offset(&process).await.abs() < 1.0);
    assert!(process.lines(WARNING).is_empty());
}
