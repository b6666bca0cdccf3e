//! Who runs the installation makes, promotes and revokes signing keys; nobody else does, and no step is skipped.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::scene::Scene;
use crate::support::stores::{empty_database, run_sql, sql_value};

#[tokio::test]
async fn only_who_acts_for_a_root_may_look_and_only_with_the_permission_may_act() {
    let scene = Scene::new().await;
    let kid = scene.signer("EdDSA").await;
    let child = scene.child("below").await;
    let below = scene.administrator_of(&child).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let other = scene.holder("other", &["iam.tenant", "iam.region"], json!("all")).await;
    let for_some = scene.holder("for some", &["iam.signing_key"], json!(["prisma_access"])).await;
    let operator = scene.holder("operator", &["iam.signing_key"], json!("all")).await;
    let one = format!("/v1/signing-keys/{kid}");
    let (promote, revoke) = (format!("{one}/promote"), format!("{one}/revoke"));
    let everything = [
        (Method::GET, "/v1/signing-keys", None),
        (Method::GET, &one, None),
        (Method::GET, "/v1/master-keys", None),
        (Method::POST, "/v1/signing-keys", Some(json!({ "algorithm": "EdDSA" }))),
        (Method::POST, &promote, None),
        (Method::POST, &revoke, Some(json!({ "reason": "a test" }))),
    ];
    for (account, expected) in [
        (&below, [403, 403, 403, 403, 403, 403]),
        (&reader, [200, 200, 200, 403, 403, 403]),
        (&other, [403, 403, 403, 403, 403, 403]),
        (&for_some, [403, 403, 403, 403, 403, 403]),
        (&operator, [200, 200, 200, 201, 200, 200]),
    ] {
        let token = scene.token_of(account, &[]).await;
        for ((method, path, body), expected) in everything.iter().zip(expected) {
            let answer = scene.client.call(&token, method.clone(), path, body.as_ref()).await;
            assert_eq!(answer.status, expected, "{} {method} {path}", account.client_id);
            if expected == 403 {
                assert_eq!(answer.code(), "permission_denied");
            }
        }
    }
    let by = Some(operator.client_id);
    assert_eq!(scene.audited("signing_key.revoke", &kid).await, by);
}

#[tokio::test]
async fn a_step_that_is_not_due_is_refused_and_says_why() {
    let scene = Scene::new().await;
    let kid = scene.new_key("ES256").await;
    let again = scene.key_post("", json!({ "algorithm": "ES256" })).await.expect(409);
    assert_eq!(again.code(), "signing_key_under_way");
    let shown = scene.until_key(&kid, "everywhere_at", Value::Null).await;
    let early = scene.key_post(&format!("/{kid}/promote"), json!({})).await.expect(409);
    assert_eq!(early.code(), "signing_key_too_early");
    let when = shown["next_step_at"].as_str().expect("a moment");
    assert!(early.text("detail").contains(when), "{} {when}", early.text("detail"));

    let old = scene.signer("ES256").await;
    let same = scene.key_post(&format!("/{old}/promote"), json!({})).await.expect(200);
    assert_eq!(same.text("state"), "signing", "it does already");
    scene.time_passes(&kid, 600).await;
    scene.until_key(&kid, "state", json!("signing")).await;
    let back = scene.key_post(&format!("/{old}/promote"), json!({})).await.expect(409);
    assert_eq!(back.code(), "signing_key_retired");
    scene.until_key(&old, "everywhere_at", Value::Null).await;
    scene.time_passes(&old, 960).await;
    scene.until_key(&old, "state", json!("retired")).await;
    for what in ["promote", "revoke"] {
        let body = if what == "revoke" { json!({ "reason": "late" }) } else { json!({}) };
        let over = scene.key_post(&format!("/{old}/{what}"), body).await.expect(409);
        assert_eq!(over.code(), "signing_key_retired", "{what}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let scene = Scene::new().await;
    for body in [
        json!({}),
        json!({ "algorithm": "none" }),
        json!({ "algorithm": "HS256" }),
        json!({ "alg": "RS256" }),
    ] {
        let refused = scene.key_post("", body.clone()).await.expect(400);
        assert_eq!(refused.code(), "invalid_body", "{body}");
    }
    let kid = scene.signer("ES256").await;
    for body in [
        json!({}),
        json!({ "reason": "" }),
        json!({ "reason": "\u{7}" }),
        json!({ "reason": "x".repeat(1025) }),
    ] {
        let refused = scene.key_post(&format!("/{kid}/revoke"), body.clone()).await.expect(400);
        assert_eq!(refused.code(), "invalid_body", "{body}");
    }
    for unknown in ["x".repeat(43), "x".repeat(42), "%00".to_owned(), "a.b".to_owned()] {
        let token = scene.admin_token().await;
        let path = format!("/v1/signing-keys/{unknown}");
        assert_eq!(scene.client.call(&token, Method::GET, &path, None).await.expect(404).code(), "not_found");
        let body = json!({ "reason": "a test" });
        scene.key_post(&format!("/{unknown}/revoke"), body).await.expect(404);
        scene.key_post(&format!("/{unknown}/promote"), json!({})).await.expect(404);
    }
    assert_eq!(scene.signer("ES256").await, kid);
}

#[tokio::test]
async fn a_key_is_made_once_for_one_idempotency_key_and_keys_come_in_pages() {
    let scene = Scene::new().await;
    let post = async || {
        let token = scene.admin_token().await;
        let request = scene.client.request(Method::POST, "/v1/signing-keys").bearer_auth(token);
        let request = request.header("Idempotency-Key", "one").json(&json!({ "algorithm": "RS256" }));
        scene.client.send(request).await.expect(201)
    };
    let (first, second) = (post().await, post().await);
    assert_eq!((first.header("idempotent-replayed"), second.header("idempotent-replayed")), ("", "true"));
    assert_eq!(first.text("kid"), second.text("kid"));
    assert_eq!(first.header("location"), format!("/v1/signing-keys/{}", first.text("kid")));
    let (mut kids, mut path) = (Vec::new(), "/v1/signing-keys?limit=3".to_owned());
    loop {
        let page = scene.admin_get(&path).await.expect(200).json();
        let items = page["items"].as_array().expect("items").clone();
        kids.extend(items.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/signing-keys?limit=3&cursor={cursor}");
    }
    let mut sorted = kids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((kids.len(), &kids), (4, &sorted));
}

/// The functions themselves refuse who does not act for a root: a fault above them would not be enough.
#[tokio::test]
async fn the_database_refuses_what_a_tenant_below_asks_for() {
    let scene = Scene::new().await;
    let child = scene.child("below").await;
    let kid = scene.signer("RS256").await;
    let asked = format!(
        "BEGIN; SET LOCAL ROLE carnet_tenant; SET LOCAL carnet.tsg_id = '{child}';
         DO $$ BEGIN
             ASSERT publish_signing_key('k', 'RS256', '\\x00', 'me') = 'unknown';
             ASSERT (promote_signing_key('{kid}', 'me')).refused = 'unknown';
             ASSERT revoke_signing_key('{kid}', 'r', 'me', 'k', '\\x00') = 'unknown';
         END $$; COMMIT"
    );
    run_sql(&scene.database_url, &asked).await;
    for forbidden in
        ["SELECT sealed FROM signing_key", "UPDATE keyring SET serve_from = 0", "SELECT * FROM master_key"]
    {
        for role in ["carnet_tenant", "carnet_engine"] {
            if (role, forbidden) == ("carnet_engine", "SELECT sealed FROM signing_key") {
                continue;
            }
            let tried = format!(
                "BEGIN; SET LOCAL ROLE {role};
                 DO $$ BEGIN
                     EXECUTE '{forbidden}';
                     RAISE 'allowed';
                 EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; COMMIT"
            );
            run_sql(&scene.database_url, &tried).await;
        }
    }
}

/// What a version before these steps has left behind goes on as it was.
#[tokio::test]
async fn a_key_that_signed_before_there_were_steps_goes_on_signing() {
    let url = empty_database().await;
    for migration in [
        include_str!("../../sql/migrations/V1__nouns.sql"),
        include_str!("../../sql/migrations/V2__feed.sql"),
        include_str!("../../sql/migrations/V3__isolation.sql"),
        include_str!("../../sql/migrations/V4__predefined.sql"),
        include_str!("../../sql/migrations/V5__region_states.sql"),
        include_str!("../../sql/migrations/V6__regions.sql"),
        include_str!("../../sql/migrations/V7__withdrawals.sql"),
        include_str!("../../sql/migrations/V8__audit.sql"),
        include_str!("../../sql/migrations/V9__bounds.sql"),
    ] {
        run_sql(&url, &format!("BEGIN; {migration}; COMMIT")).await;
    }
    let before = "INSERT INTO signing_key (kid, algorithm, status, sealed, created_at)
        VALUES ('old', 'RS256', 'active', '\\x010461', clock_timestamp() - interval '7 days'), ('gone', 'RS256', 'retired', '\\x00', '2020-01-01');
        INSERT INTO region (region, state) VALUES ('eu', 'required');
        INSERT INTO instance (instance, region, applied, low_water, lease_until)
        VALUES (gen_random_uuid(), 'eu', 0, 0, clock_timestamp() + interval '1 hour')";
    run_sql(&url, before).await;
    run_sql(&url, &format!("BEGIN; {}; COMMIT", include_str!("../../sql/migrations/V10__signing_keys.sql")))
        .await;
    let shown = "SELECT string_agg(concat_ws(' ', kid, state, awaited, now() - state_changed_at > interval '6 days'), ', ' ORDER BY kid)
        FROM signing_key_shown";
    let shown = sql_value(&url, shown).await;
    assert_eq!(shown.as_deref(), Some("gone retired 0 t, old signing 0 t"));
    // A server of before, which runs until it is stopped, holds up what it may not know of.
    run_sql(&url, "SELECT publish_signing_key('new', 'RS256', '\\x010461', 'me')").await;
    let awaited = "SELECT awaited FROM signing_key_shown WHERE kid = 'new'";
    assert_eq!(sql_value(&url, awaited).await.as_deref(), Some("1"));
}
