//! Every way to ask that real clients have gets its token, and gets it as they expect.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::read_token::read_token;
use crate::support::scene::{Account, Scene};

const TOKEN: &str = "/oauth2/token";
const GRANT: &str = "grant_type=client_credentials";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn settled(scene: &Scene) -> Account {
    let account = scene.account("client of many kinds").await;
    scene.token_of(&account, &[]).await;
    account
}

async fn by_header(scene: &Scene, authorization: &str) -> Answer {
    scene.client.post(TOKEN, &[FORM, ("authorization", authorization)], GRANT).await
}

#[tokio::test]
async fn rfc_6749_section_2_3_1_basic_is_understood_in_five_encodings() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene).await;
    let raw = format!("{client_id}:{client_secret}");
    let encoded_id = client_id.replace('@', "%40");
    for pair in [
        raw.clone(),
        format!("{encoded_id}:{client_secret}"),
        format!("{}:{client_secret}", encoded_id.replace('.', "%2E").replace('-', "%2D")),
        format!("{encoded_id}:{}", client_secret.replace('_', "%5F")),
        format!("{}:{}", client_id.replace('.', "%2e"), client_secret.replacen('_', "%5f", 1)),
    ] {
        let answer = by_header(&scene, &format!("Basic {}", STANDARD.encode(&pair))).await;
        assert_eq!(answer.status, 200, "{}", pair.replace(&*client_secret, "…"));
    }
    // RFC 9110 §11.1: the scheme ignores case. And some leave the padding out.
    for scheme in ["basic", "BASIC"] {
        by_header(&scene, &format!("{scheme} {}", STANDARD.encode(&raw))).await.expect(200);
    }
    let encoded = format!("{encoded_id}:{client_secret}");
    let padded = if raw.len() % 3 == 0 { &encoded } else { &raw };
    by_header(&scene, &format!("Basic {}", STANDARD_NO_PAD.encode(padded))).await.expect(200);
}

#[tokio::test]
async fn rfc_6749_section_5_1_every_alias_answers_alike_by_header_and_by_body() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene).await;
    let header = format!("Basic {}", STANDARD.encode(format!("{client_id}:{client_secret}")));
    let posted = format!("{GRANT}&client_id={client_id}&client_secret={client_secret}");
    let escaped = posted.replace('@', "%40").replace('_', "%5F").replace("grant%5F", "grant_");
    for path in [TOKEN, "/oauth2/access_token", "/am/oauth2/access_token", "/auth/v1/oauth2/access_token"] {
        let answers = [
            scene.client.post(path, &[FORM, ("authorization", &header)], GRANT).await,
            scene.client.post(path, &[FORM], &posted).await,
            scene.client.post(path, &[FORM], &escaped.replace("client%5F", "client_")).await,
        ];
        for answer in answers {
            let answer = answer.expect(200);
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("cache-control"), "no-store");
            let said = answer.json();
            assert_eq!((&said["token_type"], &said["expires_in"]), (&json!("Bearer"), &json!(900)));
            assert_eq!(said.get("id_token"), None, "strict clients would validate it");
            scene.client.whoami(&answer.text("access_token")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn content_types_with_a_charset_and_any_accept_header_are_fine() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene).await;
    let posted = format!("{GRANT}&client_id={client_id}&client_secret={client_secret}");
    for content_type in [
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLEncoded ; charset=\"utf-8\"",
    ] {
        scene.client.post(TOKEN, &[("content-type", content_type)], &posted).await.expect(200);
    }
    for accept in ["*/*", "application/json", "text/html", "application/xml;q=0.9"] {
        let answer = scene.client.post(TOKEN, &[FORM, ("accept", accept)], &posted).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn rfc_6749_section_3_2_unknown_parameters_are_ignored_even_when_repeated() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene).await;
    for junk in ["client_info=1", "client_kwargs=%7B%7D&client_kwargs=x", "audience=urn:x", "a=%zz&=&&b"] {
        let posted = format!("{junk}&{GRANT}&client_id={client_id}&client_secret={client_secret}&{junk}");
        let answer = scene.client.post(TOKEN, &[FORM], &posted).await;
        assert_eq!(answer.status, 200, "{junk}");
    }
}

#[tokio::test]
async fn rfc_6749_section_3_3_the_scope_that_was_asked_for_comes_back_to_the_letter() {
    let scene = Scene::new().await;
    let account = settled(&scene).await;
    let own = &scene.tsg_id;
    for scope in [
        format!("tsg_id:{own}"),
        format!("tsg_id:{own} email profile"),
        format!("profile openid tsg_id:{own} email"),
        "openid email profile".to_owned(),
        "profile email openid".to_owned(),
        "email email".to_owned(),
        "openid".to_owned(),
    ] {
        let form = [("scope", &*scope)];
        let answer = scene.client.token(&account.client_id, &account.client_secret, &form).await;
        let answer = answer.expect(200);
        assert_eq!(answer.text("scope"), scope);
        let token = answer.text("access_token");
        let token = read_token(&scene.client, &token, &scene.client.url).await;
        assert_eq!((&token.claims["scope"], &token.claims["tsg_id"]), (&json!(scope), &json!(own)));
    }
    // A raw colon, as some clients send it, is the same as an encoded one.
    let Account { client_id, client_secret, .. } = &account;
    let raw = format!("{GRANT}&client_id={client_id}&client_secret={client_secret}&scope=tsg_id:{own}");
    let answer = scene.client.post(TOKEN, &[FORM], &raw).await.expect(200);
    assert_eq!(answer.text("scope"), format!("tsg_id:{own}"));
}

#[tokio::test]
async fn rfc_6749_section_3_3_without_a_scope_it_is_the_own_tenants() {
    let scene = Scene::new().await;
    let child = scene.tenant_below(&scene.tsg_id, "Child").await;
    for tsg_id in [&scene.tsg_id, &child] {
        let account = scene.account_in(tsg_id, "without a scope").await;
        let token = scene.token_of(&account, &[]).await;
        let token = read_token(&scene.client, &token, &scene.client.url).await;
        assert_eq!(token.claims["scope"], format!("tsg_id:{tsg_id}"));
        assert_eq!(token.claims["tsg_id"], **tsg_id);
    }
}

async fn grant(scene: &Scene, account: &Account, role: &str, products: serde_json::Value, tenant: &str) {
    let permissions = ["iam.read"];
    scene.post("roles", json!({ "name": role, "permissions": permissions })).await.expect(201);
    let principal = &account.client_id;
    let policy = json!({ "principal": principal, "role": role, "products": products, "tenant": tenant });
    scene.post("access-policies", policy).await.expect(201);
}

#[tokio::test]
async fn a_parents_account_may_name_a_descendant_and_has_the_roles_that_cover_it() {
    let scene = Scene::new().await;
    let top = scene.tsg_id.clone();
    let child = scene.tenant_below(&top, "Child").await;
    let grandchild = scene.tenant_below(&child, "Grandchild").await;
    let sibling = scene.tenant_below(&top, "Sibling").await;
    let account = scene.account("parent's").await;
    grant(&scene, &account, "everywhere", json!("all"), &top).await;
    grant(&scene, &account, "below the child", json!("all"), &child).await;
    grant(&scene, &account, "at the sibling", json!("all"), &sibling).await;
    scene.heard().await;
    for (tsg_id, roles) in [
        (&top, json!(["everywhere"])),
        (&child, json!(["below the child", "everywhere"])),
        (&grandchild, json!(["below the child", "everywhere"])),
        (&sibling, json!(["at the sibling", "everywhere"])),
    ] {
        let scope = format!("tsg_id:{tsg_id}");
        let token = scene.token_of(&account, &[("scope", &scope)]).await;
        let read = read_token(&scene.client, &token, &scene.client.url).await;
        assert_eq!((&read.claims["tsg_id"], &read.claims["roles"]), (&json!(tsg_id), &roles));
        let me = scene.client.whoami(&token).await.expect(200).json();
        assert_eq!((&me["tsg_id"], &me["roles"]), (&json!(tsg_id), &roles));
    }
}

#[tokio::test]
async fn two_hundred_requests_of_one_client_at_once_all_get_a_token_of_their_own() {
    let scene = Scene::new().await;
    let account = settled(&scene).await;
    // An instance that has never seen the client: all of them meet an empty memory.
    let fresh = scene.another_instance(&json!({})).await;
    let client = Client::new(&fresh.url);
    let asked = (0..200).map(|_| client.token(&account.client_id, &account.client_secret, &[]));
    let mut names = HashSet::new();
    for answer in join_all(asked).await {
        let token = answer.expect(200).text("access_token");
        let payload = token.split('.').nth(1).expect("a payload").to_owned();
        assert!(names.insert(payload), "a jti came twice");
    }
    assert_eq!(names.len(), 200);
}
