//! Authentication by a signed assertion, requirement by requirement (RFC 7521 §4.2, RFC 7523 §2.2 and §3).

use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::client_key::{
    ALGORITHMS, ClientKey, JWT_BEARER, account_with, ask, ask_with, claims, fresh_jti, now, put,
};
use crate::support::process::Process;
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::{Account, Scene};

const ISSUER: &str = "https://id.example";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A server, an account of it, and the account's key.
struct Client {
    scene: Scene,
    account: Account,
    key: ClientKey,
}

impl Client {
    async fn new(alg: &'static str) -> Self {
        let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
        let key = ClientKey::new(alg);
        let account = account_with(&scene, "asserts", &[&key]).await;
        Self { scene, account, key }
    }

    fn claims(&self) -> Value {
        claims(&self.account.client_id, ISSUER)
    }

    async fn ask(&self, assertion: &str) -> Answer {
        ask(&self.scene.client, assertion).await
    }

    /// A good assertion is taken, and with each of these members instead, or without the one that is null, it is refused, like
    /// all others.
    async fn refuses_claims(&self, changes: &[Value]) {
        let mut answers = Vec::new();
        for change in changes {
            let mut claims = self.claims();
            merge(&mut claims, change);
            answers.push((change.to_string(), self.ask(&self.key.sign(&self.key.header(), &claims)).await));
        }
        assert_alike(&answers, 401, "invalid_client");
        self.ask(&self.key.sign(&self.key.header(), &self.claims())).await.expect(200);
    }

    async fn refuses_headers(&self, changes: &[Value]) {
        let mut answers = Vec::new();
        for change in changes {
            let mut header = self.key.header();
            merge(&mut header, change);
            answers.push((change.to_string(), self.ask(&self.key.sign(&header, &self.claims())).await));
        }
        assert_alike(&answers, 401, "invalid_client");
        self.ask(&self.key.sign(&self.key.header(), &self.claims())).await.expect(200);
    }

    async fn takes(&self, header: &Value, change: &Value) {
        let (mut whole, mut claims) = (self.key.header(), self.claims());
        merge(&mut whole, header);
        merge(&mut claims, change);
        let answer = self.ask(&self.key.sign(&whole, &claims)).await;
        assert_eq!(answer.status, 200, "{header} {change}");
    }
}

/// RFC 7396, one level deep.
fn merge(whole: &mut Value, change: &Value) {
    let members = whole.as_object_mut().expect("an object");
    for (name, value) in change.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

#[tokio::test]
async fn rfc_7523_section_2_2_a_token_for_an_assertion_of_each_algorithm() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let keys = ALGORITHMS.map(ClientKey::new);
    let account = account_with(&scene, "walks", &keys.each_ref()).await;
    for key in &keys {
        let issued = ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
        let whoami = scene.client.whoami(&issued.text("access_token")).await.expect(200);
        assert_eq!(whoami.text("client_id"), account.client_id);
        assert_eq!(whoami.text("credential_id"), key.credential_id(), "{}", key.alg);
        // By any of its keys when it names none.
        let header = json!({ "alg": key.alg });
        let assertion = key.sign(&header, &claims(&account.client_id, ISSUER));
        ask(&scene.client, &assertion).await.expect(200);
    }
    // Its secret works as before.
    scene.token_of(&account, &[]).await;
}

#[tokio::test]
async fn rfc_7521_section_4_2_the_client_id_may_be_left_out_and_is_the_same_when_it_is_not() {
    let client = Client::new("EdDSA").await;
    let (scene, id) = (&client.scene, client.account.client_id.clone());
    let other = scene.account("other").await;
    let good = || client.key.assertion(&id, ISSUER);
    ask_with(&scene.client, &good(), &[("client_id", &id)]).await.expect(200);
    let answers = [
        ("another".to_owned(), ask_with(&scene.client, &good(), &[("client_id", &other.client_id)]).await),
        ("nobody".to_owned(), ask_with(&scene.client, &good(), &[("client_id", "nobody")]).await),
        ("of another client".to_owned(), client.ask(&client.key.assertion(&other.client_id, ISSUER)).await),
    ];
    assert_alike(&answers, 401, "invalid_client");
    // RFC 6749 §3.1: without a value is as left out.
    ask_with(&scene.client, &good(), &[("client_id", "")]).await.expect(200);
}

#[tokio::test]
async fn rfc_7521_section_4_2_the_type_says_which_assertion_it_is() {
    let client = Client::new("EdDSA").await;
    let post = async |body: String| client.scene.client.post("/oauth2/token", &[FORM], &body).await;
    let good = || client.key.assertion(&client.account.client_id, ISSUER);
    let grant = "grant_type=client_credentials";
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let other = post(format!("{grant}&client_assertion={}&client_assertion_type={saml}", good())).await;
    assert_refused(&other, 401, "invalid_client", "another type");
    for (what, body) in [
        ("no type", format!("{grant}&client_assertion={}", good())),
        ("no assertion", format!("{grant}&client_assertion_type={JWT_BEARER}")),
        (
            "two",
            format!(
                "{grant}&client_assertion_type={JWT_BEARER}&client_assertion={}&client_assertion={}",
                good(),
                good()
            ),
        ),
    ] {
        assert_refused(&post(body).await, 400, "invalid_request", what);
    }
}

#[tokio::test]
async fn rfc_6749_section_2_3_one_way_to_authenticate_in_one_request() {
    let client = Client::new("EdDSA").await;
    let account = &client.account;
    let good = client.key.assertion(&account.client_id, ISSUER);
    let secret =
        [("client_id", account.client_id.as_str()), ("client_secret", account.client_secret.as_str())];
    let both = ask_with(&client.scene.client, &good, &secret).await;
    assert_refused(&both, 400, "invalid_request", "a secret in the body");
    let form = [("client_assertion_type", JWT_BEARER), ("client_assertion", good.as_str())];
    let both = client.scene.client.token(&account.client_id, &account.client_secret, &form).await;
    assert_refused(&both, 400, "invalid_request", "a secret in the header");
    client.ask(&good).await.expect(200);
}

#[tokio::test]
async fn rfc_7523_section_3_1_the_issuer_is_the_client() {
    let client = Client::new("EdDSA").await;
    let other = client.scene.account("other").await.client_id;
    client
        .refuses_claims(&[
            json!({ "iss": null }),
            json!({ "iss": "" }),
            json!({ "iss": other }),
            json!({ "iss": ISSUER }),
            json!({ "iss": [client.account.client_id] }),
            json!({ "iss": client.account.client_id.to_uppercase() }),
        ])
        .await;
}

#[tokio::test]
async fn rfc_7523_section_3_2_the_subject_is_the_client() {
    let client = Client::new("EdDSA").await;
    let other = client.scene.account("other").await.client_id;
    client
        .refuses_claims(&[
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": other }),
            json!({ "sub": other, "iss": other }),
            json!({ "sub": "nobody", "iss": "nobody" }),
            json!({ "sub": 7, "iss": 7 }),
        ])
        .await;
}

/// draft-ietf-oauth-rfc7523bis §4: the issuer alone, so that nobody can forward what was meant for somebody else.
#[tokio::test]
async fn rfc_7523_section_3_3_the_audience_is_the_issuer_and_nothing_else() {
    let client = Client::new("EdDSA").await;
    let endpoint = format!("{ISSUER}/oauth2/token");
    client
        .refuses_claims(&[
            json!({ "aud": null }),
            json!({ "aud": "" }),
            json!({ "aud": [] }),
            json!({ "aud": endpoint }),
            json!({ "aud": [endpoint] }),
            json!({ "aud": [ISSUER, endpoint] }),
            json!({ "aud": [ISSUER, ISSUER] }),
            json!({ "aud": [[ISSUER]] }),
            json!({ "aud": format!("{ISSUER}/") }),
            json!({ "aud": "https://ID.example" }),
            json!({ "aud": "https://other.example" }),
            json!({ "aud": { ISSUER: true } }),
        ])
        .await;
    client.takes(&json!({}), &json!({ "aud": [ISSUER] })).await;
}

#[tokio::test]
async fn rfc_7523_section_3_4_it_expires_and_soon() {
    let client = Client::new("EdDSA").await;
    client
        .refuses_claims(&[
            json!({ "exp": null }),
            json!({ "exp": now() - 1 }),
            json!({ "exp": 0 }),
            json!({ "exp": now() + 320 }),
            json!({ "exp": now() + 3600 }),
            json!({ "exp": "soon" }),
            json!({ "exp": (now() + 60).to_string() }),
            json!({ "exp": [now() + 60] }),
            json!({ "exp": -1 }),
        ])
        .await;
    client.takes(&json!({}), &json!({ "exp": now() + 295 })).await;
    #[expect(clippy::cast_precision_loss, reason = "a fraction is what is wanted")]
    let fraction = now() as f64 + 30.5;
    client.takes(&json!({}), &json!({ "exp": fraction })).await;
}

#[tokio::test]
async fn rfc_7523_section_3_5_and_3_6_it_is_not_from_the_future() {
    let client = Client::new("EdDSA").await;
    client
        .refuses_claims(&[
            json!({ "nbf": now() + 30 }),
            json!({ "iat": now() + 30 }),
            json!({ "nbf": "now" }),
            json!({ "iat": {} }),
        ])
        .await;
    client.takes(&json!({}), &json!({ "iat": null })).await;
    client.takes(&json!({}), &json!({ "nbf": now() - 10, "iat": now() - 1_000_000 })).await;
}

#[tokio::test]
async fn rfc_7523_section_3_7_it_has_a_name_of_its_own() {
    let client = Client::new("EdDSA").await;
    let long = "é".repeat(256);
    client
        .refuses_claims(&[
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": 7 }),
            json!({ "jti": long }),
        ])
        .await;
    client.takes(&json!({}), &json!({ "jti": format!("{}{}", fresh_jti(), "é".repeat(200)) })).await;
}

#[tokio::test]
async fn rfc_7523_section_3_8_other_claims_are_nobodys_business() {
    let client = Client::new("EdDSA").await;
    client.takes(&json!({}), &json!({ "scope": "everything", "admin": true, "cnf": { "jkt": "x" } })).await;
}

#[tokio::test]
async fn rfc_7523_section_3_9_it_is_signed_with_a_key_of_the_client_that_is_there_now() {
    let client = Client::new("ES256").await;
    let (scene, account) = (&client.scene, &client.account);
    let (stranger, gone) = (ClientKey::new("ES256"), ClientKey::new("ES256"));
    let others = account_with(scene, "has other keys", &[&stranger]).await;
    let without = scene.account("has none").await;
    put(scene, account, &json!({ "keys": [client.key.jwk, gone.jwk] })).await.expect(200);
    client.ask(&gone.assertion(&account.client_id, ISSUER)).await.expect(200);
    put(scene, account, &json!({ "keys": [client.key.jwk] })).await.expect(200);
    let named = json!({ "alg": "ES256", "kid": client.key.kid() });
    let mut answers = vec![
        ("a stranger's key", stranger.assertion(&account.client_id, ISSUER)),
        ("under its own name", stranger.sign(&named, &client.claims())),
        ("a key that is gone", gone.assertion(&account.client_id, ISSUER)),
        ("a client without keys", client.key.assertion(&without.client_id, ISSUER)),
        ("another client's", client.key.assertion(&others.client_id, ISSUER)),
        (
            "an unknown client's",
            client.key.assertion(&format!("nobody@{}.iam.carnet.local", scene.tsg_id), ISSUER),
        ),
    ];
    let mut cut = client.key.assertion(&account.client_id, ISSUER);
    cut.truncate(cut.len() - 4);
    answers.push(("a part of a signature", cut));
    let mut refused = Vec::new();
    for (what, assertion) in answers {
        refused.push((what.to_owned(), client.ask(&assertion).await));
    }
    let path = format!("service-accounts/{}", account.id);
    let change = async |enabled: bool| {
        let body = json!({ "enabled": enabled });
        scene.send(reqwest::Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await.expect(200);
    };
    change(false).await;
    refused.push((
        "a disabled account".into(),
        client.ask(&client.key.assertion(&account.client_id, ISSUER)).await,
    ));
    assert_alike(&refused, 401, "invalid_client");
    // RFC 6749 §5.2: no challenge for who did not use the header; the rest as with a wrong secret.
    let wrong = [("client_id", "nobody@x"), ("client_secret", "wrong"), ("grant_type", "client_credentials")];
    let request = scene.client.request(reqwest::Method::POST, "/oauth2/token").form(&wrong);
    assert_eq!(scene.client.send(request).await.but_the_date(), refused[0].1.but_the_date());
    change(true).await;
    client.ask(&client.key.assertion(&account.client_id, ISSUER)).await.expect(200);
}

#[tokio::test]
async fn rfc_7515_section_4_1_a_header_brings_no_key_along_and_changes_no_rule() {
    let client = Client::new("EdDSA").await;
    let jwk = client.key.jwk.clone();
    client
        .refuses_headers(&[
            json!({ "jwk": jwk }),
            json!({ "jku": "https://keys.example/" }),
            json!({ "x5u": "https://keys.example/" }),
            json!({ "x5c": ["AQAB"] }),
            json!({ "crit": ["exp"], "exp": 1 }),
            json!({ "crit": [] }),
            json!({ "b64": false, "crit": ["b64"] }),
            json!({ "kid": "another" }),
            json!({ "kid": 7 }),
            json!({ "kid": [client.key.kid()] }),
        ])
        .await;
    client.takes(&json!({ "x5t": "AQAB", "kid": null }), &json!({})).await;
}

#[tokio::test]
async fn rfc_8725_section_3_11_the_type_is_that_of_an_assertion() {
    let client = Client::new("EdDSA").await;
    client
        .refuses_headers(&[
            json!({ "typ": "at+jwt" }),
            json!({ "typ": "dpop+jwt" }),
            json!({ "typ": "JOSE" }),
            json!({ "typ": "" }),
            json!({ "typ": 7 }),
        ])
        .await;
    for typ in [json!("JWT"), json!("jwt"), json!("client-authentication+jwt"), Value::Null] {
        client.takes(&json!({ "typ": typ }), &json!({})).await;
    }
    client.takes(&json!({ "typ": "application/client-authentication+jwt" }), &json!({})).await;
}

#[tokio::test]
async fn rfc_8725_section_3_1_the_key_decides_the_algorithm() {
    let client = Client::new("PS256").await;
    client
        .refuses_headers(&[
            json!({ "alg": "RS256" }),
            json!({ "alg": "none" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "PS384" }),
            json!({ "alg": "ps256" }),
            json!({ "alg": null }),
            json!({ "alg": ["PS256"] }),
        ])
        .await;
    // Signed as it says, and bound to another one by its owner.
    let account = &client.account;
    let mut bound = client.key.jwk.clone();
    for alg in ["RS256", "PS384", "PS512"] {
        bound["alg"] = json!(alg);
        put(&client.scene, account, &json!({ "keys": [bound] })).await.expect(200);
        client.ask(&client.key.assertion(&account.client_id, ISSUER)).await.expect(401);
    }
}

/// The twin of the audience: without the check, what was meant for another server is taken.
#[tokio::test]
async fn without_the_check_of_the_audience_it_would_be_taken() {
    let client = Client::new("EdDSA").await;
    let scene = &client.scene;
    let lax = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "any_audience".to_owned())],
    )
    .await;
    let there = crate::support::client::Client::new(&lax.url);
    let forwarded = || client.key.assertion(&client.account.client_id, "https://other.example");
    ask(&there, &forwarded()).await.expect(200);
    client.ask(&forwarded()).await.expect(401);
}
