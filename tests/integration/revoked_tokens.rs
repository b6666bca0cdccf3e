//! Taking back one token (RFC 7009): nobody honours it afterwards, or the answer is not 200.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::about_token::{REVOKE, about, is_active, revoke};
use crate::support::client::Client;
use crate::support::exchange::{exchange, pair};
use crate::support::process::Process;
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

const ISSUER: &str = "https://id.example";

async fn scene() -> (Scene, Account) {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let account = scene.account("has tokens").await;
    (scene, account)
}

#[tokio::test]
async fn rfc_7009_section_2_a_revoked_token_is_refused_by_every_instance_of_every_region() {
    let own = OwnStores::start(1);
    let (scene, account) = scene().await;
    let sister = scene.another_instance(&json!({ "issuer": ISSUER })).await;
    let settings = json!({ "issuer": ISSUER, "region": "eu", "lease_seconds": 5 });
    let abroad = Server::start(config(&scene.database_url, &own.stores.redis_urls()[0], &settings)).await;
    let clients = [&scene.client.url, &sister.url, &abroad.url].map(|url| Client::new(url));
    for at in &clients {
        let (token, other) = (scene.token_of(&account, &[]).await, scene.token_of(&account, &[]).await);
        for client in &clients {
            client.whoami(&token).await.expect(200);
        }
        let answer = revoke(at, &account, &token).await.expect(200);
        assert!(answer.bytes.is_empty());
        for client in &clients {
            client.whoami(&token).await.expect(401);
            assert!(!is_active(client, &scene.admin, &token).await);
            // Only that one.
            client.whoami(&other).await.expect(200);
            client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
        }
    }
}

#[tokio::test]
async fn rfc_7009_section_2_2_what_is_not_there_or_revoked_already_is_200() {
    let (scene, account) = scene().await;
    let token = scene.token_of(&account, &[]).await;
    let foreign = {
        let (other, stranger) = self::scene().await;
        other.token_of(&stranger, &[]).await
    };
    let path = format!("service-accounts/{}/secrets", account.id);
    let ends = json!({ "expires_at": scene.in_seconds(3).await });
    let short = account.with_secret(&scene.post(&path, ends).await.expect(201));
    let short = scene.token_of(&short, &[]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut answers = Vec::new();
    for (what, token) in [
        ("noise", "noise"),
        ("three parts of noise", "e30.e30.e30"),
        ("another issuer's keys", &*foreign),
        ("expired", &*short),
        ("a secret", &*account.client_secret),
        ("good", &*token),
        ("revoked", &*token),
        ("revoked", &*token),
    ] {
        answers.push((what, revoke(&scene.client, &account, token).await.expect(200)));
    }
    for (what, answer) in &answers {
        assert_eq!(answer.but_the_date(), answers[0].1.but_the_date(), "{what}");
    }
    assert_eq!(
        sql_value(&scene.database_url, "SELECT count(*) FROM revoked_token").await.as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn rfc_7009_section_2_1_a_hint_changes_nothing() {
    let (scene, account) = scene().await;
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let token = scene.token_of(&account, &[]).await;
        let form = [("token", &*token), ("token_type_hint", hint)];
        about(&scene.client, REVOKE, &account, &form).await.expect(200);
        scene.client.whoami(&token).await.expect(401);
    }
}

#[tokio::test]
async fn rfc_7009_section_2_1_a_token_is_its_own_client_s_or_his_who_may_change_that_client() {
    let (scene, account) = scene().await;
    let below = scene.child("below").await;
    let (stranger, local) = (scene.account("stranger").await, scene.administrator_of(&below).await);
    let weak = scene.holder("weak", &["iam.service_account"], json!("all")).await;
    let strong = scene.holder("strong", &["iam.read"], json!("all")).await;
    let token = scene.token_of(&account, &[]).await;
    let strongs = scene.token_of(&strong, &[]).await;
    for asker in [&stranger, &local, &weak] {
        scene.token_of(asker, &[]).await;
    }
    let mut answers = Vec::new();
    for (what, asker, token) in [
        ("no permission", &stranger, &token),
        ("the tenant below", &local, &token),
        ("who holds less", &weak, &strongs),
    ] {
        answers.push((what.to_owned(), revoke(&scene.client, asker, token).await));
    }
    assert_alike(&answers, 400, "unauthorized_client");
    scene.client.whoami(&token).await.expect(200);
    scene.client.whoami(&strongs).await.expect(200);
    revoke(&scene.client, &weak, &token).await.expect(200);
    revoke(&scene.client, &scene.admin, &strongs).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
    scene.client.whoami(&strongs).await.expect(401);
    // The trail says who did it.
    let jti = "SELECT string_agg(actor, ',' ORDER BY id) FROM audit_event WHERE action = 'token.revoke'";
    let actors = sql_value(&scene.database_url, jti).await.expect("events");
    assert_eq!(actors, format!("{},{}", weak.client_id, scene.admin.client_id));
}

#[tokio::test]
async fn rfc_7009_section_2_2_1_what_could_not_be_stored_is_503_and_the_token_is_still_good() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let scene = Scene::on(database_url, redis_url, &json!({ "lease_seconds": 30 })).await;
    let account = scene.account("has tokens").await;
    let token = scene.token_of(&account, &[]).await;
    scene.client.whoami(&token).await.expect(200);
    own.stores.stop_postgres();
    let answer = revoke(&scene.client, &account, &token).await;
    assert_refused(&answer, 503, "temporarily_unavailable", "Postgres is away");
    assert!(!answer.header("retry-after").is_empty());
    scene.client.whoami(&token).await.expect(200);
    own.stores.start_postgres().expect("Postgres starts again");
    scene.token_of(&account, &[]).await;
    let started = Instant::now();
    while revoke(&scene.client, &account, &token).await.status == 503 {
        assert!(started.elapsed() < Duration::from_secs(20), "it stays away");
    }
    scene.client.whoami(&token).await.expect(401);
}

/// 200 is a promise about every instance, so it waits for one that has not heard; and so does who asks again.
#[tokio::test]
async fn rfc_7009_section_2_2_1_what_not_everybody_has_heard_of_is_503_until_they_have() {
    let scene = Scene::with(&json!({ "issuer": ISSUER, "revoke_wait_seconds": 1 })).await;
    let account = scene.account("has tokens").await;
    let token = scene.token_of(&account, &[]).await;
    run_sql(&scene.database_url, &deaf_instance(6)).await;
    for _ in 0..2 {
        let answer = revoke(&scene.client, &account, &token).await;
        assert_refused(&answer, 503, "temporarily_unavailable", "one is deaf");
        assert_eq!(answer.header("retry-after"), "1");
        // Who has heard refuses it already.
        scene.client.whoami(&token).await.expect(401);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    revoke(&scene.client, &account, &token).await.expect(200);
}

fn many(client_id: &str, tsg_id: &str, count: u32, end: &str) -> String {
    format!(
        "INSERT INTO revoked_token SELECT '{client_id}', gen_random_uuid(), '{tsg_id}', clock_timestamp() + interval '{end}'
         FROM generate_series(1, {count})"
    )
}

#[tokio::test]
async fn of_one_account_a_thousand_tokens_are_revoked_and_then_it_says_what_to_do_instead() {
    let (scene, account) = scene().await;
    let other = scene.account("another").await;
    let (token, others) = (scene.token_of(&account, &[]).await, scene.token_of(&other, &[]).await);
    scene
        .change_record(&account.client_id, &many(&account.client_id, &scene.tsg_id, 999, "10 minutes"))
        .await;
    revoke(&scene.client, &account, &token).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
    let next = scene.token_of(&account, &[]).await;
    let refused = revoke(&scene.client, &account, &next).await;
    assert_refused(&refused, 503, "temporarily_unavailable", "full");
    assert_eq!(refused.header("retry-after"), "60");
    assert!(refused.text("error_description").contains("revoke its secret or key instead"));
    scene.client.whoami(&next).await.expect(200);
    // One that is revoked already stays so, and others have room of their own.
    revoke(&scene.client, &account, &token).await.expect(200);
    revoke(&scene.client, &other, &others).await.expect(200);
    // When they have expired there is room again.
    let over = "UPDATE revoked_token SET expires_at = clock_timestamp() - interval '2 minutes'";
    scene.change_record(&account.client_id, over).await;
    revoke(&scene.client, &account, &next).await.expect(200);
    scene.client.whoami(&next).await.expect(401);
    let left = format!("SELECT count(*) FROM revoked_token WHERE credential = '{}'", account.client_id);
    assert_eq!(sql_value(&scene.database_url, &left).await.as_deref(), Some("1"), "the old ones are gone");
}

/// Each by another token of the same, as many times.
const MANY_LIKE_IT: &str = "INSERT INTO revoked_token SELECT
    (jsonb_populate_record(r, jsonb_build_object('token', gen_random_uuid()))).* FROM revoked_token r, generate_series(1, 99)";

#[tokio::test]
async fn who_acts_for_an_account_revokes_a_hundred_tokens_and_leaves_the_rest_to_the_account() {
    let (scene, _) = scene().await;
    let (subject, actor) = pair(&scene).await;
    let token = scene.token_of(&subject, &[]).await;
    let delegated =
        async || exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    revoke(&scene.client, &actor, &delegated().await).await.expect(200);
    scene.change_record(&subject.client_id, MANY_LIKE_IT).await;
    let next = delegated().await;
    let refused = revoke(&scene.client, &actor, &next).await;
    assert_refused(&refused, 503, "temporarily_unavailable", "the actors have had their share");
    assert_eq!(refused.header("retry-after"), "60");
    let why = refused.text("error_description");
    assert!(why.contains("act for this client") && why.contains("itself"), "{why}");
    scene.client.whoami(&next).await.expect(200);
    // The account itself takes back what it likes, that one too.
    revoke(&scene.client, &subject, &next).await.expect(200);
    revoke(&scene.client, &subject, &token).await.expect(200);
    scene.client.whoami(&next).await.expect(401);
    scene.client.whoami(&token).await.expect(401);
    // What it has taken back stays so for the actor, and counts for nobody else.
    revoke(&scene.client, &actor, &next).await.expect(200);
    let own = scene.token_of(&actor, &[]).await;
    revoke(&scene.client, &actor, &own).await.expect(200);
    let over = "UPDATE revoked_token SET expires_at = clock_timestamp() - interval '2 minutes'";
    scene.change_record(&subject.client_id, over).await;
    let token = scene.token_of(&subject, &[]).await;
    let later = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    revoke(&scene.client, &actor, &later).await.expect(200);
}

#[tokio::test]
async fn what_has_expired_is_forgotten_with_another_version_of_the_record_and_not_before() {
    let (scene, account) = scene().await;
    let token = scene.token_of(&account, &[]).await;
    revoke(&scene.client, &account, &token).await.expect(200);
    let old = many(&account.client_id, &scene.tsg_id, 3, "-11 minutes");
    scene.change_record(&account.client_id, &old).await;
    let version = format!("SELECT version FROM credential WHERE credential = '{}'", account.client_id);
    let before = sql_value(&scene.database_url, &version).await;
    let prune = "SET ROLE carnet_engine; SELECT prune_revoked_tokens(100)";
    run_sql(&scene.database_url, prune).await;
    let after = sql_value(&scene.database_url, &version).await;
    assert_ne!(after, before);
    run_sql(&scene.database_url, prune).await;
    assert_eq!(sql_value(&scene.database_url, &version).await, after, "nothing to forget, nothing written");
    let left = "SELECT count(*) FROM revoked_token";
    assert_eq!(sql_value(&scene.database_url, left).await.as_deref(), Some("1"));
    scene.heard().await;
    scene.client.whoami(&token).await.expect(401);
}

/// Row-level security: a tenant's own rows, and no others.
#[tokio::test]
async fn a_tenant_sees_and_writes_the_revoked_tokens_of_its_own_accounts_only() {
    let (scene, account) = scene().await;
    let below = scene.child("below").await;
    let token = scene.token_of(&account, &[]).await;
    revoke(&scene.client, &account, &token).await.expect(200);
    let seen = |tsg_id: &str| {
        format!("SET ROLE carnet_tenant; SET carnet.tsg_id = '{tsg_id}'; SELECT count(*) FROM revoked_token")
    };
    assert_eq!(sql_value(&scene.database_url, &seen(&scene.tsg_id)).await.as_deref(), Some("1"));
    assert_eq!(sql_value(&scene.database_url, &seen(&below)).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_revoked_management_token_opens_nothing_here_any_more() {
    let (scene, _) = scene().await;
    let token = scene.admin_token().await;
    scene.client.call(&token, Method::GET, "/v1/tenants", None).await.expect(200);
    revoke(&scene.client, &scene.admin, &token).await.expect(200);
    let refused = scene.client.call(&token, Method::GET, "/v1/tenants", None).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
}

/// The twin: without the look at the list a revoked token passes.
#[tokio::test]
async fn without_the_look_at_the_list_a_revoked_token_would_pass() {
    let (scene, account) = scene().await;
    let blind = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "no_revoked_tokens".to_owned())],
    )
    .await;
    let token = scene.token_of(&account, &[]).await;
    revoke(&scene.client, &account, &token).await.expect(200);
    Client::new(&blind.url).whoami(&token).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
}

/// Who was let in a moment ago is asked for again in the transaction itself, where nobody looks at the list of a record.
#[tokio::test]
async fn a_request_that_was_let_in_before_the_revocation_changes_nothing_after_it() {
    let (scene, _) = scene().await;
    let blind = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "no_revoked_tokens".to_owned())],
    )
    .await;
    let (blind, token) = (Client::new(&blind.url), scene.admin_token().await);
    blind.call(&token, Method::GET, "/v1/tenants", None).await.expect(200);
    revoke(&scene.client, &scene.admin, &token).await.expect(200);
    let refused = blind.call(&token, Method::GET, "/v1/tenants", None).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
}

#[tokio::test]
async fn what_was_exchanged_from_a_token_is_taken_back_with_it() {
    let (scene, account) = scene().await;
    let exchange = async |token: &str| {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        let request = scene.client.request(Method::POST, "/oauth2/token").form(&form);
        let request = request.basic_auth(&account.client_id, Some(&account.client_secret));
        scene.client.send(request).await
    };
    let mut tokens = vec![scene.token_of(&account, &[]).await];
    for _ in 0..4 {
        let narrower = exchange(tokens.last().expect("one")).await.expect(200).text("access_token");
        tokens.push(narrower);
    }
    let refused = exchange(&tokens[4]).await.expect(400);
    assert_eq!(refused.text("error"), "invalid_request", "four times in a row and no more");
    for token in &tokens {
        scene.client.whoami(token).await.expect(200);
    }
    revoke(&scene.client, &account, &tokens[1]).await.expect(200);
    scene.client.whoami(&tokens[0]).await.expect(200);
    for token in &tokens[1..] {
        scene.client.whoami(token).await.expect(401);
    }
}
