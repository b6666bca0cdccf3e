//! Asking about tokens, and taking them back.

use reqwest::Method;

use super::client::{Answer, Client};
use super::scene::Account;

pub const INTROSPECT: &str = "/oauth2/introspect";
pub const REVOKE: &str = "/oauth2/revoke";
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Asks one of the two, with credentials in the header.
pub async fn about(client: &Client, path: &str, asker: &Account, form: &[(&str, &str)]) -> Answer {
    let request = client.request(Method::POST, path);
    client.send(request.basic_auth(&asker.client_id, Some(&asker.client_secret)).form(form)).await
}

pub async fn introspect(client: &Client, asker: &Account, token: &str) -> Answer {
    about(client, INTROSPECT, asker, &[("token", token)]).await
}

pub async fn revoke(client: &Client, asker: &Account, token: &str) -> Answer {
    about(client, REVOKE, asker, &[("token", token)]).await
}

/// Whether the token is good, as this client is told.
pub async fn is_active(client: &Client, asker: &Account, token: &str) -> bool {
    let told = introspect(client, asker, token).await.expect(200);
    let active = told.json()["active"].as_bool().expect("active is a boolean");
    assert!(active || told.bytes == br#"{"active":false}"#, "{}", told.json());
    active
}
