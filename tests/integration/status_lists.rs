//! Status lists (draft-ietf-oauth-status-list): a verifier that works offline learns that what is behind a token is gone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::client_key::{ClientKey, account_with, ask};
use crate::support::exchange::{exchange, pair};
use crate::support::read_token::read_token;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::status_list::{Place, claims, fetch, list, local};
use crate::support::stores::{OwnStores, config};

const AUDIENCE: &str = "urn:carnet:product:advanced_wildfire";

/// An account with a valid key, and the places of its two kinds of tokens.
async fn bound(scene: &Scene) -> (Account, String, Place, Place) {
    let account = scene.entitled_account("caller").await;
    let key = scene.key("advanced_wildfire", &account).await;
    scene.until(&key, "valid").await;
    let product = Place::of(&scene.token_of(&account, &[("resource", AUDIENCE)]).await);
    let management = Place::of(&scene.token_of(&account, &[("resource", &scene.client.url)]).await);
    (account, key, product, management)
}

async fn switch(scene: &Scene, rest: &str, change: Value) {
    let headers = [("if-match", "*")];
    scene.send(Method::PATCH, rest, &headers, Some(&change)).await.expect(200);
}

#[tokio::test]
async fn status_list_section_5_1_a_list_is_a_signed_jwt_that_says_what_it_is_and_for_how_long() {
    let scene = Scene::new().await;
    let place = Place::of(&scene.admin_token().await);
    let read = list(&scene.client, &place.uri).await;
    let mut members: Vec<_> = read.claims.as_object().expect("claims").keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["exp", "iat", "iss", "status_list", "sub", "ttl"]);
    assert_eq!((&read.claims["sub"], &read.claims["iss"]), (&json!(place.uri), &json!(scene.client.url)));
    let time = |member: &str| read.claims[member].as_i64().expect("seconds");
    assert_eq!((time("ttl"), time("exp") - time("iat")), (60, 120));
    assert_eq!(read.places(), 32_768);
    assert!(place.idx < 32_768 && !read.is_set(place.idx));
}

#[tokio::test]
async fn status_list_section_8_1_a_list_is_fetched_without_authentication_and_not_twice() {
    let scene = Scene::new().await;
    let place = Place::of(&scene.admin_token().await);
    let client = &scene.client;
    let first = fetch(client, &place.uri).await.expect(200);
    assert_eq!(first.header("content-type"), "application/statuslist+jwt");
    assert_eq!(first.header("cache-control"), "public, max-age=5");
    let tag = first.header("etag").to_owned();
    let path = local(client, &place.uri);
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let again = client.send(client.request(Method::GET, path).header("if-none-match", known)).await;
        assert_eq!((again.status, again.header("etag"), again.bytes.len()), (304, &*tag, 0));
    }
    let other = client.request(Method::GET, path).header("if-none-match", "\"other\"");
    assert_eq!(client.send(other).await.expect(200).bytes, first.bytes);
    let head = client.send(client.request(Method::HEAD, path)).await.expect(200);
    assert_eq!((head.header("etag"), head.bytes.len()), (&*tag, 0));
}

#[tokio::test]
async fn status_list_section_8_1_a_list_that_there_is_not_is_a_404() {
    let scene = Scene::new().await;
    let place = Place::of(&scene.admin_token().await);
    let (_, list) = place.uri.rsplit_once('/').expect("an address");
    let recent = (list.parse::<i64>().expect("a number") + 1).to_string();
    let leading = format!("0{list}");
    for unknown in ["1", "0", "-1", "x", &*recent, "9223372036854775807", "9223372036854775808", &*leading] {
        let answer = fetch(&scene.client, &format!("http://x/status-lists/{unknown}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{unknown}");
    }
}

#[tokio::test]
async fn status_list_section_6_2_tokens_of_one_pair_share_a_bit_and_others_have_others() {
    let scene = Scene::new().await;
    let (account, _, product, management) = bound(&scene).await;
    assert_ne!(product, management);
    let again = Place::of(&scene.token_of(&account, &[("resource", AUDIENCE)]).await);
    assert_eq!(again, product);
    let path = format!("service-accounts/{}/secrets", account.id);
    let second = account.with_secret(&scene.post(&path, json!({})).await.expect(201));
    let seconds = Place::of(&scene.token_of(&second, &[("resource", AUDIENCE)]).await);
    let other = Place::of(&scene.token_of(&scene.account("other").await, &[]).await);
    let all = [&product, &management, &seconds, &other, &Place::of(&scene.admin_token().await)];
    for (n, one) in all.iter().enumerate() {
        assert!(all[..n].iter().all(|before| before != one), "{one:?}");
    }
    // A verifier of access tokens finds it where it looks, and still reads the rest.
    let token = scene.token_of(&account, &[("resource", AUDIENCE)]).await;
    let read = read_token(&scene.client, &token, AUDIENCE).await.claims;
    assert_eq!(read["status"], json!({ "status_list": { "idx": product.idx, "uri": product.uri } }));
}

#[tokio::test]
async fn status_list_section_7_1_a_revoked_key_sets_the_bit_of_its_tokens_in_every_region_and_no_other() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let settings = json!({ "region": "eu", "lease_seconds": 5, "issuer": scene.client.url });
    let abroad = Server::start(config(&scene.database_url, &own.stores.redis_urls()[0], &settings)).await;
    let (account, key, product, management) = bound(&scene).await;
    let token = scene.token_of(&account, &[("resource", AUDIENCE)]).await;
    let clients = [&scene.client, &Client::new(&abroad.url)];
    for client in clients {
        assert!(!product.is_set(client).await && !management.is_set(client).await);
    }
    scene.revoke(&key).await.expect(200);
    for client in clients {
        product.until(client, true, "the key is revoked").await;
        assert!(!management.is_set(client).await, "the account is not");
    }
    // The negative control: by the key set alone the token is still good.
    read_token(&scene.client, &token, AUDIENCE).await;
}

#[tokio::test]
async fn a_deleted_secret_sets_the_bits_of_its_own_tokens() {
    let scene = Scene::new().await;
    let (account, _, product, management) = bound(&scene).await;
    let path = format!("service-accounts/{}/secrets", account.id);
    let second = account.with_secret(&scene.post(&path, json!({})).await.expect(201));
    let kept = Place::of(&scene.token_of(&second, &[("resource", AUDIENCE)]).await);
    scene.send(Method::DELETE, &account.secret_path(), &[], None).await.expect(200);
    product.until(&scene.client, true, "the secret is gone").await;
    assert!(management.is_set(&scene.client).await);
    assert!(!kept.is_set(&scene.client).await);
}

#[tokio::test]
async fn a_rotated_secret_gives_its_place_to_nobody() {
    let scene = Scene::new().await;
    let account = scene.account("rotates").await;
    let old = Place::of(&scene.token_of(&account, &[]).await);
    let made = scene.post(&format!("{}/rotate", account.secret_path()), json!({})).await.expect(201);
    let new = Place::of(&scene.token_of(&account.with_secret(&made), &[]).await);
    assert_ne!(old, new);
    old.until(&scene.client, true, "the old secret was replaced").await;
    assert!(!new.is_set(&scene.client).await);
}

#[tokio::test]
async fn a_client_s_own_key_has_a_bit_too() {
    let scene = Scene::new().await;
    let keys = [ClientKey::new("ES256"), ClientKey::new("EdDSA")];
    let account = account_with(&scene, "signs", &[&keys[0], &keys[1]]).await;
    let mut places = Vec::new();
    for key in &keys {
        let token = ask(&scene.client, &key.assertion(&account.client_id, &scene.client.url)).await;
        places.push(Place::of(&token.expect(200).text("access_token")));
    }
    assert_ne!(places[0], places[1]);
    let path = format!("service-accounts/{}/jwks", account.id);
    let left = json!({ "keys": [keys[1].jwk] });
    scene.send(Method::PUT, &path, &[("if-match", "*")], Some(&left)).await.expect(200);
    places[0].until(&scene.client, true, "the key is gone").await;
    assert!(!places[1].is_set(&scene.client).await);
}

/// What docs/limits.md and contract say of it: whoever wants to know of actors asks.
#[tokio::test]
async fn an_exchanged_token_has_the_bit_of_its_subject_and_none_of_its_actor() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let token = scene.token_of(&subject, &[]).await;
    let acting = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    assert_eq!(Place::of(&acting), Place::of(&token));
    scene.client.whoami(&acting).await.expect(200);
    scene.send(Method::DELETE, &actor.secret_path(), &[], None).await.expect(200);
    scene.client.whoami(&acting).await.expect(401);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert!(!Place::of(&acting).is_set(&scene.client).await);
}

#[tokio::test]
async fn a_disabled_account_and_a_suspended_tenant_set_all_bits_for_as_long_as_they_are() {
    let scene = Scene::new().await;
    let below = scene.child("below").await;
    let local = scene.account_in(&below, "local").await;
    let (account, _, product, management) = bound(&scene).await;
    let locals = Place::of(&scene.token_of(&local, &[]).await);
    let path = format!("service-accounts/{}", account.id);
    let tenant = async |status: &str| {
        let request = scene.client.request(Method::PATCH, &format!("/v1/tenants/{below}"));
        let request = request.bearer_auth(scene.admin_token().await).header("if-match", "*");
        scene.client.send(request.json(&json!({ "status": status }))).await.expect(200);
    };
    switch(&scene, &path, json!({ "enabled": false })).await;
    tenant("suspended").await;
    for place in [&product, &management, &locals] {
        place.until(&scene.client, true, "taken away").await;
    }
    assert!(!Place::of(&scene.admin_token().await).is_set(&scene.client).await);
    switch(&scene, &path, json!({ "enabled": true })).await;
    tenant("active").await;
    for place in [&product, &management, &locals] {
        place.until(&scene.client, false, "given back").await;
    }
    // The same places as before.
    assert_eq!(Place::of(&scene.token_of(&local, &[]).await), locals);
    let etag = scene.get(&path).await.header("etag").to_owned();
    scene.send(Method::DELETE, &path, &[("if-match", &etag)], None).await.expect(200);
    product.until(&scene.client, true, "the account is deleted").await;
}

#[tokio::test]
async fn status_list_section_9_all_lists_are_listed() {
    let scene = Scene::new().await;
    let place = Place::of(&scene.admin_token().await);
    let document = scene.client.request(Method::GET, "/.well-known/oauth-authorization-server");
    let document = scene.client.send(document).await.expect(200);
    let at = document.text("status_list_aggregation_endpoint");
    let at = at.strip_prefix(&scene.client.url).expect("here");
    let lists = scene.client.send(scene.client.request(Method::GET, at)).await.expect(200).json();
    assert_eq!(lists, json!({ "status_lists": [place.uri] }));
}

/// The `exp` of a token is never beyond what its bit can say.
#[tokio::test]
async fn a_revoked_token_s_bit_is_that_of_its_pair_and_stays() {
    let scene = Scene::new().await;
    let account = scene.account("revokes").await;
    let token = scene.token_of(&account, &[]).await;
    crate::support::about_token::revoke(&scene.client, &account, &token).await.expect(200);
    let place = Place::of(&token);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert!(!place.is_set(&scene.client).await, "another token of the pair is still good");
    assert_eq!(Place::of(&scene.token_of(&account, &[]).await), place);
    assert_eq!(claims(&token)["client_id"], account.client_id);
}
