//! What the tokens of each kind of issuer look like, and that no other token of theirs passes for one (RFC 8725 §3.12).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client_key::{ALGORITHMS, ClientKey, now};
use crate::support::refused::assert_alike;
use crate::support::workload::{
    Kind, Trusting, aws, azure, generic, github, google, kinds, kubernetes, refuses, rules_path, spiffe,
    takes, whoami,
};

#[tokio::test]
async fn rfc_7523_section_2_a_token_for_what_each_kind_of_issuer_says() {
    for (kind, alg) in
        kinds().into_iter().zip(["RS256", "RS256", "RS256", "ES384", "PS256", "RS512", "Ed25519"])
    {
        let trusting = Trusting::new(kind, alg).await;
        let rules = trusting.scene.get(&rules_path(&trusting.account)).await.json();
        for issued in [trusting.ask(&trusting.good()).await, trusting.grant(&trusting.good()).await] {
            let who = whoami(&trusting, issued).await;
            assert_eq!(who.text("client_id"), trusting.account.client_id, "{}", trusting.kind.name);
            assert_eq!(who.json()["credential_id"], rules["rules"][0]["credential_id"]);
        }
    }
}

#[tokio::test]
async fn rfc_7523_section_3_4_to_3_6_its_time_is_now_and_no_longer_than_its_kind_allows() {
    for kind in kinds() {
        let longest: i64 = match kind.name {
            "google" | "aws" | "spiffe" => 3_600,
            "github_actions" => 6 * 3_600,
            _ => 24 * 3_600,
        };
        let dated = kind.name != "spiffe";
        let nbf = kind.claims.get("nbf").is_some();
        let trusting = Trusting::new(kind, "ES256").await;
        let mut changes = vec![
            json!({ "exp": null }),
            json!({ "exp": now() - 1 }),
            json!({ "exp": "2030" }),
            json!({ "exp": now() + longest + 60 }),
            json!({ "exp": i64::MAX }),
            json!({ "exp": 1e300 }),
            json!({ "iat": now() + 60 }),
            json!({ "nbf": now() + 60 }),
            json!({ "nbf": "now" }),
            json!({ "iat": now() - longest, "exp": now() + 60 }),
        ];
        if dated {
            changes.push(json!({ "iat": null }));
        }
        if nbf && trusting.kind.name == "kubernetes" {
            changes.push(json!({ "nbf": null }));
        }
        refuses(&trusting, &changes).await;
        takes(
            &trusting,
            &[
                json!({ "iat": now(), "exp": now() + longest }),
                json!({ "iat": now() - longest + 60, "exp": now() + 60 }),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn rfc_8725_section_3_11_and_3_12_a_token_of_another_kind_is_none() {
    let table: [(Kind, Vec<Value>); 6] = [
        (
            kubernetes(),
            vec![
                json!({ "kubernetes.io": null }),
                json!({ "kubernetes.io": { "namespace": "prod" } }),
                json!({ "kubernetes.io": { "namespace": "dev", "serviceaccount": { "name": "deployer" } } }),
                json!({ "kubernetes.io": { "namespace": "prod", "serviceaccount": { "name": "other" } } }),
                json!({ "sub": "system:serviceaccount:prod:other" }),
                json!({ "kubernetes.io": "prod" }),
            ],
        ),
        (
            github(),
            vec![
                json!({ "repository": null }),
                json!({ "repository_owner": 7 }),
                json!({ "run_id": "" }),
                json!({ "jti": null }),
            ],
        ),
        (
            google(),
            vec![
                json!({ "azp": "407408718192.apps.googleusercontent.com" }),
                json!({ "azp": null }),
                json!({ "email": "somebody@gmail.com" }),
                json!({ "email": "somebody@gserviceaccount.com.evil.example" }),
                json!({ "email_verified": false }),
                json!({ "email_verified": "true" }),
            ],
        ),
        (
            aws(),
            vec![
                json!({ "https://sts.amazonaws.com/": null }),
                json!({ "https://sts.amazonaws.com/": { "aws_account": "210987654321" } }),
                json!({ "jti": null }),
            ],
        ),
        (
            azure(),
            vec![
                json!({ "oid": "6e74172b-be56-4843-9ff4-e66a39bb12e3" }),
                json!({ "tid": "6e74172b-be56-4843-9ff4-e66a39bb12e3" }),
                json!({ "tid": null }),
                json!({ "azp": null }),
                json!({ "idtyp": "user" }),
                json!({ "scp": "user_impersonation" }),
            ],
        ),
        (
            spiffe(),
            vec![
                json!({ "sub": "spiffe://acme.example/ns/prod/../admin" }),
                json!({ "sub": "spiffe://acme.example/ns/prod//sa" }),
                json!({ "sub": "spiffe://other.example/ns/prod/sa/deployer" }),
                json!({ "sub": "spiffe://acme.example:443/ns/prod/sa/deployer" }),
                json!({ "sub": "deployer" }),
            ],
        ),
    ];
    for (kind, mut changes) in table {
        let trusting = Trusting::new(kind, "ES256").await;
        for (name, value) in [
            ("scope", json!("read")),
            ("scp", json!(["read"])),
            ("client_id", json!("app")),
            ("nonce", json!("n")),
            ("auth_time", json!(now())),
            ("at_hash", json!("x")),
            ("c_hash", json!("x")),
            ("s_hash", json!("x")),
            ("events", json!({})),
            ("act", json!({ "sub": "other" })),
            ("cnf", json!({ "jkt": "x" })),
        ] {
            changes.push(json!({ name: value }));
        }
        refuses(&trusting, &changes).await;
        // And by its header.
        let mut answers = Vec::new();
        for typ in [
            "at+jwt",
            "application/at+jwt",
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "client-authentication+jwt",
            "",
        ] {
            let mut header = trusting.header();
            header["typ"] = json!(typ);
            let token = trusting.key.sign(&header, &trusting.claims());
            answers.push((typ.to_owned(), trusting.ask(&token).await));
        }
        assert_alike(&answers, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_jwt_svid_is_its_trust_domain_s_whatever_it_calls_its_issuer() {
    let trusting = Trusting::new(spiffe(), "ES256").await;
    takes(
        &trusting,
        &[
            json!({ "iss": "https://oidc-discovery.acme.example" }),
            json!({ "iat": now() }),
            json!({ "sub": "spiffe://acme.example/ns/prod/sa/other" }),
        ],
    )
    .await;
    let mut header = trusting.header();
    header["typ"] = json!("JOSE");
    trusting.ask(&trusting.key.sign(&header, &trusting.claims())).await.expect(200);
    refuses(&trusting, &[json!({ "sub": "spiffe://acme.example/ns/dev/sa/deployer" })]).await;
}

/// What those sign with is up to them; JWT-SVID §2.1 leaves less room.
#[tokio::test]
async fn rfc_7518_section_3_1_issuers_sign_with_what_they_have_and_jwt_svids_not_with_eddsa() {
    for kind in [generic(), spiffe()] {
        let mut trusting = Trusting::new(kind, "ES256").await;
        let keys = ALGORITHMS.map(ClientKey::new);
        let body = json!({ "keys": keys.each_ref().map(|key| &key.jwk) });
        let path = trusting.issuer_path();
        trusting.scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await.expect(200);
        for key in keys {
            trusting.key = key;
            let refused = trusting.kind.name == "spiffe" && trusting.key.alg == "EdDSA";
            let answer = trusting.ask(&trusting.good()).await;
            let expected = if refused { 401 } else { 200 };
            assert_eq!(answer.status, expected, "{} {}", trusting.kind.name, trusting.key.alg);
        }
    }
}
