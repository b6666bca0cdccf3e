//! Delegation (RFC 8693 §4): who acts is named, may be there only by permission, and the subject stays who it is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::exchange::{actors_of, ending, exchange, let_act, named, pair};
use crate::support::read_token::read_token;
use crate::support::refused::assert_refused;
use crate::support::scene::Scene;

const PRODUCT: &str = "urn:carnet:product:prisma_access";

#[tokio::test]
async fn rfc_8693_section_4_1_the_actor_is_named_and_the_subject_stays() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let token = scene.token_of(&subject, &[]).await;
    let new = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    let before = read_token(&scene.client, &token, &scene.client.url).await.claims;
    let claims = read_token(&scene.client, &new, &scene.client.url).await.claims;
    for same in ["iss", "sub", "aud", "exp", "scope", "tsg_id", "roles", "credential_id"] {
        assert_eq!(claims[same], before[same], "{same}");
    }
    assert_eq!(claims["act"], json!({ "sub": actor.client_id, "credential_id": actor.credential_id() }));
    let me = scene.client.whoami(&new).await.expect(200);
    assert_eq!(
        (me.text("client_id"), me.text("service_account_id")),
        (subject.client_id.clone(), subject.id.clone())
    );
    assert_eq!(me.text("credential_id"), subject.credential_id());
    assert_eq!(actors_of(&scene.client, &new).await, [named(&actor)]);
    assert_eq!(scene.client.whoami(&token).await.expect(200).json().get("actors"), None);
}

#[tokio::test]
async fn rfc_8693_section_4_3_the_client_is_who_asked() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let token = scene.token_of(&subject, &[]).await;
    for by in [&subject, &actor] {
        let new = exchange(&scene.client, by, &token, &[]).await.expect(200).text("access_token");
        let claims = read_token(&scene.client, &new, &scene.client.url).await.claims;
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(subject.client_id), &json!(by.client_id)));
        assert_eq!(claims.get("act").is_some(), by.client_id == actor.client_id, "nobody acts for itself");
    }
}

#[tokio::test]
async fn rfc_8693_section_4_1_a_chain_names_all_who_acted_and_has_an_end() {
    let scene = Scene::new().await;
    let subject = scene.account("subject").await;
    let mut actors = Vec::new();
    for name in ["first", "second", "third", "fourth"] {
        actors.push(scene.account(name).await);
    }
    let_act(&scene, &subject, &actors.iter().collect::<Vec<_>>()).await.expect(200);
    let mut token = scene.token_of(&subject, &[]).await;
    let mut chain = Vec::new();
    for actor in &actors[..3] {
        token = exchange(&scene.client, actor, &token, &[]).await.expect(200).text("access_token");
        chain.insert(0, named(actor));
        assert_eq!(actors_of(&scene.client, &token).await, chain);
        let again = exchange(&scene.client, actor, &token, &[]).await.expect(200).text("access_token");
        assert_eq!(actors_of(&scene.client, &again).await, chain, "the actor of now is named once");
    }
    let claims = read_token(&scene.client, &token, &scene.client.url).await.claims;
    assert_eq!(claims["act"]["act"]["act"]["sub"], json!(actors[0].client_id));
    let answer = exchange(&scene.client, &actors[3], &token, &[]).await;
    assert_refused(&answer, 400, "invalid_request", "a fourth");
    assert!(answer.text("error_description").starts_with("As many act"), "{}", answer.json());
}

#[tokio::test]
async fn rfc_8693_section_4_4_nobody_acts_who_is_not_named() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let stranger = scene.holder("stranger", &["iam.read"], json!("all")).await;
    let token = scene.token_of(&subject, &[]).await;
    let delegated = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    for (what, by) in [("a stranger", &stranger), ("who may do everything", &scene.admin)] {
        for token in [&token, &delegated] {
            assert_refused(&exchange(&scene.client, by, token, &[]).await, 400, "invalid_request", what);
        }
    }
    let theirs = scene.token_of(&actor, &[]).await;
    let answer = exchange(&scene.client, &subject, &theirs, &[]).await;
    assert_refused(&answer, 400, "invalid_request", "it does not go both ways");
    let_act(&scene, &subject, &[&actor, &stranger]).await.expect(200);
    exchange(&scene.client, &stranger, &token, &[]).await.expect(200);
    // Of a chain every one is named still.
    let chained = exchange(&scene.client, &stranger, &delegated, &[]).await.expect(200).text("access_token");
    scene.client.whoami(&chained).await.expect(200);
    let_act(&scene, &subject, &[&stranger]).await.expect(200);
    scene.client.whoami(&chained).await.expect(401);
}

#[tokio::test]
async fn an_account_by_another_credential_of_its_own_is_named_with_it() {
    let scene = Scene::new().await;
    let account = scene.account("two secrets").await;
    let second = ending(&scene, &account, 500).await;
    let token = scene.token_of(&account, &[]).await;
    scene.token_of(&second, &[]).await;
    let new = exchange(&scene.client, &second, &token, &[]).await.expect(200).text("access_token");
    assert_eq!(actors_of(&scene.client, &new).await, [named(&second)]);
    // So that it dies with either.
    scene.send(Method::DELETE, &second.secret_path(), &[], None).await.expect(200);
    scene.client.whoami(&new).await.expect(401);
    scene.client.whoami(&token).await.expect(200);
}

#[tokio::test]
async fn the_management_api_takes_narrowed_tokens_and_no_delegated_ones() {
    let scene = Scene::new().await;
    let (subject, actor) =
        (scene.holder("manages", &["iam.read"], json!("all")).await, scene.account("acts").await);
    let_act(&scene, &subject, &[&actor]).await.expect(200);
    let token = scene.token_of(&subject, &[]).await;
    let list = async |token: &str| scene.client.call(token, Method::GET, &scene.path("roles"), None).await;
    let narrowed = exchange(&scene.client, &subject, &token, &[]).await.expect(200).text("access_token");
    list(&narrowed).await.expect(200);
    let delegated = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    scene.client.whoami(&delegated).await.expect(200);
    assert_eq!(list(&delegated).await.expect(401).code(), "invalid_token");
}

#[tokio::test]
async fn a_delegated_token_is_for_a_product_s_key_as_its_subject_s_was() {
    let scene = Scene::new().await;
    let (subject, actor) = (scene.entitled_account("bound").await, scene.account("acts").await);
    let key = scene.key("prisma_access", &subject).await;
    scene.until(&key, "valid").await;
    let_act(&scene, &subject, &[&actor]).await.expect(200);
    let token = scene.token_of(&subject, &[]).await;
    let new = exchange(&scene.client, &actor, &token, &[]).await.expect(200).text("access_token");
    let me: Value = scene.client.whoami(&new).await.expect(200).json();
    assert_eq!((&me["product"], &me["api_key_id"]), (&json!("prisma_access"), &json!(key)));
    assert_eq!(me["audience"], PRODUCT);
    scene.revoke(&key).await.expect(200);
    scene.client.whoami(&new).await.expect(401);
    let answer = exchange(&scene.client, &actor, &token, &[]).await;
    assert_refused(&answer, 400, "invalid_request", "of a key that is gone");
}
