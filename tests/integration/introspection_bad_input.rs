//! Bad requests about tokens: refused as at the token endpoint, by both endpoints alike.

use carnet::domain::ids::PublicId;
use carnet::domain::secret::{Secret, SecretKind};
use reqwest::Method;
use ring::rand::SystemRandom;
use serde_json::json;

use crate::support::about_token::{FORM, INTROSPECT, REVOKE, about};
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::{Account, Scene};

const BOTH: [&str; 2] = [INTROSPECT, REVOKE];

/// Every account that must not be told anything.
async fn strangers(scene: &Scene) -> Vec<(&'static str, Account)> {
    let random = SystemRandom::new();
    let id = PublicId::generate(&random).expect("an id");
    let secret = Secret::generate(SecretKind::Client, id, &random).expect("a secret");
    let wrong = Account { client_secret: secret.expose().to_owned(), ..scene.account("wrong").await };
    let unknown = Account { client_id: format!("nobody@{}.iam.carnet.local", scene.tsg_id), ..wrong.clone() };
    let disabled = scene.account("disabled").await;
    scene.token_of(&disabled, &[]).await;
    let path = format!("service-accounts/{}", disabled.id);
    let off = json!({ "enabled": false });
    scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&off)).await.expect(200);
    let typo = Account { client_secret: "carnet_client_x".into(), ..wrong.clone() };
    vec![("wrong", wrong), ("unknown", unknown), ("disabled", disabled), ("a typo", typo)]
}

#[tokio::test]
async fn rfc_7662_section_2_1_and_7009_section_2_1_who_does_not_authenticate_is_refused_and_all_alike() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let strangers = strangers(&scene).await;
    for path in BOTH {
        let mut answers = Vec::new();
        for (what, stranger) in &strangers {
            answers.push((
                format!("{path} {what}"),
                about(&scene.client, path, stranger, &[("token", &token)]).await,
            ));
        }
        // As the token endpoint itself says it.
        let (id, secret) = (&strangers[0].1.client_id, &strangers[0].1.client_secret);
        answers.push(("at the token endpoint".to_owned(), scene.client.token(id, secret, &[]).await));
        assert_alike(&answers, 401, "invalid_client");
        assert!(answers[0].1.header("www-authenticate").starts_with("Basic "));
        let none = scene.client.post(path, &[FORM], &format!("token={token}")).await;
        assert_refused(&none, 401, "invalid_client", "nobody");
        assert_eq!(none.header("www-authenticate"), "");
        // A bearer token is no client authentication here.
        let bearer = scene.client.request(Method::POST, path).bearer_auth(&token);
        let bearer = scene.client.send(bearer.form(&[("token", &token)])).await;
        assert_refused(&bearer, 401, "invalid_client", "a bearer");
    }
}

#[tokio::test]
async fn rfc_7662_section_2_1_and_7009_section_2_1_what_cannot_be_understood_is_an_invalid_request() {
    let scene = Scene::new().await;
    let (id, secret) = (&scene.admin.client_id, &scene.admin.client_secret);
    let who = format!("client_id={id}&client_secret={secret}");
    let token = scene.admin_token().await;
    for path in BOTH {
        for (what, body) in [
            ("no token", who.clone()),
            ("an empty token", format!("{who}&token=")),
            ("two tokens", format!("{who}&token={token}&token=noise")),
            ("the same token twice", format!("{who}&token={token}&token={token}")),
            ("two hints", format!("{who}&token={token}&token_type_hint=a&token_type_hint=a")),
        ] {
            let answer = scene.client.post(path, &[FORM], &body).await;
            assert_refused(&answer, 400, "invalid_request", &format!("{path} {what}"));
        }
        let good = format!("{who}&token={token}&unknown=1&unknown=2");
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
            let answer = scene.client.post(path, &[("content-type", kind)], &good).await;
            assert_refused(&answer, 400, "invalid_request", kind);
        }
        let twice = scene.client.request(Method::POST, path).basic_auth(id, Some(secret));
        let twice = scene.client.send(twice.header(FORM.0, FORM.1).body(good)).await;
        assert_refused(&twice, 400, "invalid_request", "authenticated twice");
    }
    scene.client.whoami(&token).await.expect(200);
}

#[tokio::test]
async fn rfc_7662_section_2_1_and_7009_section_2_1_only_post_is_taken_and_nothing_from_the_query() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    for path in BOTH {
        let query = format!("{path}?token={token}");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = scene.client.send(scene.client.request(method, &query)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
        }
        let (id, secret) = (&scene.admin.client_id, &scene.admin.client_secret);
        let asked = scene.client.request(Method::POST, &query).basic_auth(id, Some(secret));
        let asked = scene.client.send(asked.header(FORM.0, FORM.1).body("")).await;
        assert_refused(&asked, 400, "invalid_request", "the token is in the query");
    }
}

#[tokio::test]
async fn what_is_larger_than_a_token_can_be_is_refused_before_it_is_read() {
    let scene = Scene::new().await;
    for path in BOTH {
        let noise = "x".repeat(15 * 1024);
        about(&scene.client, path, &scene.admin, &[("token", &noise)]).await.expect(200);
        let huge = "x".repeat(17 * 1024);
        let answer = about(&scene.client, path, &scene.admin, &[("token", &huge)]).await;
        assert_refused(&answer, 413, "invalid_request", path);
    }
}

#[tokio::test]
async fn a_secret_that_is_pending_is_told_to_come_again_here_too() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let account = scene.account("pending").await;
    // Nobody waits for a region that says nothing: what is made now stays pending.
    let deaf = crate::valid_everywhere::deaf_instance(60);
    crate::support::stores::run_sql(&scene.database_url, &deaf).await;
    let path = format!("service-accounts/{}/secrets", account.id);
    let pending = account.with_secret(&scene.post(&path, json!({})).await.expect(201));
    for path in BOTH {
        let answer = about(&scene.client, path, &pending, &[("token", &token)]).await;
        assert_refused(&answer, 503, "temporarily_unavailable", path);
        assert!(!answer.header("retry-after").is_empty());
    }
}
