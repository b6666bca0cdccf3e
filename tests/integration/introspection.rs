//! What is told of a token, and to whom (RFC 7662, RFC 9701).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::about_token::{INTROSPECT, introspect, is_active, revoke};
use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, account_with};
use crate::support::read_token::read_token;
use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};
use crate::support::stores::OwnStores;

const AUDIENCE: &str = "urn:carnet:product:advanced_wildfire";
const SIGNED: &str = "application/token-introspection+jwt";

/// A server, an account with a valid key, and its product token.
struct Desk {
    scene: Scene,
    account: Account,
    key: String,
    token: String,
}

impl Desk {
    async fn new() -> Self {
        Self::at(Scene::new().await).await
    }

    async fn at(scene: Scene) -> Self {
        let account = scene.entitled_account("caller").await;
        let key = scene.key("advanced_wildfire", &account).await;
        scene.until(&key, "valid").await;
        let token = scene.token_of(&account, &[("resource", AUDIENCE)]).await;
        Self { scene, account, key, token }
    }

    async fn active(&self, token: &str) -> bool {
        is_active(&self.scene.client, &self.scene.admin, token).await
    }
}

#[tokio::test]
async fn rfc_7662_section_2_2_active_says_what_the_token_says() {
    let desk = Desk::new().await;
    let told = introspect(&desk.scene.client, &desk.scene.admin, &desk.token).await.expect(200);
    assert_eq!(told.header("content-type"), "application/json");
    let mut expected = read_token(&desk.scene.client, &desk.token, AUDIENCE).await.claims;
    expected["active"] = json!(true);
    expected["token_type"] = json!("Bearer");
    assert_eq!(told.json(), expected);
    for member in ["scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti", "api_key_id", "product"] {
        assert!(!expected[member].is_null(), "{member}");
    }
}

#[tokio::test]
async fn rfc_7662_section_2_2_inactive_says_nothing_else_and_looks_alike() {
    let desk = Desk::new().await;
    let (scene, client) = (&desk.scene, &desk.scene.client);
    let below = scene.child("below").await;
    let gateway = scene.account_in(&below, "gateway").await;
    scene.token_of(&gateway, &[]).await;
    let management = scene.token_of(&desk.account, &[("resource", &client.url)]).await;
    let (head, signature) = desk.token.rsplit_once('.').expect("three parts");
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let signed = signed(client, &scene.admin, &desk.token).await;
    let signed = String::from_utf8(signed.bytes).expect("a JWT");
    let assertion = ClientKey::new("RS256").assertion(&desk.account.client_id, &client.url);
    let mut answers = Vec::new();
    for (what, token) in [
        ("another tenant's", &*desk.token),
        ("another tenant's, for management", &management),
        ("noise", "noise"),
        ("three parts of noise", "e30.e30.e30"),
        ("a forged one", &forged),
        ("what was told of a token", &signed),
        ("an assertion", &assertion),
        ("a secret", &desk.account.client_secret),
    ] {
        answers.push((what.to_owned(), introspect(client, &gateway, token).await.expect(200)));
    }
    revoke(client, &desk.account, &management).await.expect(200);
    scene.revoke(&desk.key).await.expect(200);
    for (what, token) in [("a revoked one", &management), ("a revoked key's", &desk.token)] {
        answers.push((what.to_owned(), introspect(client, &scene.admin, token).await));
    }
    for (what, answer) in &answers {
        assert_eq!(answer.but_the_date(), answers[0].1.but_the_date(), "{what}");
        assert_eq!(answer.bytes, br#"{"active":false}"#, "{what}");
        assert_eq!((answer.header("cache-control"), answer.header("vary")), ("no-store", "Accept"), "{what}");
    }
}

/// RFC 7662 §2.2: active means what it means here: live, not as it was when it was signed.
#[tokio::test]
async fn rfc_7662_section_2_2_what_was_revoked_is_inactive_at_once_in_every_instance() {
    let desk = Desk::new().await;
    let (scene, account) = (&desk.scene, &desk.account);
    let sister = scene.another_instance(&json!({ "issuer": scene.client.url })).await;
    let sister = Client::new(&sister.url);
    let everywhere =
        async |token: &str| [desk.active(token).await, is_active(&sister, &scene.admin, token).await];
    let management = scene.token_of(account, &[("resource", &scene.client.url)]).await;
    assert_eq!((everywhere(&desk.token).await, everywhere(&management).await), ([true; 2], [true; 2]));
    scene.revoke(&desk.key).await.expect(200);
    assert_eq!((everywhere(&desk.token).await, everywhere(&management).await), ([false; 2], [true; 2]));
    let path = account.secret_path();
    scene.send(Method::DELETE, &path, &[], None).await.expect(200);
    assert_eq!(everywhere(&management).await, [false; 2]);
}

#[tokio::test]
async fn rfc_7662_section_2_2_a_token_is_inactive_from_its_last_second_on() {
    let desk = Desk::new().await;
    let secret = json!({ "expires_at": desk.scene.in_seconds(4).await });
    let path = format!("service-accounts/{}/secrets", desk.account.id);
    let short = desk.account.with_secret(&desk.scene.post(&path, secret).await.expect(201));
    let token = desk.scene.token_of(&short, &[]).await;
    assert!(desk.active(&token).await);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert!(!desk.active(&token).await);
}

#[tokio::test]
async fn rfc_7662_section_4_a_client_is_told_of_its_own_tokens_of_its_tenant_s_and_of_those_below() {
    let scene = Scene::new().await;
    let (below, beside) = (scene.child("below").await, scene.child("beside").await);
    let deep = scene.tenant_below(&below, "deep").await;
    let mut accounts = Vec::new();
    for tsg_id in [&scene.tsg_id, &below, &deep, &beside] {
        accounts.push((tsg_id.clone(), scene.account_in(tsg_id, "somebody").await));
    }
    let line = |tsg_id: &String| match tsg_id {
        id if *id == deep => vec![&scene.tsg_id, &below, &deep],
        id if *id == scene.tsg_id => vec![&scene.tsg_id],
        other if *other == below => vec![&scene.tsg_id, &below],
        _ => vec![&scene.tsg_id, &beside],
    };
    for (of, account) in &accounts {
        let token = scene.token_of(account, &[]).await;
        for (tsg_id, asker) in &accounts {
            let told = is_active(&scene.client, asker, &token).await;
            assert_eq!(told, line(of).contains(&tsg_id), "{tsg_id} asks about a token of {of}");
        }
    }
    // A token that acts for a tenant below is that tenant's business, and that of who has it.
    let scope = format!("tsg_id:{deep}");
    let token = scene.token_of(&accounts[1].1, &[("scope", &scope)]).await;
    for ((tsg_id, asker), told) in accounts.iter().zip([true, true, true, false]) {
        assert_eq!(is_active(&scene.client, asker, &token).await, told, "{tsg_id}");
    }
}

#[tokio::test]
async fn rfc_7662_section_2_1_a_hint_changes_nothing() {
    let desk = Desk::new().await;
    let mut answers = Vec::new();
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let form = [("token", &*desk.token), ("token_type_hint", hint)];
        let asked =
            crate::support::about_token::about(&desk.scene.client, INTROSPECT, &desk.scene.admin, &form);
        answers.push(asked.await.expect(200).json());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer["active"] == true));
}

async fn signed(client: &Client, asker: &Account, token: &str) -> Answer {
    let request = client.request(Method::POST, INTROSPECT).header("accept", SIGNED);
    let request = request.basic_auth(&asker.client_id, Some(&asker.client_secret));
    client.send(request.form(&[("token", token)])).await
}

#[tokio::test]
async fn rfc_9701_section_5_a_signed_answer_is_for_who_asked_and_says_what_the_plain_one_says() {
    let desk = Desk::new().await;
    let (client, admin) = (&desk.scene.client, &desk.scene.admin);
    let keys = client.send(client.request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_slice(&keys.bytes).expect("a key set");
    for token in [&*desk.token, "noise"] {
        let answer = signed(client, admin, token).await.expect(200);
        assert_eq!(answer.header("content-type"), SIGNED);
        let jwt = String::from_utf8(answer.bytes).expect("text");
        let header = decode_header(&jwt).expect("a header");
        assert_eq!(header.typ.as_deref(), Some("token-introspection+jwt"));
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&admin.client_id]);
        validation.set_issuer(&[&client.url]);
        validation.set_required_spec_claims(&["aud", "iss"]);
        let key = keys.find(header.kid.as_deref().expect("a kid")).expect("a published key");
        let key = DecodingKey::from_jwk(key).expect("a key");
        let claims = decode::<Value>(&jwt, &key, &validation).expect("a good JWT").claims;
        assert_eq!(claims["token_introspection"], introspect(client, admin, token).await.json());
        let mut members: Vec<_> = claims.as_object().expect("claims").keys().collect();
        members.sort();
        assert_eq!(members, ["aud", "iat", "iss", "token_introspection"], "neither sub nor exp");
    }
}

#[tokio::test]
async fn rfc_9701_section_7_the_algorithm_that_signs_is_advertised() {
    let desk = Desk::new().await;
    let client = &desk.scene.client;
    let document = client.request(Method::GET, "/.well-known/oauth-authorization-server");
    let document = client.send(document).await.expect(200).json();
    let jwt = signed(client, &desk.scene.admin, &desk.token).await.expect(200).bytes;
    let header = String::from_utf8(jwt).expect("text");
    let header = URL_SAFE_NO_PAD.decode(header.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(document["introspection_signing_alg_values_supported"], json!([header["alg"]]));
    // Nothing is encrypted, and nothing says so.
    assert_eq!(document["introspection_encryption_alg_values_supported"], Value::Null);
}

/// RFC 9701 §8.1, RFC 8725 §3.11: another kind of JWT opens nothing.
#[tokio::test]
async fn rfc_9701_section_8_1_a_signed_answer_passes_for_no_access_token() {
    let desk = Desk::new().await;
    let jwt = signed(&desk.scene.client, &desk.scene.admin, &desk.token).await.expect(200).bytes;
    let jwt = String::from_utf8(jwt).expect("text");
    desk.scene.client.whoami(&jwt).await.expect(401);
    desk.scene.client.whoami(&desk.token).await.expect(200);
}

/// RFC 7662 §2.3: who cannot be told is told so; nobody hears "inactive" because a store is down.
#[tokio::test]
async fn rfc_7662_section_2_3_an_outage_is_503_and_never_inactive() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let desk = Desk::at(Scene::on(database_url, redis_url, &json!({ "lease_seconds": 3 })).await).await;
    assert!(desk.active(&desk.token).await);
    own.stores.stop_postgres();
    let mut answers = Vec::new();
    while answers.is_empty() {
        let answer = introspect(&desk.scene.client, &desk.scene.admin, &desk.token).await;
        match answer.status {
            200 => assert_eq!(answer.json()["active"], true),
            _ => answers.push(("without a lease".to_owned(), answer)),
        }
    }
    assert!(!answers[0].1.header("retry-after").is_empty());
    assert_alike(&answers, 503, "temporarily_unavailable");
    own.stores.start_postgres().expect("Postgres starts again");
    desk.scene.token_of(&desk.account, &[]).await;
    assert!(desk.active(&desk.token).await);
}

#[tokio::test]
async fn a_client_that_proves_itself_by_a_key_is_told_as_well_and_once() {
    let desk = Desk::new().await;
    let key = ClientKey::new("ES256");
    let gateway = account_with(&desk.scene, "gateway", &[&key]).await;
    let assertion = key.assertion(&gateway.client_id, &desk.scene.client.url);
    let kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = format!("token={}&{kind}&client_assertion={assertion}", desk.token);
    let ask = async || desk.scene.client.post(INTROSPECT, &[crate::support::about_token::FORM], &form).await;
    assert_eq!(ask().await.expect(200).json()["active"], true);
    assert_eq!(ask().await.expect(401).code(), "invalid_client");
}
