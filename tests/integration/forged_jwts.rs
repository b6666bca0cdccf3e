//! Forged JWTs: of every kind that is accepted somewhere, at every place that accepts it, whatever can be made without the
//! signer's key, or with it and against the rules, opens nothing. One table; a new kind or a new place is a row.

use std::collections::BTreeSet;

use futures_util::future::LocalBoxFuture;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::client_key::{ALGORITHMS, ClientKey, account_with, ask, claims, fresh_jti, now};
use crate::support::exchange::{ACCESS_TOKEN, exchange};
use crate::support::forged::{Kind, Twist};
use crate::support::issuer_key::issuer_key;
use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};
use crate::support::workload::{Trusting, github};

const ISSUER: &str = "https://id.example";

/// A place that takes JWTs.
struct Place<'a> {
    name: &'static str,
    /// How it refuses.
    refuses: (u16, &'static str),
    /// Whether the JWT stands in a header there, where white space around it is no part of it.
    in_header: bool,
    present: Box<dyn Fn(String) -> LocalBoxFuture<'a, Answer> + 'a>,
}

impl<'a> Place<'a> {
    fn new<F: Future<Output = Answer> + 'a>(
        name: &'static str,
        refuses: (u16, &'static str),
        present: impl Fn(String) -> F + 'a,
    ) -> Self {
        let in_header = refuses.1 == "invalid_token";
        Self { name, refuses, in_header, present: Box::new(move |jwt| Box::pin(present(jwt))) }
    }

    /// All of them are refused, in the same words.
    async fn refuses_all(&self, forged: &[(String, String)]) -> usize {
        let mut answers = Vec::new();
        for (what, jwt) in forged {
            if !self.in_header || jwt.bytes().all(|byte| byte.is_ascii_graphic()) {
                answers.push((format!("{}: {what}", self.name), (self.present)(jwt.clone()).await));
            }
        }
        let (status, code) = self.refuses;
        if self.in_header {
            for (what, answer) in &answers {
                assert_eq!((answer.status, &*answer.code()), (status, code), "{what}");
            }
        } else {
            assert_alike(&answers, status, code);
        }
        answers.len()
    }
}

/// Where access tokens are taken.
fn takes_access_tokens<'a>(scene: &'a Scene, own: &'a str) -> Vec<Place<'a>> {
    vec![
        Place::new("whoami", (401, "invalid_token"), async |jwt: String| scene.client.whoami(&jwt).await),
        Place::new("management", (401, "invalid_token"), async |jwt: String| {
            scene.client.call(&jwt, Method::GET, &scene.path("roles"), None).await
        }),
        Place::new("subject_token", (400, "invalid_request"), async |jwt: String| {
            exchange(&scene.client, &scene.admin, &jwt, &[]).await
        }),
        Place::new("actor_token", (400, "invalid_request"), async |jwt: String| {
            let form = [("actor_token", &*jwt), ("actor_token_type", ACCESS_TOKEN)];
            exchange(&scene.client, &scene.admin, own, &form).await
        }),
    ]
}

/// Where clients' assertions are taken.
fn takes_assertions(scene: &Scene) -> Vec<Place<'_>> {
    vec![Place::new("client_assertion", (401, "invalid_client"), async |jwt: String| {
        ask(&scene.client, &jwt).await
    })]
}

/// Where workloads' tokens are taken.
fn takes_workload_tokens(trusting: &Trusting) -> Vec<Place<'_>> {
    vec![
        Place::new("client_assertion of a workload", (401, "invalid_client"), async |jwt: String| {
            trusting.ask(&jwt).await
        }),
        Place::new("assertion of a workload", (400, "invalid_grant"), async |jwt: String| {
            trusting.grant(&jwt).await
        }),
    ]
}

const ACCESS_TWISTS: &[(&str, Twist)] = &[
    ("expired", |claims| claims["exp"] = json!(now() - 1)),
    ("exp in words", |claims| claims["exp"] = json!("never")),
    ("exp a text", |claims| claims["exp"] = json!(claims["exp"].to_string())),
    ("exp a fraction", |claims| claims["exp"] = json!(1e18)),
    ("issued tomorrow", |claims| claims["iat"] = json!(now() + 86_400)),
    ("no iat", |claims| drop(claims.as_object_mut().expect("an object").remove("iat"))),
    ("another issuer", |claims| claims["iss"] = json!("https://evil.example")),
    ("the issuer with a slash", |claims| claims["iss"] = json!(format!("{ISSUER}/"))),
    ("another subject", |claims| claims["sub"] = json!("nobody@1000000001.iam.carnet.local")),
    ("another audience", |claims| claims["aud"] = json!("urn:carnet:product:prisma_access")),
    ("no audience", |claims| claims["aud"] = json!([])),
    ("a key that is not there", |claims| claims["api_key_id"] = json!("42")),
    ("a credential that is not there", |claims| claims["credential_id"] = json!("0000000000000000")),
    ("no credential", |claims| drop(claims.as_object_mut().expect("an object").remove("credential_id"))),
    ("roles as a text", |claims| claims["roles"] = json!("superuser")),
    ("tsg_id as a number", |claims| claims["tsg_id"] = json!(1_000_000_001)),
    ("a claim that we do not know", |claims| claims["admin"] = json!(true)),
    ("nbf, which we never set", |claims| claims["nbf"] = json!(0)),
    ("a long claim that we do not know", |claims| claims["filler"] = json!("x".repeat(8_192))),
    ("an actor that is not there", |claims| {
        claims["act"] =
            json!({ "sub": "nobody@1000000001.iam.carnet.local", "credential_id": "0000000000000000" });
    }),
    ("an actor without a credential", |claims| claims["act"] = json!({ "sub": claims["sub"] })),
    ("an actor whose credential is not there", |claims| {
        claims["act"] = json!({ "sub": claims["sub"], "credential_id": "0000000000000000" });
    }),
];

const ASSERTION_TWISTS: &[(&str, Twist)] = &[
    ("expired", |claims| claims["exp"] = json!(now() - 60)),
    ("good for a day", |claims| claims["exp"] = json!(now() + 86_400)),
    ("exp a text", |claims| claims["exp"] = json!(claims["exp"].to_string())),
    ("exp beyond all", |claims| claims["exp"] = json!(1e300)),
    ("issued tomorrow", |claims| claims["iat"] = json!(now() + 86_400)),
    ("not before tomorrow", |claims| claims["nbf"] = json!(now() + 86_400)),
    ("another issuer", |claims| claims["iss"] = json!("https://evil.example")),
    ("another subject", |claims| claims["sub"] = json!("nobody@1000000001.iam.carnet.local")),
    ("somebody else altogether", |claims| {
        claims["iss"] = json!("nobody@1000000001.iam.carnet.local");
        claims["sub"] = claims["iss"].clone();
    }),
    ("the issuer's own", |claims| {
        claims["iss"] = json!(ISSUER);
        claims["sub"] = json!(ISSUER);
    }),
    ("another audience", |claims| claims["aud"] = json!("https://evil.example")),
    ("the token endpoint", |claims| claims["aud"] = json!(format!("{ISSUER}/oauth2/token"))),
    ("one audience too many", |claims| claims["aud"] = json!([ISSUER, "https://evil.example"])),
    ("no audience", |claims| claims["aud"] = json!([])),
    ("an empty jti", |claims| claims["jti"] = json!("")),
    ("jti a number", |claims| claims["jti"] = json!(1)),
    ("a jti that is too long", |claims| claims["jti"] = json!("x".repeat(256))),
    ("longer than any", |claims| claims["filler"] = json!("x".repeat(8_192))),
    ("another object in it twice", |claims| claims["jti"] = json!({ "a": 1 })),
];

const WORKLOAD_TWISTS: &[(&str, Twist)] = &[
    ("expired", |claims| claims["exp"] = json!(now() - 60)),
    ("good for two days", |claims| claims["exp"] = json!(now() + 2 * 86_400)),
    ("exp a text", |claims| claims["exp"] = json!(claims["exp"].to_string())),
    ("exp beyond all", |claims| claims["exp"] = json!(1e300)),
    ("issued tomorrow", |claims| claims["iat"] = json!(now() + 86_400)),
    ("not before tomorrow", |claims| claims["nbf"] = json!(now() + 86_400)),
    ("another issuer", |claims| claims["iss"] = json!("https://evil.example")),
    ("our own issuer", |claims| claims["iss"] = json!(ISSUER)),
    ("another subject", |claims| claims["sub"] = json!("repo:evil/app:ref:refs/heads/main")),
    ("its issuer as the client", |claims| claims["iss"] = claims["sub"].clone()),
    ("another audience", |claims| claims["aud"] = json!("https://evil.example")),
    ("the token endpoint", |claims| claims["aud"] = json!(format!("{ISSUER}/oauth2/token"))),
    ("one audience too many", |claims| claims["aud"] = json!([ISSUER, "https://evil.example"])),
    ("no audience", |claims| claims["aud"] = json!([])),
    ("an API's", |claims| claims["scope"] = json!("read")),
    ("a person's", |claims| claims["nonce"] = json!("n")),
    ("bound to a key", |claims| claims["cnf"] = json!({ "jkt": "x" })),
    ("with an actor", |claims| claims["act"] = json!({ "sub": "somebody" })),
    ("an event", |claims| claims["events"] = json!({})),
    ("longer than any", |claims| claims["filler"] = json!("x".repeat(8_192))),
];

const NO_ACCESS_TOKENS: &[&str] = &[
    "JWT",
    "",
    "jwt",
    "at",
    "at+jwt ",
    "application/jwt",
    "dpop+jwt",
    "statuslist+jwt",
    "token-introspection+jwt",
    "client-authentication+jwt",
    "logout+jwt",
    "secevent+jwt",
    "oauth-authz-req+jwt",
    "at+jwt;v=1",
];

const NO_ASSERTIONS: &[&str] = &[
    "",
    "at+jwt",
    "application/at+jwt",
    "dpop+jwt",
    "statuslist+jwt",
    "token-introspection+jwt",
    "logout+jwt",
    "secevent+jwt",
    "oauth-authz-req+jwt",
    "JWT ",
];

const NO_WORKLOAD_TOKENS: &[&str] = &[
    "",
    "at+jwt",
    "application/at+jwt",
    "client-authentication+jwt",
    "dpop+jwt",
    "statuslist+jwt",
    "token-introspection+jwt",
    "logout+jwt",
    "secevent+jwt",
    "oauth-authz-req+jwt",
    "JWT ",
    "JOSE+JSON",
];

/// An access token of the administrator as the issuer would sign it with this key.
fn access_tokens<'a>(key: &'a ClientKey, real: &'a Value) -> Kind<'a> {
    let claims = || {
        let mut claims = real.clone();
        claims["jti"] = json!(fresh_jti());
        claims
    };
    let (other_types, twists) = (NO_ACCESS_TOKENS, ACCESS_TWISTS);
    Kind { key, typ: "at+jwt", other_types, claims: Box::new(claims), twists }
}

/// An assertion of an account whose key this is.
fn assertions<'a>(key: &'a ClientKey, account: &'a Account) -> Kind<'a> {
    let claims = || claims(&account.client_id, ISSUER);
    let (other_types, twists) = (NO_ASSERTIONS, ASSERTION_TWISTS);
    Kind { key, typ: "JWT", other_types, claims: Box::new(claims), twists }
}

/// A token of an issuer that an account trusts.
fn workload_tokens(trusting: &Trusting) -> Kind<'_> {
    let (other_types, twists) = (NO_WORKLOAD_TOKENS, WORKLOAD_TWISTS);
    Kind { key: &trusting.key, typ: "JWT", other_types, claims: Box::new(|| trusting.claims()), twists }
}

/// What a token says.
fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

#[tokio::test]
async fn rfc_8725_section_3_none_of_hundreds_of_forged_jwts_is_accepted_anywhere() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let own = scene.admin_token().await;
    let real = claims_of(&own);
    let (mut signers, mut clients) = (Vec::new(), Vec::new());
    for alg in ["RS256", "ES256", "EdDSA"] {
        signers.push(issuer_key(&scene, alg).await);
    }
    for alg in ALGORITHMS.into_iter().chain(["Ed25519"]) {
        let key = ClientKey::new(alg);
        let account = account_with(&scene, &format!("forged {alg}"), &[&key]).await;
        clients.push((key, account));
    }
    let tokens: Vec<Kind<'_>> = signers.iter().map(|key| access_tokens(key, &real)).collect();
    let proofs: Vec<Kind<'_>> = clients.iter().map(|(key, account)| assertions(key, account)).collect();
    let mut trusting = Vec::new();
    for alg in ["RS256", "ES256", "EdDSA"] {
        trusting.push(Trusting::new(github(), alg).await);
    }
    let mut table = vec![(tokens, takes_access_tokens(&scene, &own)), (proofs, takes_assertions(&scene))];
    table.extend(trusting.iter().map(|one| (vec![workload_tokens(one)], takes_workload_tokens(one))));

    let (mut different, mut presented) = (BTreeSet::new(), 0);
    for (kinds, places) in &table {
        for place in places {
            for kind in kinds {
                let forged = kind.forgeries();
                // The control: each is one twist away from what is accepted here.
                (place.present)(kind.good()).await.expect(200);
                presented += place.refuses_all(&forged).await;
                (place.present)(kind.good()).await.expect(200);
                different.extend(forged.into_iter().map(|(what, _)| what));
            }
        }
    }
    assert!(different.len() >= 300, "{} forgeries", different.len());
    assert!(presented > 1_000, "{presented} presented");
}

/// A good one of any kind is a forgery wherever another kind is taken.
#[tokio::test]
async fn rfc_8725_section_3_12_no_kind_of_jwt_passes_for_another() {
    let trusting = Trusting::new(github(), "RS256").await;
    let scene = &trusting.scene;
    let key = ClientKey::new("RS256");
    let account = account_with(scene, "bears", &[&key]).await;
    let own = scene.admin_token().await;
    let assertion = || ("an assertion".to_owned(), key.assertion(&account.client_id, ISSUER));
    // One that says all that a token says.
    let mut whole = claims(&account.client_id, ISSUER);
    for (name, value) in [
        ("client_id", json!(account.client_id)),
        ("scope", json!("")),
        ("tsg_id", json!(scene.tsg_id)),
        ("roles", json!(["superuser"])),
        ("credential_id", json!(key.credential_id())),
    ] {
        whole[name] = value;
    }
    let mut as_tokens = vec![assertion()];
    for typ in ["JWT", "at+jwt", "client-authentication+jwt"] {
        for issuer in [json!(account.client_id), json!(ISSUER)] {
            whole["iss"] = issuer;
            let header = json!({ "alg": "RS256", "kid": key.kid(), "typ": typ });
            as_tokens.push((format!("an assertion, {typ}, {}", whole["iss"]), key.sign(&header, &whole)));
        }
    }
    // What other servers of the kind sign besides: for people who log in.
    let issuer = issuer_key(scene, "RS256").await;
    let mut id_token = claims_of(&own);
    id_token["aud"] = json!(scene.admin.client_id);
    id_token["nonce"] = json!("n");
    for typ in ["JWT", "at+jwt"] {
        let header = json!({ "alg": "RS256", "kid": issuer.kid(), "typ": typ });
        as_tokens.push((format!("an ID token, {typ}"), issuer.sign(&header, &id_token)));
    }
    // What another issuer says of a workload.
    let workload = || ("a workload's".to_owned(), trusting.good());
    for typ in ["JWT", "at+jwt"] {
        let header = json!({ "alg": "RS256", "kid": trusting.key.kid(), "typ": typ });
        as_tokens.push((format!("a workload's, {typ}"), trusting.key.sign(&header, &trusting.claims())));
    }
    for place in takes_access_tokens(scene, &own) {
        place.refuses_all(&as_tokens).await;
        (place.present)(own.clone()).await.expect(200);
    }
    let mut as_assertions = vec![("the administrator's token".to_owned(), own.clone())];
    for form in [&[][..], &[("scope", "openid")], &[("resource", ISSUER)]] {
        as_assertions.push(("its own token".to_owned(), scene.token_of(&account, form).await));
    }
    let by_issuer = trusting.key.assertion(&trusting.account.client_id, ISSUER);
    as_assertions.push(("the client's, signed by the issuer that it trusts".to_owned(), by_issuer));
    let as_workloads = [&as_assertions[..], &[assertion()]].concat();
    as_assertions.push(workload());
    for place in takes_assertions(scene) {
        place.refuses_all(&as_assertions).await;
        (place.present)(assertion().1).await.expect(200);
    }
    for place in takes_workload_tokens(&trusting) {
        place.refuses_all(&as_workloads).await;
        (place.present)(workload().1).await.expect(200);
    }
}
