//! Keys that were made by a rollover are what RFC 7517, 7518, 7638 and 8725 ask of keys, and sign tokens that others verify.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carnet::seal::{MasterKeys, Purpose};
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::read_token::read_token;
use crate::support::scene::Scene;
use crate::support::stores::{MASTER_KEY, run_sql, sql_value};

const PRISMA: &str = "urn:carnet:product:prisma_access";

/// The key of this name, as the JWKS has it.
async fn published(scene: &Scene, kid: &str) -> Value {
    let set = scene.client.send(scene.client.request(Method::GET, "/.well-known/jwks.json")).await;
    let set = set.expect(200).json();
    let mut keys = set["keys"].as_array().expect("keys").iter();
    keys.find(|key| key["kid"] == kid).expect("it is published").clone()
}

/// A key that was made on demand, in the JWKS.
async fn made(scene: &Scene, algorithm: &str) -> Value {
    let kid = scene.new_key(algorithm).await;
    scene.until_key(&kid, "everywhere_at", Value::Null).await;
    published(scene, &kid).await
}

/// A product token that a key has signed which was made on demand.
async fn signed(scene: &Scene, algorithm: &str) -> (Value, String) {
    let update = format!("UPDATE product SET algorithm = '{algorithm}' WHERE product = 'prisma_access'");
    run_sql(&scene.database_url, &update).await;
    let key = made(scene, algorithm).await;
    let kid = key["kid"].as_str().expect("a kid");
    scene.time_passes(kid, 600).await;
    scene.until_key(kid, "state", json!("signing")).await;
    let account = scene.entitled_account("verified").await;
    let api_key = scene.key("prisma_access", &account).await;
    scene.until(&api_key, "valid").await;
    let token = scene.token_signed_by(kid, &account).await;
    (key, token)
}

fn bytes(key: &Value, member: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(key[member].as_str().expect(member)).expect("base64url without padding")
}

#[tokio::test]
async fn rfc_7517_section_4_4_and_5_a_new_key_says_its_algorithm_and_nothing_private() {
    let scene = Scene::new().await;
    for (algorithm, members) in [
        ("RS256", ["alg", "e", "kid", "kty", "n", "use"].as_slice()),
        ("ES256", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        ("EdDSA", &["alg", "crv", "kid", "kty", "use", "x"]),
    ] {
        let key = made(&scene, algorithm).await;
        assert_eq!((&key["alg"], &key["use"]), (&json!(algorithm), &json!("sig")));
        let names: BTreeSet<_> = key.as_object().expect("a key").keys().map(String::as_str).collect();
        assert_eq!(names, members.iter().copied().collect(), "{algorithm}");
    }
}

#[tokio::test]
async fn rfc_7517_section_9_2_a_private_key_is_nowhere_in_the_clear() {
    let scene = Scene::new().await;
    let kid = scene.new_key("EdDSA").await;
    let sealed = format!("SELECT encode(sealed, 'hex') FROM signing_key WHERE kid = '{kid}'");
    let sealed = sql_value(&scene.database_url, &sealed).await.expect("sealed");
    let hex = |text: &str| -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
        (0..text.len()).step_by(2).map(pair).collect()
    };
    let row = hex(&sealed);
    let keys = MasterKeys::parse([MASTER_KEY]).expect("a key");
    let opened = keys.sealer(Purpose::SigningKey).open(&[kid.as_bytes()], &row).expect("it is ours");
    assert!(opened.windows(5).any(|part| part == [0x06, 0x03, 0x2b, 0x65, 0x70]), "PKCS#8 of Ed25519");
    for part in opened.windows(16) {
        assert!(!row.windows(16).any(|clear| clear == part), "in the clear");
    }
    let shown = scene.signing_key(&kid).await.to_string();
    assert!(!shown.contains("sealed") && !shown.contains(&sealed[40..80]), "{shown}");
}

#[tokio::test]
async fn rfc_7518_section_3_3_a_new_rsa_key_has_2048_bits_or_more() {
    let scene = Scene::new().await;
    let (key, token) = signed(&scene, "RS256").await;
    assert_eq!(key["kty"], "RSA");
    let n = bytes(&key, "n");
    assert!(n.len() >= 256 && n[0] != 0, "§6.3.1.1: no leading zero octets");
    assert_eq!(bytes(&key, "e"), [1, 0, 1]);
    read_token(&scene.client, &token, PRISMA).await;
}

#[tokio::test]
async fn rfc_7518_section_3_4_a_new_ec_key_is_on_p_256_and_signs_in_64_octets() {
    let scene = Scene::new().await;
    let (key, token) = signed(&scene, "ES256").await;
    assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")));
    assert_eq!((bytes(&key, "x").len(), bytes(&key, "y").len()), (32, 32), "§6.2.1.2: full size");
    let signature = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().expect("a signature"));
    assert_eq!(signature.expect("base64url").len(), 64);
    read_token(&scene.client, &token, PRISMA).await;
}

#[tokio::test]
async fn rfc_7638_section_3_the_kid_of_a_new_key_is_its_thumbprint() {
    let scene = Scene::new().await;
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let key = made(&scene, algorithm).await;
        let set: JwkSet = serde_json::from_value(json!({ "keys": [key] })).expect("a key set");
        let thumbprint = set.keys[0].thumbprint(ThumbprintHash::SHA256).expect("a thumbprint");
        assert_eq!(key["kid"], thumbprint, "{algorithm}");
    }
}

#[tokio::test]
async fn rfc_8725_section_3_1_a_new_key_verifies_no_other_algorithm_than_its_own() {
    let scene = Scene::new().await;
    let kid = made(&scene, "RS256").await["kid"].as_str().expect("a kid").to_owned();
    scene.time_passes(&kid, 600).await;
    scene.until_key(&kid, "state", json!("signing")).await;
    let token = scene.token_signed_by(&kid, &scene.admin).await;
    scene.client.whoami(&token).await.expect(200);
    let (_, rest) = token.split_once('.').expect("a header");
    for alg in ["PS256", "RS384", "ES256", "EdDSA", "HS256", "none"] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid }).to_string();
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        scene.client.whoami(&forged).await.expect(401);
    }
}

#[tokio::test]
async fn rfc_8725_section_3_5_no_two_keys_are_alike() {
    let scene = Scene::new().await;
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let kid = scene.new_key("ES256").await;
        let key = published_soon(&scene, &kid).await;
        assert!(seen.insert(bytes(&key, "x")), "twice the same");
        scene.key_post(&format!("/{kid}/revoke"), json!({ "reason": "a test" })).await.expect(200);
    }
}

async fn published_soon(scene: &Scene, kid: &str) -> Value {
    scene.until_key(kid, "awaited_instances", json!(0)).await;
    published(scene, kid).await
}
