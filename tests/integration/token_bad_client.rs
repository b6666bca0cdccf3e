//! Who is not let in, at the token endpoint: one answer for every reason, so that nobody learns which.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carnet::domain::ids::PublicId;
use carnet::domain::secret::{Secret, SecretKind};
use reqwest::Method;
use ring::rand::SystemRandom;

use crate::support::client::Answer;
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::{Account, Scene};

const TOKEN: &str = "/oauth2/token";
const GRANT: &str = "grant_type=client_credentials";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn basic(client_id: &str, client_secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{client_secret}")))
}

async fn by_header(scene: &Scene, authorization: &str) -> Answer {
    scene.client.post(TOKEN, &[FORM, ("authorization", authorization)], GRANT).await
}

async fn by_body(scene: &Scene, client_id: &str, client_secret: &str) -> Answer {
    let body = format!("{GRANT}&client_id={client_id}&client_secret={client_secret}");
    scene.client.post(TOKEN, &[FORM], &body).await
}

/// A secret with the right check digits and the public id of this one, that was never issued.
fn forged(genuine: &str) -> String {
    let id = Secret::parse(genuine).expect("a secret").public_id();
    forged_for(id)
}

fn forged_for(id: PublicId) -> String {
    let secret = Secret::generate(SecretKind::Client, id, &SystemRandom::new());
    secret.expect("a secret").expose().to_owned()
}

/// An account that has been let in before.
async fn settled(scene: &Scene, name: &str) -> Account {
    let account = scene.account(name).await;
    scene.token_of(&account, &[]).await;
    account
}

async fn disabled(scene: &Scene) -> Account {
    let account = settled(scene, "disabled").await;
    change(scene, &account, Method::PATCH, Some(r#"{"enabled":false}"#)).await.expect(200);
    account
}

async fn deleted(scene: &Scene) -> Account {
    let account = settled(scene, "deleted").await;
    change(scene, &account, Method::DELETE, None).await.expect(200);
    account
}

async fn change(scene: &Scene, account: &Account, method: Method, body: Option<&'static str>) -> Answer {
    let path = format!("service-accounts/{}", account.id);
    let etag = scene.get(&path).await.expect(200).header("etag").to_owned();
    let request = scene.client.request(method, &scene.path(&path)).bearer_auth(scene.admin_token().await);
    let mut request = request.header("if-match", etag);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    scene.client.send(request).await
}

async fn with_secret(scene: &Scene, name: &str, column: &str) -> Account {
    let account = settled(scene, name).await;
    let client_id = &account.client_id;
    let update = format!("UPDATE client_secret SET {column} WHERE credential = '{client_id}'");
    scene.change_record(client_id, &update).await;
    account
}

async fn of_suspended_tenant(scene: &Scene) -> Account {
    let tsg_id = scene.tenant_below(&scene.tsg_id, "Suspended").await;
    let account = scene.account_in(&tsg_id, "of a suspended tenant").await;
    scene.token_of(&account, &[]).await;
    let update = format!("UPDATE tenant SET status = 'suspended' WHERE tsg_id = '{tsg_id}'");
    scene.change_record(&account.client_id, &update).await;
    account
}

/// Everybody who must not be told apart: what they send as their name and secret.
async fn the_unwelcome(scene: &Scene) -> Vec<(&'static str, String, String)> {
    let (known, other) = (settled(scene, "known").await, settled(scene, "other").await);
    let nobody = format!("nobody@{}.iam.carnet.local", scene.tsg_id);
    let typo = known.client_secret.replacen("carnet_client_", "carnet_client_x", 1);
    let with = |secret: &str| (known.client_id.clone(), secret.to_owned());
    let mut unwelcome = vec![
        ("a wrong secret", with(&forged(&known.client_secret))),
        ("a secret with a typo", with(&typo)),
        ("no secret of ours", with("hunter2")),
        ("the secret of another account", with(&other.client_secret)),
        ("an unknown client", (nobody, known.client_secret.clone())),
        ("a client of no tenant", ("nobody".to_owned(), forged(&known.client_secret))),
        ("a client in upper case", (known.client_id.to_uppercase(), known.client_secret.clone())),
        ("a client of 10,000 letters", ("x@".repeat(5_000), known.client_secret.clone())),
    ];
    let expired = "expires_at = clock_timestamp() - interval '1 second'";
    for (what, account) in [
        ("a disabled account", disabled(scene).await),
        ("a deleted account", deleted(scene).await),
        ("an expired secret", with_secret(scene, "expired", expired).await),
        ("a revoked secret", with_secret(scene, "revoked", "status = 'revoked'").await),
        ("a secret being revoked", with_secret(scene, "revoking", "status = 'revoking'").await),
        ("an account of a suspended tenant", of_suspended_tenant(scene).await),
    ] {
        unwelcome.push((what, (account.client_id, account.client_secret)));
    }
    unwelcome.into_iter().map(|(what, (id, secret))| (what, id, secret)).collect()
}

#[tokio::test]
async fn rfc_6749_section_5_2_every_failure_to_authenticate_is_the_same_answer() {
    let scene = Scene::new().await;
    let unwelcome = the_unwelcome(&scene).await;
    let (mut in_header, mut in_body) = (Vec::new(), Vec::new());
    // Twice: the second answer may come from a cache, which must not show either.
    for (what, id, secret) in unwelcome.iter().chain(&unwelcome) {
        in_header.push(((*what).to_owned(), by_header(&scene, &basic(id, secret)).await));
        in_body.push(((*what).to_owned(), by_body(&scene, id, secret).await));
    }
    for (answers, challenge) in [(in_header, "Basic realm=\"carnet\", charset=\"UTF-8\""), (in_body, "")] {
        assert_alike(&answers, 401, "invalid_client");
        assert_eq!(answers[0].1.text("error_description"), "Client authentication failed");
        assert_eq!(answers[0].1.header("www-authenticate"), challenge);
    }
}

#[tokio::test]
async fn rfc_7617_section_2_malformed_basic_is_no_authentication() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene, "malformed").await;
    let wrong = by_header(&scene, &basic(&client_id, &forged(&client_secret))).await;
    let mut answers = vec![("a wrong secret".to_owned(), wrong)];
    let pair = format!("{client_id}:{client_secret}");
    let good = STANDARD.encode(&pair);
    let encoded = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (what, authorization) in [
        ("no colon", encoded(&pair.replace(':', ""))),
        ("not base64", "Basic !!!!".to_owned()),
        ("not encoded at all", format!("Basic {pair}")),
        ("not UTF-8", format!("Basic {}", STANDARD.encode([pair.as_bytes(), b"\xff"].concat()))),
        ("not percent-encoded: %zz", encoded(&pair.replacen(':', "%zz:", 1))),
        ("percent-encoding cut off", encoded(&format!("{pair}%4"))),
        ("percent-encoded non-UTF-8", encoded(&format!("{pair}%ff"))),
        ("the colon percent-encoded", encoded(&pair.replacen(':', "%3A", 1))),
        ("white space inside", encoded(&pair.replacen(':', ": ", 1))),
        ("encoded twice", encoded(&good)),
        ("nothing behind the scheme", "Basic".to_owned()),
        ("an empty pair", encoded(":")),
        ("no scheme", good.clone()),
        ("the scheme Bearer", format!("Bearer {good}")),
        ("the scheme Digest", format!("Digest {good}")),
        ("an empty header", String::new()),
    ] {
        answers.push((what.to_owned(), by_header(&scene, &authorization).await));
    }
    assert_alike(&answers, 401, "invalid_client");
    assert!(!answers[0].1.header("www-authenticate").is_empty());
    by_header(&scene, &format!("Basic {good}")).await.expect(200);
}

#[tokio::test]
async fn rfc_6749_section_2_3_two_ways_to_authenticate_at_once_are_refused() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene, "twice").await;
    let header = basic(&client_id, &client_secret);
    let both = format!("{GRANT}&client_id={client_id}&client_secret={client_secret}");
    let secret_only = format!("{GRANT}&client_secret={client_secret}");
    for body in [&both, &secret_only] {
        for authorization in [&header, "Basic !!!!", "Bearer a.b.c"] {
            let answer = scene.client.post(TOKEN, &[FORM, ("authorization", authorization)], body).await;
            assert_refused(&answer, 400, "invalid_request", authorization);
        }
    }
    scene.client.post(TOKEN, &[FORM], &both).await.expect(200);
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene, "two headers").await;
    let good = ("authorization", &*basic(&client_id, &client_secret));
    for second in [good, ("authorization", "Basic !!!!"), ("authorization", "Bearer a.b.c")] {
        for headers in [[FORM, good, second], [FORM, second, good]] {
            let answer = scene.client.post(TOKEN, &headers, GRANT).await;
            assert_refused(&answer, 400, "invalid_request", second.1);
        }
    }
}

#[tokio::test]
async fn the_body_may_repeat_the_client_id_of_the_header_but_name_no_other() {
    let scene = Scene::new().await;
    let account = settled(&scene, "the one").await;
    let other = settled(&scene, "the other").await;
    let header = basic(&account.client_id, &account.client_secret);
    let headers = [FORM, ("authorization", &*header)];
    let same = format!("{GRANT}&client_id={}", account.client_id);
    scene.client.post(TOKEN, &headers, &same).await.expect(200);
    let another = format!("{GRANT}&client_id={}", other.client_id);
    let answer = scene.client.post(TOKEN, &headers, &another).await;
    assert_refused(&answer, 400, "invalid_request", "another client");
}

#[tokio::test]
async fn without_credentials_or_with_half_of_them_there_is_no_challenge_and_no_token() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene, "half").await;
    for body in [
        GRANT.to_owned(),
        format!("{GRANT}&client_id={client_id}"),
        format!("{GRANT}&client_id={client_id}&client_secret="),
        format!("{GRANT}&client_secret={client_secret}"),
        format!("{GRANT}&client_id=&client_secret={client_secret}"),
        format!("{GRANT}&client_id={client_id}&client_secret=%ff%fe"),
        format!("{GRANT}&client_id={client_id}&client_secret={client_secret}%20"),
        format!("{GRANT}&Client_Id={client_id}&Client_Secret={client_secret}"),
    ] {
        let answer = scene.client.post(TOKEN, &[FORM], &body).await;
        assert_refused(&answer, 401, "invalid_client", &body);
        assert_eq!(answer.header("www-authenticate"), "", "{body}");
    }
}

#[tokio::test]
async fn rfc_6749_section_2_3_1_credentials_in_the_query_are_ignored() {
    let scene = Scene::new().await;
    let Account { client_id, client_secret, .. } = settled(&scene, "in the query").await;
    let query = format!("{TOKEN}?client_id={client_id}&client_secret={client_secret}");
    let answer = scene.client.post(&query, &[FORM], GRANT).await;
    assert_refused(&answer, 401, "invalid_client", "credentials in the query");
    let answer = scene.client.post(&format!("{query}&{GRANT}"), &[FORM], "").await;
    assert_refused(&answer, 400, "invalid_request", "all in the query");

    // Nor do they count as a second way to authenticate, or as a second name.
    let header = basic(&client_id, &client_secret);
    let noise = format!("{TOKEN}?client_id=other&client_secret=wrong&scope=admin&resource=urn:x");
    scene.client.post(&noise, &[FORM, ("authorization", &*header)], GRANT).await.expect(200);
}
