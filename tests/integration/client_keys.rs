//! The public keys of an account: a JWK set that is put, read and taken away, by who may do so.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::client_key::{ALGORITHMS, ClientKey, account_with, ask, claims, jwks_path, put};
use crate::support::scene::Scene;
use crate::support::stores::run_sql;

const ISSUER: &str = "https://id.example";

async fn scene() -> Scene {
    Scene::with(&json!({ "issuer": ISSUER })).await
}

#[tokio::test]
async fn every_account_has_a_set_that_is_empty_until_somebody_fills_it() {
    let scene = scene().await;
    let account = scene.account("keys").await;
    let path = jwks_path(&account);
    let empty = scene.get(&path).await.expect(200);
    let nothing = json!({
        "keys": [], "jwks_uri": null, "last_used_at": null, "last_used_address": null, "last_used_network": null,
    });
    assert_eq!((empty.json(), empty.header("etag")), (nothing, "\"0\""));
    let keys = ALGORITHMS.map(ClientKey::new);
    let jwks: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
    let body = json!({ "keys": jwks });
    let filled = scene.send(Method::PUT, &path, &[("if-match", "\"0\"")], Some(&body)).await.expect(200);
    assert_eq!(filled.header("etag"), "\"1\"");
    assert_eq!(filled.json().get("receipt"), None, "nothing was taken away");
    let shown = scene.get(&path).await.expect(200);
    assert_eq!(shown.json(), filled.json());
    for (shown, key) in shown.json()["keys"].as_array().expect("keys").iter().zip(&keys) {
        let mut expected = key.jwk.clone();
        expected["credential_id"] = json!(key.credential_id());
        for member in ["last_used_at", "last_used_address", "last_used_network"] {
            expected[member] = Value::Null;
        }
        assert_eq!(*shown, expected);
    }
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_keys.replace", &account.id).await, admin);
}

/// By the name of RFC 8037 or by that of RFC 9864, of the key or of the signature: it is the same algorithm.
#[tokio::test]
async fn rfc_9864_section_2_2_ed25519_goes_by_both_of_its_names() {
    let scene = scene().await;
    for (n, (of_the_key, of_the_signature)) in
        [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA"), ("Ed25519", "Ed25519")].into_iter().enumerate()
    {
        let key = ClientKey::new(of_the_key);
        let account = account_with(&scene, &format!("named {n}"), &[&key]).await;
        let mut header = key.header();
        header["alg"] = json!(of_the_signature);
        let assertion = key.sign(&header, &claims(&account.client_id, ISSUER));
        ask(&scene.client, &assertion).await.expect(200);
        let shown = scene.get(&jwks_path(&account)).await.expect(200).json();
        assert_eq!(shown["keys"][0]["alg"], "EdDSA", "shown by one name");
        // A key of another kind has not made it, whatever it says.
        let other = ClientKey::new("ES256");
        header["kid"] = other.jwk["kid"].clone();
        put(&scene, &account, &json!({ "keys": [other.jwk] })).await.expect(200);
        ask(&scene.client, &other.sign(&header, &claims(&account.client_id, ISSUER))).await.expect(401);
    }
    let account = scene.account("another kind").await;
    let mut jwk = ClientKey::new("ES256").jwk;
    jwk["alg"] = json!("Ed25519");
    put(&scene, &account, &json!({ "keys": [jwk] })).await.expect(422);
}

#[tokio::test]
async fn they_are_changed_only_by_who_has_seen_the_latest() {
    let scene = scene().await;
    let (key, other) = (ClientKey::new("EdDSA"), ClientKey::new("ES256"));
    let account = account_with(&scene, "seen", &[&key]).await;
    let path = jwks_path(&account);
    let body = json!({ "keys": [other.jwk] });
    assert_eq!(
        scene.send(Method::PUT, &path, &[], Some(&body)).await.expect(428).code(),
        "precondition_required"
    );
    for stale in ["\"0\"", "\"2\"", "W/\"1\""] {
        let headers = [("if-match", stale)];
        assert_eq!(
            scene.send(Method::PUT, &path, &headers, Some(&body)).await.expect(412).code(),
            "stale_etag"
        );
        assert_eq!(scene.send(Method::DELETE, &path, &headers, None).await.expect(412).code(), "stale_etag");
    }
    let gone = scene.send(Method::DELETE, &path, &[("if-match", "\"1\"")], None).await.expect(200);
    assert_eq!(gone.json()["keys"], json!([]));
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    assert_eq!(gone.header("etag"), "\"2\"", "a revision never comes twice");
    let again = scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    assert_eq!(again.json(), gone.json(), "who asks again waits for the same");
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_keys.delete", &account.id).await, admin, "once");
}

#[tokio::test]
async fn a_new_key_works_at_once_and_one_that_is_gone_works_nowhere() {
    let scene = scene().await;
    let instance = scene.another_instance(&json!({ "issuer": ISSUER })).await;
    let other = Client::new(&instance.url);
    let (old, new) = (ClientKey::new("EdDSA"), ClientKey::new("ES256"));
    let account = account_with(&scene, "changes over", &[&old]).await;
    let token =
        ask(&other, &old.assertion(&account.client_id, ISSUER)).await.expect(200).text("access_token");
    assert_eq!(other.whoami(&token).await.expect(200).text("credential_id"), old.credential_id());
    let both = put(&scene, &account, &json!({ "keys": [old.jwk, new.jwk] })).await.expect(200);
    assert_eq!(both.json().get("receipt"), None);
    for client in [&scene.client, &other] {
        ask(client, &new.assertion(&account.client_id, ISSUER)).await.expect(200);
    }
    other.whoami(&token).await.expect(200);

    let one = put(&scene, &account, &json!({ "keys": [new.jwk] })).await.expect(200);
    assert!(one.json()["receipt"]["effective_everywhere_at"].is_string());
    for client in [&scene.client, &other] {
        client.whoami(&token).await.expect(401);
        ask(client, &old.assertion(&account.client_id, ISSUER)).await.expect(401);
        ask(client, &new.assertion(&account.client_id, ISSUER)).await.expect(200);
    }
    // A key that is bound to less than before is a withdrawal, too.
    let rsa = ClientKey::new("RS256");
    let mut any = rsa.jwk.clone();
    any.as_object_mut().expect("a key").remove("alg");
    put(&scene, &account, &json!({ "keys": [any] })).await.expect(200);
    let bound = put(&scene, &account, &json!({ "keys": [rsa.jwk] })).await.expect(200);
    assert!(bound.json()["receipt"].is_object());
}

#[tokio::test]
async fn a_key_opens_the_management_api_until_it_is_gone() {
    let scene = scene().await;
    let key = ClientKey::new("EdDSA");
    let holder = scene.holder("manages", &["iam.read"], json!("all")).await;
    put(&scene, &holder, &json!({ "keys": [key.jwk] })).await.expect(200);
    let token =
        ask(&scene.client, &key.assertion(&holder.client_id, ISSUER)).await.expect(200).text("access_token");
    let list = async || scene.client.call(&token, Method::GET, &scene.path("roles"), None).await.status;
    assert_eq!(list().await, 200);
    scene.send(Method::DELETE, &jwks_path(&holder), &[("if-match", "*")], None).await.expect(200);
    assert_eq!(list().await, 401);
}

#[tokio::test]
async fn what_could_not_verify_an_assertion_or_gives_a_key_away_is_refused() {
    let scene = scene().await;
    let account = scene.account("refused").await;
    let (rsa, p256, ed) =
        (ClientKey::new("RS256").jwk, ClientKey::new("ES256").jwk, ClientKey::new("EdDSA").jwk);
    let with = |jwk: &Value, member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        json!({ "keys": [jwk] })
    };
    let (mut a, mut b) = (p256.clone(), ed.clone());
    (a["kid"], b["kid"]) = (json!("same"), json!("same"));
    let table = [
        ("a private RSA key", with(&rsa, "d", json!("AQAB")), "private_key"),
        ("a private EC key", with(&p256, "d", json!("AQAB")), "private_key"),
        ("a shared secret", json!({ "keys": [{ "kty": "oct", "k": "AQAB" }] }), "private_key"),
        ("RSA of 1024 bits", with(&rsa, "n", json!("_".repeat(170) + "8")), "invalid_client_key"),
        ("another curve", with(&p256, "crv", json!("P-384")), "invalid_client_key"),
        ("a point off the curve", with(&p256, "y", p256["x"].clone()), "invalid_client_key"),
        ("for encryption", with(&ed, "use", json!("enc")), "invalid_client_key"),
        ("to sign with", with(&ed, "key_ops", json!(["sign"])), "invalid_client_key"),
        ("none", with(&ed, "alg", json!("none")), "invalid_client_key"),
        ("another kind's algorithm", with(&ed, "alg", json!("RS256")), "invalid_client_key"),
        ("two of one name", json!({ "keys": [a, b] }), "invalid_client_key"),
        ("one twice", json!({ "keys": [ed, ed] }), "invalid_client_key"),
        ("neither", json!({}), "keys_or_jwks_uri"),
        ("both", json!({ "keys": [ed], "jwks_uri": "https://keys.example/" }), "keys_or_jwks_uri"),
        ("not encrypted", json!({ "jwks_uri": "http://keys.example/" }), "invalid_jwks_uri"),
        ("this machine", json!({ "jwks_uri": "https://127.0.0.1/" }), "invalid_jwks_uri"),
        ("the metadata of a cloud", json!({ "jwks_uri": "https://169.254.169.254/" }), "invalid_jwks_uri"),
    ];
    for (what, body, code) in table {
        assert_eq!(put(&scene, &account, &body).await.expect(422).code(), code, "{what}");
    }
    let many: Vec<Value> = (0..11).map(|_| ClientKey::new("EdDSA").jwk).collect();
    for body in
        [json!({ "keys": [] }), json!({ "keys": many }), json!({ "keys": [{}] }), json!({ "jwks": 1 })]
    {
        assert_eq!(put(&scene, &account, &body).await.expect(400).code(), "invalid_body", "{body}");
    }
    assert_eq!(scene.get(&jwks_path(&account)).await.header("etag"), "\"0\"", "nothing of it was kept");
    put(&scene, &account, &json!({ "keys": many[..10] })).await.expect(200);
}

#[tokio::test]
async fn nobody_gives_or_takes_the_keys_of_who_holds_more_or_is_out_of_reach() {
    let scene = scene().await;
    let key = ClientKey::new("EdDSA");
    let greater = scene.holder("greater", &["iam.service_account", "iam.license"], json!("all")).await;
    put(&scene, &greater, &json!({ "keys": [key.jwk] })).await.expect(200);
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let lesser = scene.holder("lesser", &["iam.service_account"], json!("all")).await;
    let table =
        [(&lesser, 403, "cannot_grant"), (&reader, 403, "permission_denied"), (&local, 404, "not_found")];
    let path = scene.path(&jwks_path(&greater));
    let borrowed = format!("/v1/tenants/{below}/{}", jwks_path(&greater));
    let body = json!({ "keys": [ClientKey::new("EdDSA").jwk] });
    for (account, status, code) in table {
        let token = scene.token_of(account, &[]).await;
        for (method, body) in [(Method::PUT, Some(&body)), (Method::DELETE, None)] {
            let request = scene.client.request(method, &path).bearer_auth(&token).header("if-match", "*");
            let request = if let Some(body) = body { request.json(body) } else { request };
            assert_eq!(scene.client.send(request).await.expect(status).code(), code);
        }
        let read = scene.client.call(&token, Method::GET, &path, None).await.status;
        assert_eq!(read, if status == 404 { 404 } else { 200 });
    }
    let token = scene.token_of(&local, &[]).await;
    assert_eq!(scene.client.call(&token, Method::GET, &borrowed, None).await.expect(404).code(), "not_found");
    ask(&scene.client, &key.assertion(&greater.client_id, ISSUER)).await.expect(200);
}

/// The second line of defence, and its twin.
#[tokio::test]
async fn whoever_sees_one_tenant_sees_no_other_ones_keys_and_nothing_that_was_used() {
    let scene = scene().await;
    account_with(&scene, "has a key", &[&ClientKey::new("EdDSA")]).await;
    let below = scene.child("below").await;
    let (client, connection) =
        tokio_postgres::connect(&scene.database_url, tokio_postgres::NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let seen = async |tsg_id: &str| {
        client
            .batch_execute(&format!("SET carnet.tsg_id = '{tsg_id}'; SET ROLE carnet_tenant"))
            .await
            .expect("a role");
        let count = client.query_one("SELECT count(*) FROM client_keys", &[]).await.expect("a count");
        count.get::<_, i64>(0)
    };
    assert_eq!((seen(&scene.tsg_id).await, seen(&below).await), (1, 0));
    assert!(client.query("SELECT * FROM used_once", &[]).await.is_err());
    assert!(client.query("SELECT prune_used_once()", &[]).await.is_err());
    run_sql(&scene.database_url, "ALTER TABLE client_keys DISABLE ROW LEVEL SECURITY").await;
    assert_eq!(seen(&below).await, 1);
}

#[tokio::test]
async fn keys_go_with_their_account() {
    let scene = scene().await;
    let key = ClientKey::new("EdDSA");
    let account = account_with(&scene, "goes", &[&key]).await;
    let token =
        ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200).text("access_token");
    let path = format!("service-accounts/{}", account.id);
    scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
    ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(401);
    scene.get(&jwks_path(&account)).await.expect(404);
    assert_eq!(scene.audited("client_keys.delete", &account.id).await, Some(scene.admin.client_id.clone()));
}
