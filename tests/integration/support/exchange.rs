//! Tokens exchanged for others (RFC 8693).

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::scene::{Account, Scene};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A client exchanges a token.
pub async fn exchange(client: &Client, by: &Account, subject: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    form.extend_from_slice(more);
    exchange_form(client, by, &form).await
}

/// The same with these parameters and no others.
pub async fn exchange_form(client: &Client, by: &Account, form: &[(&str, &str)]) -> Answer {
    let mut parameters = vec![("grant_type", GRANT)];
    parameters.extend_from_slice(form);
    let request = client.request(Method::POST, "/oauth2/token");
    client.send(request.basic_auth(&by.client_id, Some(&by.client_secret)).form(&parameters)).await
}

/// Where it is said who may act for an account, under the tenant.
pub fn actors_path(account: &Account) -> String {
    format!("service-accounts/{}/actors", account.id)
}

/// The administrator says who may act for an account, and nobody else.
pub async fn let_act(scene: &Scene, account: &Account, actors: &[&Account]) -> Answer {
    let actors: Vec<&str> = actors.iter().map(|actor| &*actor.client_id).collect();
    let body = json!({ "actors": actors });
    scene.send(Method::PUT, &actors_path(account), &[("if-match", "*")], Some(&body)).await
}

/// Who acts, as a token's `act` and `whoami` name it.
pub fn named(actor: &Account) -> (String, String) {
    (actor.client_id.clone(), actor.credential_id())
}

/// The actors that `whoami` names, the latest first.
pub async fn actors_of(client: &Client, token: &str) -> Vec<(String, String)> {
    let me = client.whoami(token).await.expect(200).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let actors = me["actors"].as_array().into_iter().flatten();
    actors.map(|actor| (text(&actor["client_id"]), text(&actor["credential_id"]))).collect()
}

/// An account and another one that may act for it.
pub async fn pair(scene: &Scene) -> (Account, Account) {
    let (subject, actor) = (scene.account("subject").await, scene.account("actor").await);
    let_act(scene, &subject, &[&actor]).await.expect(200);
    (subject, actor)
}

/// The account with another secret, which ends so many seconds from now.
pub async fn ending(scene: &Scene, account: &Account, seconds: i32) -> Account {
    let body = json!({ "expires_at": scene.in_seconds(seconds).await });
    account
        .with_secret(&scene.post(&format!("service-accounts/{}/secrets", account.id), body).await.expect(201))
}
