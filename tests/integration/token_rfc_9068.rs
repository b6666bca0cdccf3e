//! What is in a token, read with somebody else's library and nothing but the live JWKS: RFC 9068.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::read_token::read_token;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{run_sql, sql_value};

const WILDFIRE: &str = "urn:carnet:product:advanced_wildfire";
const PRISMA: &str = "urn:carnet:product:prisma_access";

fn members(claims: &Value) -> Vec<&str> {
    let mut names: Vec<_> = claims.as_object().expect("claims").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// An account with a valid key, and the key's number.
async fn bound(scene: &Scene, name: &str, product: &str) -> (Account, String) {
    let account = scene.entitled_account(name).await;
    let id = scene.key(product, &account).await;
    scene.until(&id, "valid").await;
    (account, id)
}

#[tokio::test]
async fn rfc_9068_section_2_a_product_token_of_each_algorithm_says_all_that_it_must() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let scene = Scene::new().await;
        let update = format!("UPDATE product SET algorithm = '{algorithm}' WHERE product = 'prisma_access'");
        run_sql(&scene.database_url, &update).await;
        let (account, key) = bound(&scene, "verified", "prisma_access").await;
        let before = unix(&scene, "clock_timestamp()", "").await;
        let token = scene.token_of(&account, &[]).await;
        let read = read_token(&scene.client, &token, PRISMA).await;

        assert_eq!(serde_json::to_value(read.header.alg).expect("a name"), json!(algorithm));
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"), "§2.1");
        let claims = &read.claims;
        let expected = [
            "api_key_id",
            "aud",
            "client_id",
            "credential_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "product",
            "roles",
            "scope",
            "status",
            "sub",
            "tsg_id",
        ];
        assert_eq!(members(claims), expected);
        assert_eq!(claims["iss"], scene.client.url, "byte for byte");
        assert_eq!(claims["sub"], account.client_id, "§2.2: no user is involved, so it is the client");
        assert_eq!(claims["client_id"], account.client_id);
        assert_eq!(claims["aud"], PRISMA);
        assert_eq!(claims["tsg_id"], scene.tsg_id);
        assert_eq!(claims["api_key_id"], key);
        assert_eq!(claims["product"], "prisma_access");
        assert_eq!(claims["roles"], json!(["verified role"]), "§2.2.3.1");
        let credential_id = account.client_secret.split('_').nth(2);
        assert_eq!(claims["credential_id"].as_str(), credential_id);
        let (iat, exp) = (claims["iat"].as_f64().expect("iat"), claims["exp"].as_f64().expect("exp"));
        assert!((before - 2.0..before + 5.0).contains(&iat), "{iat} is not now, {before}");
        assert!((exp - iat - 900.0).abs() < 0.5, "{exp} - {iat}");
    }
}

#[tokio::test]
async fn rfc_9068_section_2_2_a_management_token_names_no_key() {
    let scene = Scene::new().await;
    let account = scene.account("manager").await;
    let mut names = HashSet::new();
    for _ in 0..3 {
        let token = scene.token_of(&account, &[]).await;
        let read = read_token(&scene.client, &token, &scene.client.url).await;
        assert_eq!(read.header.alg, jsonwebtoken::Algorithm::RS256);
        let expected = [
            "aud",
            "client_id",
            "credential_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "scope",
            "status",
            "sub",
            "tsg_id",
        ];
        assert_eq!(members(&read.claims), expected);
        assert!(names.insert(read.claims["jti"].to_string()), "RFC 7519 §4.1.7");
    }
}

/// Verifiers that read them as RFC 9068 has it refuse an empty list.
#[tokio::test]
async fn rfc_9068_section_2_2_3_1_roles_are_named_where_there_are_any_and_left_out_where_there_are_none() {
    let scene = Scene::new().await;
    let (none, some) = (scene.account("none").await, scene.holder("some", &["iam.read"], json!("all")).await);
    scene.heard().await;
    for (account, roles) in [(&none, None), (&some, Some(json!(["some role"])))] {
        let token = scene.token_of(account, &[]).await;
        let read = read_token(&scene.client, &token, &scene.client.url).await;
        assert_eq!(read.claims.get("roles"), roles.as_ref());
        // Here the answer is always of one shape.
        let me = scene.client.whoami(&token).await.expect(200).json();
        assert_eq!(me["roles"], roles.unwrap_or_else(|| json!([])));
    }
}

#[tokio::test]
async fn rfc_9068_section_3_the_audience_is_one_name_and_also_the_client_when_the_scope_names_a_tenant() {
    let scene = Scene::new().await;
    let (account, _) = bound(&scene, "audience", "advanced_wildfire").await;
    let (issuer, id, tenant) =
        (scene.client.url.clone(), account.client_id.clone(), format!("tsg_id:{}", scene.tsg_id));
    for (form, audience) in [
        (vec![], json!(WILDFIRE)),
        (vec![("scope", "openid")], json!(WILDFIRE)),
        (vec![("resource", WILDFIRE)], json!(WILDFIRE)),
        (vec![("resource", &*issuer)], json!(issuer)),
        (vec![("scope", &*tenant)], json!([WILDFIRE, id])),
        (vec![("scope", &*tenant), ("resource", WILDFIRE)], json!([WILDFIRE, id])),
        (vec![("scope", &*tenant), ("resource", &*issuer)], json!([issuer, id])),
    ] {
        let token = scene.token_of(&account, &form).await;
        let proper = audience.as_str().or(audience[0].as_str()).expect("an audience");
        let read = read_token(&scene.client, &token, proper).await;
        assert_eq!(read.claims["aud"], audience, "{form:?}");
        let me = scene.client.whoami(&token).await.expect(200);
        assert_eq!(me.text("audience"), proper, "{form:?}");
    }
}

#[tokio::test]
async fn a_token_carries_the_roles_that_hold_for_its_product() {
    let scene = Scene::new().await;
    let (account, _) = bound(&scene, "some products", "prisma_access").await;
    for (role, products) in [("here", "prisma_access"), ("elsewhere", "advanced_wildfire")] {
        scene.post("roles", json!({ "name": role, "permissions": ["iam.read"] })).await.expect(201);
        let policy = json!({ "principal": account.client_id, "role": role, "products": [products] });
        scene.post("access-policies", policy).await.expect(201);
    }
    scene.heard().await;
    let token = scene.token_of(&account, &[]).await;
    let read = read_token(&scene.client, &token, PRISMA).await;
    assert_eq!(read.claims["roles"], json!(["here", "some products role"]));
}

/// Asks for a token and returns its lifetime, as the answer and the token agree on it, and its end.
async fn lifetime(scene: &Scene, account: &Account, resource: &str) -> (i64, i64) {
    let form = [("resource", resource)];
    let answer = scene.client.token(&account.client_id, &account.client_secret, &form).await.expect(200);
    let expires_in = answer.json()["expires_in"].as_i64().expect("a number");
    let claims = read_token(&scene.client, &answer.text("access_token"), resource).await.claims;
    let (iat, exp) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
    assert_eq!(expires_in, exp - iat);
    (expires_in, exp)
}

/// Seconds since 1970, of some time in a table.
async fn unix(scene: &Scene, time: &str, from: &str) -> f64 {
    let query = format!("SELECT extract(epoch FROM {time}) {from}");
    sql_value(&scene.database_url, &query).await.expect("a time").parse().expect("a number")
}

/// It ends in the very second in which `end` lies, or just before.
#[track_caller]
fn assert_ends(exp: i64, end: f64) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let early = end - exp as f64;
    assert!((0.0..1.0).contains(&early), "it ends {early} s before {end}");
}

#[tokio::test]
async fn no_token_outlives_its_secret() {
    let scene = Scene::new().await;
    let (account, _) = bound(&scene, "short secret", "advanced_wildfire").await;
    let which = format!("credential = '{}'", account.client_id);
    let end = "expires_at = clock_timestamp() + interval '300.5 seconds'";
    scene.change_record(&account.client_id, &format!("UPDATE client_secret SET {end} WHERE {which}")).await;
    let end = unix(&scene, "expires_at", &format!("FROM client_secret WHERE {which}")).await;
    for resource in [WILDFIRE, &*scene.client.url] {
        let (expires_in, exp) = lifetime(&scene, &account, resource).await;
        assert!((290..=301).contains(&expires_in), "{expires_in}");
        assert_ends(exp, end);
    }
}

#[tokio::test]
async fn no_product_token_outlives_its_license() {
    let scene = Scene::new().await;
    let which = format!("tsg_id = '{}' AND product = 'advanced_wildfire'", scene.tsg_id);
    let end = "ends_at = clock_timestamp() + interval '200.5 seconds'";
    run_sql(&scene.database_url, &format!("UPDATE license SET {end} WHERE {which}")).await;
    let (account, key) = bound(&scene, "short license", "advanced_wildfire").await;
    let end = unix(&scene, "ends_at", &format!("FROM license WHERE {which}")).await;
    let (_, exp) = lifetime(&scene, &account, WILDFIRE).await;
    assert_ends(exp, end);
    let shown: Timestamp =
        scene.get(&format!("api-keys/{key}")).await.text("expires_at").parse().expect("a time");
    assert_eq!(shown.as_second(), exp);
    let (expires_in, _) = lifetime(&scene, &account, &scene.client.url.clone()).await;
    assert_eq!(expires_in, 900, "the account itself has no end");
}

#[tokio::test]
async fn no_product_token_outlives_its_key_or_the_lifetime_of_its_product() {
    let scene = Scene::new().await;
    let update = "UPDATE product SET token_lifetime_seconds = 600 WHERE product = 'prisma_access'";
    run_sql(&scene.database_url, update).await;
    let (account, key) = bound(&scene, "short key", "prisma_access").await;
    let (expires_in, _) = lifetime(&scene, &account, PRISMA).await;
    assert_eq!(expires_in, 600);
    let which = format!("api_key_id = {key}");
    let end = "expires_at = clock_timestamp() + interval '100.5 seconds'";
    scene.change_record(&account.client_id, &format!("UPDATE api_key SET {end} WHERE {which}")).await;
    let end = unix(&scene, "expires_at", &format!("FROM api_key WHERE {which}")).await;
    let (_, exp) = lifetime(&scene, &account, PRISMA).await;
    assert_ends(exp, end);
}
