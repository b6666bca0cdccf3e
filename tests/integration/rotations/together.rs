//! Many rotations at once, and a rotation beside other changes of the same rows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio_postgres::NoTls;

use super::{rotate, working};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};

const AT_ONCE: usize = 60;

/// A secret is written slowly, so that those who come at once do come between the others' reading and writing.
const SLOWLY: &str = "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$;
    CREATE TRIGGER slowly BEFORE INSERT ON client_secret FOR EACH ROW EXECUTE FUNCTION slowly()";

/// What so many rotations of one secret at once were answered, and how often.
async fn rotated_at_once(scene: &Scene, account: &Account) -> BTreeMap<String, usize> {
    run_sql(&scene.database_url, SLOWLY).await;
    let token = scene.admin_token().await;
    let path = scene.path(&format!("{}/rotate", account.secret_path()));
    let body = json!({});
    let all =
        join_all((0..AT_ONCE).map(|_| scene.client.call(&token, Method::POST, &path, Some(&body)))).await;
    let mut answers = BTreeMap::new();
    for answer in all {
        let what = if answer.status == 201 { "made".to_owned() } else { answer.code() };
        *answers.entry(what).or_default() += 1;
    }
    answers
}

async fn only_one_wins(scene: &Scene, account: &Account) {
    let answers = rotated_at_once(scene, account).await;
    assert_eq!(answers.get("made"), Some(&1), "{answers:?}");
    let losers = ["rotation_under_way", "secret_not_active"];
    let lost: usize = losers.iter().filter_map(|code| answers.get(*code)).sum();
    assert_eq!(lost, AT_ONCE - 1, "{answers:?}");
}

#[tokio::test]
async fn of_many_rotations_at_once_exactly_one_wins() {
    let scene = Scene::new().await;
    let account = working(&scene, "contended").await;
    only_one_wins(&scene, &account).await;
    let replacing = format!(
        "SELECT count(*) FROM client_secret WHERE replaces = '{}' AND status IN ('pending', 'valid')",
        account.credential_id()
    );
    assert_eq!(sql_value(&scene.database_url, &replacing).await.as_deref(), Some("1"));
}

/// Secrets are read slowly, so that something may happen between two readings.
const READ_SLOWLY: &str = "CREATE FUNCTION slowly_read() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.1); RETURN true; END $$;
    CREATE POLICY slowly ON client_secret AS RESTRICTIVE FOR SELECT TO carnet_tenant USING (slowly_read())";

/// The flip holds no account: who comes next may read the old one before it, and what replaces it after it.
#[tokio::test]
async fn a_flip_between_two_readings_lets_no_second_one_win() {
    let scene = Scene::new().await;
    let account = working(&scene, "read slowly").await;
    run_sql(&scene.database_url, READ_SLOWLY).await;
    let body = json!({});
    let both = [rotate(&scene, &account, &body), rotate(&scene, &account, &body)];
    let mut answers: Vec<u16> = join_all(both).await.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [201, 409]);
}

/// Without the lock on the account, as if two servers of different minds were at work.
async fn without_the_lock(scene: &Scene) {
    let held = sql_value(&scene.database_url, "SELECT pg_get_functiondef('caller_rights'::regproc)").await;
    let free = held.expect("a function").replace("p_holds AND reaches", "false");
    run_sql(&scene.database_url, &free).await;
}

#[tokio::test]
async fn the_index_alone_lets_only_one_win() {
    let scene = Scene::new().await;
    let account = working(&scene, "indexed").await;
    without_the_lock(&scene).await;
    // Somebody who hears nothing keeps the winner pending, so that none comes after it.
    run_sql(&scene.database_url, &crate::valid_everywhere::deaf_instance(600)).await;
    only_one_wins(&scene, &account).await;
}

/// The twin: with neither lock nor index several win, so the tests above it would be red.
#[tokio::test]
async fn twin_without_lock_and_index_several_win() {
    let scene = Scene::new().await;
    let account = working(&scene, "free for all").await;
    without_the_lock(&scene).await;
    run_sql(&scene.database_url, "DROP INDEX client_secret_one_rotation").await;
    run_sql(&scene.database_url, &crate::valid_everywhere::deaf_instance(600)).await;
    let made = rotated_at_once(&scene, &account).await.get("made").copied();
    assert!(made > Some(1), "{made:?}");
}

/// Somebody else's transaction that is changing this secret, until it is dropped.
async fn changing(scene: &Scene, account: &Account) -> tokio_postgres::Client {
    let (other, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    let id = account.credential_id();
    let hold = format!("BEGIN; SELECT 1 FROM client_secret WHERE credential_id = '{id}' FOR NO KEY UPDATE");
    other.batch_execute(&hold).await.expect("a lock");
    other
}

#[tokio::test]
async fn while_somebody_is_changing_the_old_one_neither_half_is_done_and_nobody_else_is_held_up() {
    let scene = Scene::new().await;
    let old = working(&scene, "held").await;
    let other = changing(&scene, &old).await;
    let new = old.with_secret(&rotate(&scene, &old, &json!({})).await.expect(201));
    for n in 0..3 {
        working(&scene, &format!("not held up {n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.get(&new.secret_path()).await.text("status"), "pending");
    assert_eq!(scene.get(&old.secret_path()).await.text("status"), "valid");
    other.batch_execute("COMMIT").await.expect("a commit");
    scene.until_status(&new.secret_path(), "valid").await;
    scene.until_status(&old.secret_path(), "revoked").await;
}

/// The twin: a flip that waits for the row of the old one waits with the lock that everybody needs.
#[tokio::test]
async fn twin_a_flip_that_waits_for_the_old_one_holds_everybody_up() {
    let scene = Scene::new().await;
    let old = working(&scene, "waited for").await;
    let flip = sql_value(&scene.database_url, "SELECT pg_get_functiondef('flip_ready'::regproc)").await;
    let waits = flip.expect("a function").replace("FOR UPDATE SKIP LOCKED) held", ") held");
    run_sql(&scene.database_url, &waits).await;
    let _other = changing(&scene, &old).await;
    rotate(&scene, &old, &json!({})).await.expect(201);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    scene.post("service-accounts", json!({ "name": "held up" })).await;
    assert!(started.elapsed() > Duration::from_millis(1_500), "{:?}", started.elapsed());
}
