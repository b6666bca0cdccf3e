//! A tenant is suspended from above: none of its accounts is accepted anywhere when the answer is there, however many
//! there are, and all are again when it is active.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

async fn patch(scene: &Scene, token: &str, tsg_id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let path = format!("/v1/tenants/{tsg_id}");
    let mut request = scene.client.request(Method::PATCH, &path).bearer_auth(token);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    scene.client.send(request.json(body)).await
}

async fn set(scene: &Scene, tsg_id: &str, status: &str) -> Answer {
    let token = scene.admin_token().await;
    patch(scene, &token, tsg_id, &[("if-match", "*")], &json!({ "status": status })).await
}

async fn status_of(client: &Client, account: &Account) -> u16 {
    client.token(&account.client_id, &account.client_secret, &[]).await.status
}

#[tokio::test]
async fn its_accounts_are_accepted_nowhere_and_those_above_and_below_go_on() {
    let scene = Scene::new().await;
    let instance = scene.another_instance(&json!({})).await;
    let other = Client::new(&instance.url);
    let tsg_id = scene.child("suspended").await;
    let below = scene.tenant_below(&tsg_id, "below").await;
    let local = scene.administrator_of(&tsg_id).await;
    let one = scene.account_in(&tsg_id, "one of two").await;
    let lower = scene.account_in(&below, "lower").await;
    scene.token_of(&lower, &[]).await;
    scene.token_of(&one, &[]).await;
    let local_token = scene.token_of(&local, &[]).await;
    let token = other.token(&one.client_id, &one.client_secret, &[]).await.expect(200).text("access_token");
    other.whoami(&token).await.expect(200);

    let suspended = set(&scene, &tsg_id, "suspended").await.expect(200);
    assert_eq!(suspended.text("status"), "suspended");
    let receipt = suspended.json()["receipt"].clone();
    assert!(receipt["effective_everywhere_at"].is_string(), "{receipt}");
    other.whoami(&token).await.expect(401);
    for client in [&scene.client, &other] {
        assert_eq!((status_of(client, &one).await, status_of(client, &local).await), (401, 401));
        assert_eq!(status_of(client, &lower).await, 200, "a tenant below has its own status");
    }
    let path = format!("/v1/tenants/{tsg_id}/service-accounts");
    let refused = scene.client.call(&local_token, Method::GET, &path, None).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
    // From above all goes on, and what is made meanwhile does not work yet.
    let made = scene.account_in(&tsg_id, "made meanwhile").await;
    assert_eq!(status_of(&scene.client, &made).await, 401);
    // Asking again waits for the same end.
    let again = set(&scene, &tsg_id, "suspended").await.expect(200).json();
    assert_eq!(again["receipt"]["receipt_id"], receipt["receipt_id"]);

    let active = set(&scene, &tsg_id, "active").await.expect(200);
    assert_eq!((active.text("status"), active.json().get("receipt")), ("active".into(), None));
    for account in [&one, &local, &made] {
        scene.token_of(account, &[]).await;
    }
    for action in ["tenant.suspend", "tenant.activate"] {
        assert_eq!(scene.audited(action, &tsg_id).await, Some(scene.admin.client_id.clone()), "{action}");
    }
}

#[tokio::test]
async fn a_large_tenant_is_suspended_as_a_whole() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("large").await;
    let account = scene.account_in(&tsg_id, "one of many").await;
    scene.token_of(&account, &[]).await;
    let many = format!(
        "INSERT INTO credential (credential, tsg_id)
         SELECT 'many-' || n || '@{tsg_id}.iam.test', '{tsg_id}' FROM generate_series(1, 5000) n;
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), '{tsg_id}', 'many ' || n, 'many-' || n || '@{tsg_id}.iam.test', 'a test'
         FROM generate_series(1, 5000) n;
         INSERT INTO client_secret (credential_id, tsg_id, service_account_id, credential, name, status, pepper, hash)
         SELECT lpad(row_number() OVER ()::text, 16, '0'), tsg_id, id, client_id, 'default', 'valid', 'test',
                sha256(client_id::bytea)
         FROM service_account WHERE tsg_id = '{tsg_id}' AND name LIKE 'many %'"
    );
    run_sql(&scene.database_url, &many).await;
    let started = Instant::now();
    let suspended = set(&scene, &tsg_id, "suspended").await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(suspended.json()["receipt"]["effective_everywhere_at"].is_string());
    assert_eq!(status_of(&scene.client, &account).await, 401);
    let told = format!(
        "SELECT count(*) || ' ' || count(DISTINCT receipt_seq) FROM credential
         WHERE tsg_id = '{tsg_id}' AND version > 0 AND receipt_seq IS NOT NULL"
    );
    assert_eq!(sql_value(&scene.database_url, &told).await.as_deref(), Some("5001 1"), "one receipt for all");
    set(&scene, &tsg_id, "active").await.expect(200);
    scene.token_of(&account, &[]).await;
}

#[tokio::test]
async fn a_tenant_that_is_too_large_says_so_each_time_and_stays_as_it_is() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("too large").await;
    let account = scene.account_in(&tsg_id, "one of too many").await;
    scene.token_of(&account, &[]).await;
    let append = "SELECT pg_get_functiondef('append_tenant_changes'::regproc)";
    let append = sql_value(&scene.database_url, append).await.expect("a function");
    let for_ever = append.replace("RETURN append_changes", "PERFORM pg_sleep(60); RETURN append_changes");
    assert_ne!(for_ever, append);
    run_sql(&scene.database_url, &for_ever).await;
    let too_large = set(&scene, &tsg_id, "suspended").await.expect(409);
    assert_eq!(too_large.code(), "tenant_too_large");
    let detail = too_large.text("detail");
    assert!(detail.contains("nothing was changed") && detail.contains("one by one"), "{detail}");
    scene.token_of(&account, &[]).await;
    let tenant = scene.admin_get(&format!("/v1/tenants/{tsg_id}")).await.expect(200);
    assert_eq!(tenant.text("status"), "active");

    // Nothing of it is left in the way of others, or of another try.
    scene.account_in(&tsg_id, "another").await;
    run_sql(&scene.database_url, &append).await;
    set(&scene, &tsg_id, "suspended").await.expect(200);
    assert_eq!(status_of(&scene.client, &account).await, 401);
}

/// Somebody appends to the feed, for as long as this is kept.
async fn busy_feed(database_url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute("SELECT pg_advisory_lock(7027)").await.expect("the lock");
    client
}

#[tokio::test]
async fn the_wait_for_others_is_not_held_against_its_size() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("small").await;
    scene.account_in(&tsg_id, "one of one").await;
    let busy = busy_feed(&scene.database_url).await;
    set(&scene, &tsg_id, "suspended").await.expect(503);
    drop(busy);
}

#[tokio::test]
async fn one_with_more_accounts_than_are_tried_keeps_nobody_waiting() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("huge").await;
    let many = format!(
        "SET session_replication_role = replica;
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), '{tsg_id}', 'many ' || n, 'many-' || n || '@{tsg_id}.iam.test', 'a test'
         FROM generate_series(1, 300001) n"
    );
    run_sql(&scene.database_url, &many).await;
    // It is refused without the lock that everybody needs.
    let busy = busy_feed(&scene.database_url).await;
    assert_eq!(set(&scene, &tsg_id, "suspended").await.expect(409).code(), "tenant_too_large");
    drop(busy);
}

#[tokio::test]
async fn an_account_that_is_made_at_the_same_time_is_suspended_with_the_rest() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("busy").await;
    for round in 0..3 {
        let creations = futures_util::future::join_all((0..6).map(|n| {
            let (scene, tsg_id) = (&scene, &tsg_id);
            async move { scene.account_in(tsg_id, &format!("made {round} {n}")).await }
        }));
        let suspend = async {
            tokio::time::sleep(Duration::from_millis(15 * round)).await;
            set(&scene, &tsg_id, "suspended").await.expect(200);
        };
        let (made, ()) = tokio::join!(creations, suspend);
        for account in &made {
            assert_eq!(status_of(&scene.client, account).await, 401);
        }
        set(&scene, &tsg_id, "active").await.expect(200);
        for account in &made {
            scene.token_of(account, &[]).await;
        }
    }
}

/// Suspends the tenant slowly, once its accounts have been listed, and makes another account meanwhile. Whether that
/// one is accepted when the answer is there.
async fn made_in_the_middle(scene: &Scene, spoil: impl Fn(String) -> String) -> bool {
    let list = "SELECT pg_get_functiondef('append_tenant_changes'::regproc)";
    let list = sql_value(&scene.database_url, list).await.expect("a function");
    let slowly = list.replace("IF v_credentials", "PERFORM pg_sleep(1.5); IF v_credentials");
    assert_ne!(slowly, list);
    run_sql(&scene.database_url, &spoil(slowly)).await;
    let tsg_id = scene.child("listed").await;
    scene.account_in(&tsg_id, "listed").await;
    let made = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let account = scene.account_in(&tsg_id, "in the middle").await;
        // Whoever may be accepted is, once, so that its record is in every cache.
        let started = Instant::now();
        while status_of(&scene.client, &account).await == 503 && started.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        account
    };
    let (suspended, account) = tokio::join!(set(scene, &tsg_id, "suspended"), made);
    suspended.expect(200);
    status_of(&scene.client, &account).await == 200
}

#[tokio::test]
async fn an_account_that_is_made_while_the_others_are_listed_is_not_missed() {
    assert!(!made_in_the_middle(&Scene::new().await, |list| list).await);
}

/// The twin: without the lock that changes queue at, the list misses who comes after it.
#[tokio::test]
async fn twin_a_list_without_the_lock_misses_an_account() {
    let scene = Scene::new().await;
    let hold = "CREATE OR REPLACE FUNCTION hold_feed() RETURNS void LANGUAGE sql VOLATILE AS ''";
    run_sql(&scene.database_url, hold).await;
    let unlocked = |list: String| list.replace("PERFORM pg_advisory_xact_lock(7027);", "");
    assert!(made_in_the_middle(&scene, unlocked).await);
}

/// Whether a suspension waits for the end of a change that an account of the tenant has begun.
async fn waits_for_the_change(spoil: impl Fn(String) -> String) -> bool {
    let scene = Scene::new().await;
    let tsg_id = scene.child("begun").await;
    let local = scene.administrator_of(&tsg_id).await;
    scene.token_of(&local, &[]).await;
    let admitted =
        sql_value(&scene.database_url, "SELECT pg_get_functiondef('caller_rights'::regproc)").await;
    run_sql(&scene.database_url, &spoil(admitted.expect("a function"))).await;
    let (other, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    // What every change of that account does first, in a transaction that takes its time.
    let begun = format!(
        "BEGIN; SELECT alive FROM caller_rights('{}', '{}', '{tsg_id}', '{tsg_id}', true, NULL, false)",
        local.client_id,
        local.credential_id(),
    );
    other.batch_execute(&begun).await.expect("a change");
    let (suspended, waited) = tokio::join!(set(&scene, &tsg_id, "suspended"), async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let status = format!("SELECT status FROM tenant WHERE tsg_id = '{tsg_id}'");
        let waited = sql_value(&scene.database_url, &status).await.as_deref() == Some("active");
        other.batch_execute("COMMIT").await.expect("a commit");
        waited
    });
    suspended.expect(200);
    waited
}

#[tokio::test]
async fn what_its_accounts_have_begun_to_change_comes_to_an_end_first() {
    assert!(waits_for_the_change(|admitted| admitted).await);
}

/// The twin: callers who do not hold their tenant are not waited for.
#[tokio::test]
async fn twin_callers_that_do_not_hold_their_tenant_are_overtaken() {
    let unheld = |admitted: String| admitted.replace("(7031, hashtext(tsg_id))", "(7032, hashtext(tsg_id))");
    assert!(!waits_for_the_change(unheld).await);
}

#[tokio::test]
async fn while_an_instance_does_not_hear_the_answer_is_202_with_what_is_known() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 2 })).await;
    let (slow, quick) = (scene.child("slow").await, scene.child("quick").await);
    let account = scene.account_in(&slow, "of slow").await;
    scene.account_in(&quick, "of quick").await;
    scene.token_of(&account, &[]).await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    for _ in 0..2 {
        let started = Instant::now();
        let answer = set(&scene, &slow, "suspended").await.expect(202);
        assert!(started.elapsed() >= Duration::from_secs(2), "it has not waited");
        let id = answer.json()["receipt"]["receipt_id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.header("location"), format!("/v1/tenants/{slow}/receipts/{id}"));
        assert_eq!(answer.json()["receipt"]["effective_everywhere_at"], Value::Null);
    }
    // Whoever has heard refuses already.
    assert_eq!(status_of(&scene.client, &account).await, 401);
    let token = scene.admin_token().await;
    let prefer = [("if-match", "*"), ("prefer", "respond-async")];
    let started = Instant::now();
    patch(&scene, &token, &quick, &prefer, &json!({ "status": "suspended" })).await.expect(202);
    assert!(started.elapsed() < Duration::from_secs(1), "it has waited {:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_suspends_the_tenant_of_the_own_token_or_without_the_right() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("guarded").await;
    let local = scene.administrator_of(&tsg_id).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let beside = scene.child("beside").await;
    let neighbour = scene.administrator_of(&beside).await;
    let scope = format!("tsg_id:{tsg_id}");
    let table = [
        (&scene.admin, &[][..], &scene.tsg_id, 409, "own_tenant"),
        (&scene.admin, &[("scope", &*scope)][..], &tsg_id, 409, "own_tenant"),
        (&local, &[][..], &tsg_id, 409, "own_tenant"),
        (&local, &[][..], &scene.tsg_id, 404, "not_found"),
        (&neighbour, &[][..], &tsg_id, 404, "not_found"),
        (&reader, &[][..], &tsg_id, 403, "permission_denied"),
    ];
    for (account, form, target, status, code) in table {
        let token = scene.token_of(account, form).await;
        let body = json!({ "status": "suspended" });
        let refused = patch(&scene, &token, target, &[("if-match", "*")], &body).await.expect(status);
        assert_eq!(refused.code(), code);
    }
    let token = scene.admin_token().await;
    let unknown = patch(&scene, &token, "9999999999", &[("if-match", "*")], &json!({})).await.expect(404);
    assert_eq!(unknown.code(), "not_found");
    scene.token_of(&local, &[]).await;
}

#[tokio::test]
async fn a_name_changes_by_who_has_seen_the_latest() {
    let scene = Scene::new().await;
    let tsg_id = scene.child("before").await;
    let local = scene.administrator_of(&tsg_id).await;
    let token = scene.token_of(&local, &[]).await;
    let path = format!("/v1/tenants/{tsg_id}");
    let etag = scene.admin_get(&path).await.expect(200).header("etag").to_owned();
    let name = json!({ "name": "after" });
    assert_eq!(patch(&scene, &token, &tsg_id, &[], &name).await.expect(428).code(), "precondition_required");
    let seen = [("if-match", &*etag)];
    let named = patch(&scene, &token, &tsg_id, &seen, &name).await.expect(200);
    assert_eq!((named.text("name"), named.json().get("receipt")), ("after".into(), None));
    assert_eq!(patch(&scene, &token, &tsg_id, &seen, &name).await.expect(412).code(), "stale_etag");
    let same = patch(&scene, &token, &tsg_id, &[("if-match", "*")], &name).await.expect(200);
    assert_eq!(same.header("etag"), named.header("etag"), "nothing new, nothing changed");
    for bad in
        [json!({ "name": null }), json!({ "status": null }), json!({ "status": "gone" }), json!({ "n": 1 })]
    {
        let refused = patch(&scene, &token, &tsg_id, &[("if-match", "*")], &bad).await.expect(400);
        assert_eq!(refused.code(), "invalid_body", "{bad}");
    }
    assert_eq!(scene.audited("tenant.update", &tsg_id).await, Some(local.client_id.clone()));
    scene.token_of(&local, &[]).await;
}
