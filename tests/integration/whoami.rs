//! Which bearer tokens are let in: at `/v1/whoami` any of ours, at the rest of `/v1` the management
//! API's only, and nowhere one whose key, secret, time or signature is not what it was.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::contract::Contract;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

const WHOAMI: &str = "/v1/whoami";
const WITHOUT: &str = "Bearer realm=\"carnet\"";
const INVALID: &str = "Bearer realm=\"carnet\", error=\"invalid_token\"";

async fn ask(client: &Client, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(Method::GET, WHOAMI);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    client.send(request).await
}

#[track_caller]
fn assert_refused(answer: &Answer, challenge: &str, what: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"), "{what}");
    let said = answer.header("www-authenticate");
    let (said, metadata) = said.split_once(", resource_metadata=").expect("RFC 9728 §5.1");
    assert_eq!(said, challenge, "{what}");
    assert!(metadata.ends_with("/.well-known/oauth-protected-resource\""), "{what}: {metadata}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
}

async fn assert_token_refused(client: &Client, token: &str, what: &str) {
    assert_refused(&client.whoami(token).await, INVALID, what);
}

/// An account with a valid key for a product.
async fn bound(scene: &Scene, name: &str, product: &str) -> (Account, String) {
    let account = scene.entitled_account(name).await;
    let id = scene.key(product, &account).await;
    scene.until(&id, "valid").await;
    (account, id)
}

#[tokio::test]
async fn whoami_says_whose_the_token_is_and_what_it_opens() {
    let scene = Scene::new().await;
    let (account, key) = bound(&scene, "asks about itself", "prisma_access").await;
    let common = json!({
        "client_id": account.client_id,
        "tsg_id": scene.tsg_id,
        "service_account_id": account.id,
        "credential_id": account.client_secret.split('_').nth(2),
        "roles": ["asks about itself role"],
        "scope": format!("tsg_id:{}", scene.tsg_id),
    });
    for (resource, audience, product, api_key_id) in [
        (
            "urn:carnet:product:prisma_access",
            "urn:carnet:product:prisma_access",
            json!("prisma_access"),
            json!(key),
        ),
        (&*scene.client.url, &*scene.client.url, json!(null), json!(null)),
    ] {
        let token = scene.token_of(&account, &[("resource", resource)]).await;
        let mut me = scene.client.whoami(&token).await.expect(200).json();
        let own = me.as_object_mut().expect("an object");
        assert!(own.remove("expires_at").is_some());
        let mut expected = common.clone();
        expected["audience"] = json!(audience);
        expected["product"] = product;
        expected["api_key_id"] = api_key_id;
        assert_eq!(me, expected);
    }
}

#[tokio::test]
async fn rfc_6750_section_3_without_a_token_the_challenge_names_no_error() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    assert_refused(&ask(&scene.client, &[]).await, WITHOUT, "nothing");
    // RFC 6750 §2.2 and §2.3 are not served: forms and queries end up in logs.
    let query = format!("{WHOAMI}?access_token={token}");
    let answer = scene.client.send(scene.client.request(Method::GET, &query)).await;
    assert_refused(&answer, WITHOUT, "in the query");
    let form = scene.client.request(Method::GET, WHOAMI).form(&[("access_token", &token)]);
    assert_refused(&scene.client.send(form).await, WITHOUT, "in the body");
    for header in ["x-access-token", "cookie", "proxy-authorization"] {
        let value = format!("Bearer {token}");
        assert_refused(&ask(&scene.client, &[(header, &value)]).await, WITHOUT, header);
    }
    // Another method of authentication is no bad token.
    for other in ["", &token, &format!("Basic {token}"), "Digest username=\"a\"", "BearerX a.b.c"] {
        assert_refused(&ask(&scene.client, &[("authorization", other)]).await, WITHOUT, other);
    }
}

#[tokio::test]
async fn rfc_6750_section_2_1_a_malformed_header_is_an_invalid_token() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let (header, rest) = token.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    for (what, authorization) in [
        ("no token", "Bearer".to_owned()),
        ("an empty token", "Bearer ".to_owned()),
        ("two tokens", format!("Bearer {token} {token}")),
        ("two tokens with a comma", format!("Bearer {token}, Bearer {token}")),
        ("two parts", format!("Bearer {header}.{payload}")),
        ("four parts", format!("Bearer {token}.x")),
        ("nonsense", "Bearer a.b.c".to_owned()),
        ("no header", format!("Bearer .{payload}.{signature}")),
        ("padded", format!("Bearer {token}==")),
        ("twenty thousand letters", format!("Bearer {}", "x".repeat(20_000))),
        ("the secret itself", format!("Bearer {}", scene.admin.client_secret)),
    ] {
        let answer = ask(&scene.client, &[("authorization", &authorization)]).await;
        assert_refused(&answer, INVALID, what);
    }
    let good = format!("Bearer {token}");
    let twice = ask(&scene.client, &[("authorization", &good), ("authorization", &good)]).await;
    assert_refused(&twice, INVALID, "two headers");
    ask(&scene.client, &[("authorization", &format!("bearer {token}"))]).await.expect(200);
}

/// The token with one character of its part `part` (0: header, 2: signature) changed.
fn flipped(token: &str, part: usize, at: usize) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let other = if parts[part].as_bytes()[at] == b'A' { "B" } else { "A" };
    parts[part].replace_range(at..=at, other);
    parts.join(".")
}

#[tokio::test]
async fn rfc_7515_section_5_2_a_token_that_was_tampered_with_is_refused() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let parts: Vec<_> = token.split('.').collect();
    // Before and after the good one has been seen: what is remembered is the whole text.
    for round in ["never seen", "seen before"] {
        for (part, text) in parts.iter().enumerate() {
            for at in [0, 10, text.len() / 2, text.len() - 1] {
                let what = format!("{round}: part {part} at {at}");
                assert_token_refused(&scene.client, &flipped(&token, part, at), &what).await;
            }
        }
        let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"none"}"#);
        assert_token_refused(&scene.client, &format!("{none}.{}.", parts[1]), "alg none").await;
        assert_token_refused(&scene.client, &format!("{}.{}.", parts[0], parts[1]), "unsigned").await;
        let promoted = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
        let promoted = String::from_utf8(promoted).expect("JSON").replace("exp\":1", "exp\":9");
        let promoted = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(promoted), parts[2]);
        assert_token_refused(&scene.client, &promoted, "a longer life").await;
        scene.client.whoami(&token).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_even_with_the_same_keys() {
    let scene = Scene::new().await;
    let (account, _) = bound(&scene, "of two issuers", "prisma_access").await;
    // Same database, hence the same keys, accounts and audiences of products; only `iss` differs.
    let sibling = scene.another_instance(&json!({})).await;
    let sibling = Client::new(&sibling.url);
    let answer = sibling.token(&account.client_id, &account.client_secret, &[]).await;
    let token = answer.expect(200).text("access_token");
    assert_eq!(sibling.whoami(&token).await.expect(200).text("product"), "prisma_access");
    assert_token_refused(&scene.client, &token, "another iss").await;

    let stranger = Scene::new().await;
    let token = stranger.admin_token().await;
    assert_token_refused(&scene.client, &token, "other keys").await;
    stranger.client.whoami(&token).await.expect(200);
}

#[tokio::test]
async fn an_expired_token_is_refused_though_key_and_secret_are_good() {
    let scene = Scene::new().await;
    let shorten = "ALTER TABLE product DROP CONSTRAINT product_token_lifetime_seconds_check;
                   UPDATE product SET token_lifetime_seconds = 2 WHERE product = 'prisma_access'";
    run_sql(&scene.database_url, shorten).await;
    let (account, key) = bound(&scene, "short tokens", "prisma_access").await;
    let token = scene.token_of(&account, &[]).await;
    scene.client.whoami(&token).await.expect(200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_token_refused(&scene.client, &token, "expired").await;
    assert_eq!(scene.get(&format!("api-keys/{key}")).await.text("status"), "valid");
    let next = scene.token_of(&account, &[]).await;
    scene.client.whoami(&next).await.expect(200);
}

#[tokio::test]
async fn a_live_token_is_refused_once_what_is_behind_it_is_gone() {
    for (what, change) in [
        ("the key ended", "UPDATE api_key SET expires_at = clock_timestamp() WHERE credential = '{}'"),
        ("the key was switched off", "UPDATE api_key SET status = 'inactive' WHERE credential = '{}'"),
        (
            "the secret ended",
            "UPDATE client_secret SET expires_at = clock_timestamp() WHERE credential = '{}'",
        ),
        ("the secret was revoked", "UPDATE client_secret SET status = 'revoked' WHERE credential = '{}'"),
        ("the account was disabled", "UPDATE service_account SET enabled = false WHERE client_id = '{}'"),
        ("the account was deleted", "UPDATE service_account SET deleted_at = now() WHERE client_id = '{}'"),
        (
            "the tenant was suspended",
            "UPDATE tenant SET status = 'suspended' WHERE '{}' LIKE '%@' || tsg_id || '.%'",
        ),
    ] {
        let scene = Scene::new().await;
        let (account, _) = bound(&scene, "behind a token", "prisma_access").await;
        let token = scene.token_of(&account, &[]).await;
        scene.client.whoami(&token).await.expect(200);
        scene.change_record(&account.client_id, &change.replace("{}", &account.client_id)).await;
        assert_token_refused(&scene.client, &token, what).await;
    }
}

#[tokio::test]
async fn a_product_token_opens_whoami_and_nothing_else_of_the_management_api() {
    let scene = Scene::new().await;
    let (account, key) = bound(&scene, "product only", "prisma_access").await;
    let product = scene.token_of(&account, &[]).await;
    let tenant = format!("tsg_id:{}", scene.tsg_id);
    let with_scope = scene.token_of(&account, &[("scope", &tenant)]).await;
    for token in [&product, &with_scope] {
        scene.client.whoami(token).await.expect(200);
        for (method, path) in Contract::load().operations() {
            if !path.starts_with("/v1/") || path == WHOAMI {
                continue;
            }
            let path = path.replace("{tsg_id}", &scene.tsg_id).replace("{api_key_id}", &key);
            let path = path.replace("{service_account_id}", &account.id);
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = scene.client.call(token, method.clone(), &path, None).await;
            assert_refused(&answer, INVALID, &format!("{method} {path}"));
        }
    }
    assert_eq!(scene.get(&format!("api-keys/{key}")).await.text("status"), "valid", "nothing was done");
    let management = scene.token_of(&account, &[("resource", &scene.client.url)]).await;
    scene.client.call(&management, Method::GET, "/v1/products", None).await.expect(200);
}
