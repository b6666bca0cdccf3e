//! What the server says about itself is true: keys, endpoints, methods, algorithms.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::client_key::{ALGORITHMS, ClientKey, account_with, ask};
use crate::support::exchange;
use crate::support::scene::Scene;
use crate::support::workload::{JWT_BEARER_GRANT, Trusting, github};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/.well-known/jwks.json";
const JWKS_ALIASES: [&str; 3] =
    ["/oauth2/connect/jwk_uri", "/am/oauth2/connect/jwk_uri", "/auth/v1/oauth2/connect/jwk_uri"];
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn get(client: &Client, path: &str) -> Answer {
    client.send(client.request(Method::GET, path)).await.expect(200)
}

fn strings(value: &Value) -> BTreeSet<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a string")).collect()
}

#[tokio::test]
async fn rfc_7517_section_5_the_keys_are_the_same_at_every_path_of_every_instance() {
    let scene = Scene::new().await;
    let keys = get(&scene.client, JWKS).await;
    assert_eq!(keys.header("content-type"), "application/json");
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    let other = scene.another_instance(&json!({})).await;
    for client in [&scene.client, &Client::new(&other.url)] {
        for path in [JWKS, JWKS_ALIASES[0], JWKS_ALIASES[1], JWKS_ALIASES[2]] {
            assert_eq!(get(client, path).await.but_the_date(), keys.but_the_date(), "{path}");
        }
    }
}

#[tokio::test]
async fn rfc_7517_section_4_keys_are_named_bound_to_one_algorithm_and_public() {
    let scene = Scene::new().await;
    let keys = get(&scene.client, JWKS).await;
    let parsed: JwkSet = serde_json::from_slice(&keys.bytes).expect("a key set");
    let keys = keys.json();
    let keys = keys["keys"].as_array().expect("keys");
    let algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().expect("alg")).collect();
    assert_eq!(algorithms, ["RS256", "ES256", "EdDSA"], "RSA first");
    let mut kids = BTreeSet::new();
    for (key, parsed) in keys.iter().zip(&parsed.keys) {
        assert_eq!(key["use"], "sig");
        let thumbprint = parsed.thumbprint(ThumbprintHash::SHA256).expect("RFC 7638");
        assert_eq!(key["kid"], thumbprint);
        assert!(kids.insert(thumbprint), "a kid comes twice");
        // RFC 7518 §6.2.2, §6.3.2 and §6.4: what only the owner may have.
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(key.get(private), None, "{private}");
        }
    }
    let modulus = URL_SAFE_NO_PAD.decode(keys[0]["n"].as_str().expect("n")).expect("base64url");
    assert!(modulus.len() >= 2048 / 8, "{} bytes", modulus.len());
}

#[tokio::test]
async fn rfc_8414_section_3_3_the_issuer_is_the_same_byte_for_byte_everywhere() {
    const ISSUER: &str = "https://Id.example:8443";
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    for path in [OAUTH, OPENID] {
        let document = get(&scene.client, path).await.json();
        assert_eq!(document["issuer"], ISSUER, "{path}");
        for (member, value) in document.as_object().expect("a document") {
            let named = value.as_str().unwrap_or(ISSUER);
            assert!(named.starts_with(ISSUER), "{path}: {member} is {named}");
        }
    }
    let token = scene.token_of(&scene.admin, &[("resource", ISSUER)]).await;
    let payload = token.split('.').nth(1).expect("a payload");
    let claims = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("claims");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(ISSUER)));
    scene.client.whoami(&token).await.expect(200);
}

#[tokio::test]
async fn rfc_8414_section_2_every_address_in_the_documents_is_served_here() {
    let scene = Scene::new().await;
    let client = &scene.client;
    for path in [OAUTH, OPENID] {
        let document = get(client, path).await.json();
        for (member, value) in document.as_object().expect("a document") {
            let Some(address) = value.as_str() else { continue };
            let local = address.strip_prefix(&client.url).unwrap_or_else(|| panic!("{member}: {address}"));
            match member.as_str() {
                "issuer" => assert_eq!(local, ""),
                "jwks_uri" | "status_list_aggregation_endpoint" => drop(get(client, local).await),
                "token_endpoint" => {
                    let form = format!("grant_type=client_credentials&{}", posted(&scene));
                    client.post(local, &[FORM], &form).await.expect(200);
                }
                "authorization_endpoint" => {
                    let query = format!("{local}?response_type=code&redirect_uri=https://client.example");
                    let answer = client.send(client.request(Method::GET, &query)).await.expect(400);
                    assert_eq!(answer.code(), "unsupported_response_type");
                    assert_eq!(answer.header("location"), "", "nobody is sent anywhere");
                }
                "introspection_endpoint" | "revocation_endpoint" => {
                    client.post(local, &[FORM], &format!("token=t&{}", posted(&scene))).await.expect(200);
                }
                _ => panic!("{member} is new: say here what it must answer"),
            }
        }
    }
}

fn posted(scene: &Scene) -> String {
    format!("client_id={}&client_secret={}", scene.admin.client_id, scene.admin.client_secret)
}

/// One request by each registered method to authenticate at the token endpoint, with the right secret
/// as far as the method takes one.
async fn authenticate(scene: &Scene, method: &str) -> Answer {
    let (id, secret) = (&scene.admin.client_id, &scene.admin.client_secret);
    let grant = "grant_type=client_credentials";
    let assertion = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let body = match method {
        "client_secret_basic" => return scene.client.token(id, secret, &[]).await,
        "client_secret_post" => format!("{grant}&{}", posted(scene)),
        "private_key_jwt" => {
            let key = ClientKey::new("ES256");
            let account = account_with(scene, "asserts", &[&key]).await;
            return ask(&scene.client, &key.assertion(&account.client_id, &scene.client.url)).await;
        }
        "none" | "tls_client_auth" | "self_signed_tls_client_auth" => format!("{grant}&client_id={id}"),
        _ => format!("{grant}&client_id={id}&{assertion}&client_assertion=e30.e30.e30"),
    };
    scene.client.post("/oauth2/token", &[FORM], &body).await
}

#[tokio::test]
async fn rfc_8414_section_2_the_methods_to_authenticate_that_are_named_work_and_no_others() {
    let scene = Scene::new().await;
    let document = get(&scene.client, OAUTH).await.json();
    let named = strings(&document["token_endpoint_auth_methods_supported"]);
    assert!(!named.is_empty());
    let all = ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
    let over_tls = BTreeSet::from(["tls_client_auth", "self_signed_tls_client_auth"]);
    let all = BTreeSet::from(all).union(&over_tls).copied().collect();
    assert!(named.is_subset(&all), "{named:?}");
    for method in all {
        let answer = authenticate(&scene, method).await;
        let expected = if named.contains(method) { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{method}");
    }
}

#[tokio::test]
async fn rfc_8414_section_2_the_algorithms_of_assertions_that_are_named_work_and_no_others() {
    let scene = Scene::new().await;
    let document = get(&scene.client, OAUTH).await.json();
    let named = strings(&document["token_endpoint_auth_signing_alg_values_supported"]);
    let all = ALGORITHMS.into_iter().chain(["Ed25519"]);
    let keys: Vec<ClientKey> = all.map(ClientKey::new).collect();
    let account = account_with(&scene, "asserts", &keys.iter().collect::<Vec<_>>()).await;
    for key in &keys {
        let assertion = key.assertion(&account.client_id, &scene.client.url);
        let expected = if named.contains(key.alg) { 200 } else { 401 };
        assert_eq!(ask(&scene.client, &assertion).await.status, expected, "{}", key.alg);
    }
    let working: BTreeSet<&str> = keys.iter().map(|key| key.alg).collect();
    // RFC 8414 §2: the value none MUST NOT be used.
    assert_eq!(named, working);
}

#[tokio::test]
async fn rfc_8414_section_2_the_grants_that_are_named_work_and_no_others() {
    let scene = Scene::new().await;
    let document = get(&scene.client, OAUTH).await.json();
    let named = strings(&document["grant_types_supported"]);
    assert!(!named.is_empty());
    let all = BTreeSet::from([
        "authorization_code",
        "client_credentials",
        "implicit",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        JWT_BEARER_GRANT,
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
    ]);
    assert!(named.is_subset(&all), "{named:?}");
    let mut trusting = Trusting::on(scene, github(), "RS256").await;
    trusting.audience.clone_from(&trusting.scene.client.url);
    let scene = &trusting.scene;
    let token = scene.admin_token().await;
    let to_exchange = format!("subject_token={token}&subject_token_type={}", exchange::ACCESS_TOKEN);
    for grant in all {
        let what = if grant == exchange::GRANT { format!("&{to_exchange}") } else { String::new() };
        let form = format!("grant_type={grant}&{}{what}", posted(scene));
        let answer = match grant {
            JWT_BEARER_GRANT => trusting.grant(&trusting.good()).await,
            _ => scene.client.post("/oauth2/token", &[FORM], &form).await,
        };
        let expected = if named.contains(grant) { (200, "") } else { (400, "unsupported_grant_type") };
        assert_eq!((answer.status, answer.code().as_str()), expected, "{grant}");
    }
}

#[tokio::test]
async fn the_scopes_that_are_named_are_granted() {
    let scene = Scene::new().await;
    let document = get(&scene.client, OAUTH).await.json();
    for scope in strings(&document["scopes_supported"]) {
        scene.token_of(&scene.admin, &[("scope", scope)]).await;
    }
}

#[tokio::test]
async fn openid_discovery_section_3_every_algorithm_of_a_token_is_listed_and_the_rest_is_as_in_rfc_8414() {
    let scene = Scene::new().await;
    let openid = get(&scene.client, OPENID).await.json();
    let listed = strings(&openid["id_token_signing_alg_values_supported"]);
    let keys = get(&scene.client, JWKS).await.json();
    let of_keys = keys["keys"].as_array().expect("keys").iter().map(|key| key["alg"].as_str().expect("alg"));
    assert_eq!(listed, of_keys.collect());
    let token = scene.admin_token().await;
    let products = scene.client.call(&token, Method::GET, "/v1/products", None).await.expect(200).json();
    for product in products["items"].as_array().expect("products") {
        assert!(listed.contains(product["algorithm"].as_str().expect("a name")), "{product}");
    }
    let oauth = get(&scene.client, OAUTH).await.json();
    for (member, value) in oauth.as_object().expect("a document") {
        assert_eq!(openid.get(member), Some(value), "{member}");
    }
}
