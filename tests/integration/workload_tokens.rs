//! Workloads that prove themselves by another issuer's token, requirement by requirement (RFC 7521 §4, RFC 7523 §2 and §3).

use serde_json::{Value, json};

use crate::support::client_key::{ClientKey, ask, ask_with, now};
use crate::support::read_token::read_token;
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::Scene;
use crate::support::stores::OwnStores;
use crate::support::workload::{
    JWT_BEARER_GRANT, Trusting, generic, github, google, grant, kubernetes, put_rules, refuses, takes, whoami,
};

#[tokio::test]
async fn rfc_7523_section_2_1_no_client_authentication_is_needed_and_what_there_is_must_be_right() {
    let trusting = Trusting::new(github(), "RS256").await;
    let Trusting { scene, account, .. } = &trusting;
    let other = scene.account("other").await;
    scene.token_of(&other, &[]).await;
    scene.token_of(account, &[]).await;
    let good = trusting.good();
    let with = async |id: &str, secret: &str| {
        let form = [("grant_type", JWT_BEARER_GRANT), ("assertion", good.as_str())];
        let request = scene.client.request(reqwest::Method::POST, "/oauth2/token");
        scene.client.send(request.basic_auth(id, Some(secret)).form(&form)).await
    };
    with(&account.client_id, &account.client_secret).await.expect(200);
    let wrong = with(&account.client_id, &other.client_secret).await;
    assert_refused(&wrong, 401, "invalid_client", "another's secret");
    let others = with(&other.client_id, &other.client_secret).await;
    assert_refused(&others, 400, "invalid_grant", "another client, rightly authenticated");
    let body = [("client_id", other.client_id.as_str()), ("client_secret", other.client_secret.as_str())];
    assert_refused(&grant(&scene.client, &good, &body).await, 400, "invalid_grant", "in the body");
    // By its own assertion, which is used up by that, while the workload's is not.
    let key = ClientKey::new("ES256");
    crate::support::client_key::put(scene, account, &json!({ "keys": [key.jwk] })).await.expect(200);
    let own = key.assertion(&account.client_id, "https://id.example");
    let twice = [
        ("client_assertion_type", crate::support::client_key::JWT_BEARER),
        ("client_assertion", own.as_str()),
    ];
    grant(&scene.client, &good, &twice).await.expect(200);
    assert_refused(&grant(&scene.client, &good, &twice).await, 401, "invalid_client", "used before");
}

#[tokio::test]
async fn rfc_7523_section_2_1_the_client_id_says_which_account_and_nobody_guesses() {
    let trusting = Trusting::new(github(), "RS256").await;
    let Trusting { scene, .. } = &trusting;
    let good = trusting.good();
    let untrusting = scene.account("trusts nobody").await;
    let without = grant(&scene.client, &good, &[]).await;
    assert_refused(&without, 400, "invalid_request", "no client_id");
    let mut answers = Vec::new();
    for id in [untrusting.client_id.as_str(), "nobody@1000000001.iam.carnet.local", "nobody"] {
        answers.push((id.to_owned(), grant(&scene.client, &good, &[("client_id", id)]).await));
    }
    assert_alike(&answers, 400, "invalid_grant");
    let form = [("client_id", trusting.account.client_id.as_str())];
    let missing = grant(&scene.client, "", &form).await;
    assert_refused(&missing, 400, "invalid_request", "no assertion");
    trusting.grant(&good).await.expect(200);
}

#[tokio::test]
async fn rfc_7521_section_4_2_a_workload_says_beside_its_assertion_whose_it_is() {
    let trusting = Trusting::new(kubernetes(), "RS256").await;
    let good = trusting.good();
    let other = trusting.scene.account("other").await;
    let answers = [
        ("no client_id".to_owned(), ask(&trusting.scene.client, &good).await),
        ("empty".to_owned(), ask_with(&trusting.scene.client, &good, &[("client_id", "")]).await),
        (
            "another".to_owned(),
            ask_with(&trusting.scene.client, &good, &[("client_id", &other.client_id)]).await,
        ),
        ("nobody".to_owned(), ask_with(&trusting.scene.client, &good, &[("client_id", "a@b")]).await),
    ];
    assert_alike(&answers, 401, "invalid_client");
    trusting.ask(&good).await.expect(200);
}

#[tokio::test]
async fn rfc_7523_section_3_1_and_3_2_issuer_and_subject_are_those_of_the_rule() {
    let trusting = Trusting::new(github(), "RS256").await;
    let issuer = trusting.kind.issuer;
    refuses(
        &trusting,
        &[
            json!({ "iss": null }),
            json!({ "iss": format!("{issuer}/") }),
            json!({ "iss": "https://token.actions.githubusercontent.com.evil.example" }),
            json!({ "iss": issuer.to_uppercase() }),
            json!({ "iss": [issuer] }),
            json!({ "iss": "" }),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": 7 }),
            json!({ "sub": ["repo:acme/app:ref:refs/heads/main"] }),
            json!({ "sub": "repo:acme/app:pull_request" }),
            json!({ "sub": "repo:acme/app:environment:x:ref:refs/heads/main" }),
            json!({ "sub": "repo:acme/app:ref:refs/heads/main:ref:refs/heads/main" }),
            json!({ "sub": "repo:acme-evil/app:ref:refs/heads/main" }),
            json!({ "sub": "repo:acme/../evil/app:ref:refs/heads/main" }),
            json!({ "sub": "REPO:acme/app:ref:refs/heads/main" }),
            json!({ "sub": " repo:acme/app:ref:refs/heads/main" }),
            json!({ "job_workflow_ref": "evil/workflows/.github/workflows/deploy.yml@refs/heads/main" }),
            json!({ "job_workflow_ref": "acme/workflows/.github/workflows/deploy.yml.evil@refs/heads/main" }),
            json!({ "job_workflow_ref": null }),
        ],
    )
    .await;
    takes(
        &trusting,
        &[json!({ "sub": "repo:acme/other:ref:refs/heads/main" }), json!({ "actor": "somebody" })],
    )
    .await;
}

#[tokio::test]
async fn rfc_7523_section_3_3_the_audience_is_the_one_that_was_agreed_and_no_other() {
    let trusting = Trusting::new(kubernetes(), "ES256").await;
    let own = "https://id.example";
    refuses(
        &trusting,
        &[
            json!({ "aud": null }),
            json!({ "aud": "" }),
            json!({ "aud": [] }),
            json!({ "aud": format!("{own}/") }),
            json!({ "aud": format!("{own}/oauth2/token") }),
            json!({ "aud": "https://kubernetes.default.svc" }),
            json!({ "aud": [own, "https://kubernetes.default.svc"] }),
            json!({ "aud": [own, own] }),
            json!({ "aud": [[own]] }),
            json!({ "aud": { "0": own } }),
        ],
    )
    .await;
    takes(&trusting, &[json!({ "aud": [own] })]).await;
    // Another one was agreed.
    let change = json!({ "audience": "api://AzureADTokenExchange" });
    let path = trusting.issuer_path();
    let headers = [("if-match", "*")];
    trusting.scene.send(reqwest::Method::PATCH, &path, &headers, Some(&change)).await.expect(200);
    takes(&trusting, &[change.get("audience").map(|aud| json!({ "aud": aud })).expect("one")]).await;
    trusting.ask(&trusting.good()).await.expect(401);
}

#[tokio::test]
async fn rfc_7523_section_3_what_it_gets_does_not_outlive_it() {
    let trusting = Trusting::new(google(), "RS256").await;
    for answer in [
        trusting.ask(&trusting.token(&json!({ "exp": now() + 100 }))).await,
        trusting.grant(&trusting.token(&json!({ "exp": now() + 100 }))).await,
    ] {
        let lives = answer.expect(200).json()["expires_in"].as_i64().expect("seconds");
        assert!((90..=100).contains(&lives), "{lives}");
    }
    let long = trusting.ask(&trusting.token(&json!({ "exp": now() + 3_000 }))).await.expect(200);
    assert_eq!(long.json()["expires_in"], 900);
}

/// Every request of a pod takes the same token from the same file.
#[tokio::test]
async fn a_workload_s_token_is_good_more_than_once() {
    let trusting = Trusting::new(kubernetes(), "RS256").await;
    let good = trusting.good();
    for _ in 0..3 {
        trusting.ask(&good).await.expect(200);
        trusting.grant(&good).await.expect(200);
    }
}

#[tokio::test]
async fn all_claims_of_a_rule_must_hold_and_one_rule_is_enough() {
    let trusting = Trusting::new(generic(), "EdDSA").await;
    let Trusting { scene, account, issuer_id, .. } = &trusting;
    let rule = |claims: Value| json!({ "issuer_id": issuer_id, "claims": claims });
    let app = json!({ "claim": "sub", "prefix": "project_path:acme/app:" });
    let protected = json!({ "claim": "ref_protected", "equals": "true" });
    let rules = json!([
        rule(json!([app, protected, { "claim": "user_login", "equals": "somebody-else" }])),
        rule(json!([app, protected])),
    ]);
    let shown = put_rules(scene, account, &rules).await.expect(200).json();
    let who = whoami(&trusting, trusting.ask(&trusting.good()).await).await;
    assert_eq!(who.json()["credential_id"], shown["rules"][1]["credential_id"], "the first that holds");
    refuses(
        &trusting,
        &[
            json!({ "ref_protected": "false" }),
            json!({ "ref_protected": null }),
            json!({ "ref_protected": ["true"] }),
            json!({ "sub": "project_path:acme/app-evil:ref_type:branch:ref:main" }),
        ],
    )
    .await;
    takes(&trusting, &[json!({ "ref_protected": true }), json!({ "user_login": "somebody-else" })]).await;
}

/// What an account gets for it is what it gets otherwise.
#[tokio::test]
async fn the_grant_gets_what_client_credentials_would_get() {
    let scene = Scene::with(&json!({})).await;
    let mut trusting = Trusting::on(scene, github(), "RS256").await;
    trusting.audience.clone_from(&trusting.scene.client.url);
    let (id, tsg) = (trusting.account.client_id.clone(), format!("tsg_id:{}", trusting.scene.tsg_id));
    let more = [("client_id", id.as_str()), ("scope", tsg.as_str())];
    let issued = grant(&trusting.scene.client, &trusting.good(), &more).await.expect(200);
    assert_eq!(issued.text("scope"), tsg);
    let url = &trusting.scene.client.url;
    let read = read_token(&trusting.scene.client, &issued.text("access_token"), url).await;
    assert_eq!(read.claims["sub"], json!(id));
    assert_eq!(read.claims["aud"], json!([url, id]));
    let more = [("client_id", id.as_str()), ("resource", "urn:nobody")];
    let target = grant(&trusting.scene.client, &trusting.good(), &more).await;
    assert_refused(&target, 400, "invalid_target", "no key");
    let more = [("client_id", id.as_str()), ("scope", "admin")];
    let scope = grant(&trusting.scene.client, &trusting.good(), &more).await;
    assert_refused(&scope, 400, "invalid_scope", "scope");
}

/// Nothing of it is used up, so it needs no more than a secret does; and what is held against it needs the authority.
#[tokio::test]
async fn without_postgres_a_workload_is_served_from_caches_and_never_refused() {
    let own = OwnStores::start(1);
    let (database_url, redis_url) = (own.migrated().await, own.stores.redis_urls()[0].clone());
    let settings = json!({ "issuer": "https://id.example", "lease_seconds": 10 });
    let scene = Scene::on(database_url, redis_url, &settings).await;
    let trusting = Trusting::on(scene, kubernetes(), "RS256").await;
    trusting.ask(&trusting.good()).await.expect(200);
    own.stores.stop_postgres();
    trusting.ask(&trusting.good()).await.expect(200);
    trusting.grant(&trusting.good()).await.expect(200);
    // It may be that a rule was added which lets it in.
    let other = json!({ "sub": "system:serviceaccount:dev:deployer" });
    let unknown = trusting.token(&other);
    assert_refused(&trusting.ask(&unknown).await, 503, "temporarily_unavailable", "as a client");
    assert_refused(&trusting.grant(&unknown).await, 503, "temporarily_unavailable", "as a grant");
}

/// One that is trusted for some accounts is not trusted for what another says, not even under the same `kid`.
#[tokio::test]
async fn an_issuer_speaks_for_itself_alone() {
    let trusting = Trusting::new(github(), "EdDSA").await;
    let scene = &trusting.scene;
    let other = ClientKey::new("EdDSA");
    let mut jwk = other.jwk.clone();
    jwk["kid"] = json!(trusting.key.kid());
    let kind = generic();
    let body = json!({ "name": "other", "issuer": kind.issuer, "kind": "generic", "keys": [jwk] });
    let other_id = scene.post("trusted-issuers", body).await.expect(201).text("id");
    let rules = json!([
        { "issuer_id": trusting.issuer_id, "claims": trusting.kind.rule },
        { "issuer_id": other_id, "claims": kind.rule },
    ]);
    put_rules(scene, &trusting.account, &rules).await.expect(200);
    let signed = |change: Value| {
        let mut claims = trusting.claims();
        crate::support::workload::merge(&mut claims, &change);
        other.sign(&trusting.header(), &claims)
    };
    let answers = [
        ("in the other's name".to_owned(), trusting.ask(&signed(json!({}))).await),
        ("the other's subject".to_owned(), trusting.ask(&signed(json!({ "iss": kind.issuer }))).await),
    ];
    assert_alike(&answers, 401, "invalid_client");
    trusting.ask(&signed(json!({ "iss": kind.issuer, "sub": kind.claims["sub"] }))).await.expect(200);
    trusting.ask(&trusting.good()).await.expect(200);
}
