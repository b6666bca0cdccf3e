//! A token as a verifier far away sees it: with somebody else's library and nothing but the JWKS.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use reqwest::Method;
use serde_json::Value;

use super::client::Client;

/// What a good token says.
#[derive(Debug)]
pub struct Token {
    pub header: Header,
    pub claims: Value,
}

/// Verifies a token of this server for this audience: key, algorithm, issuer, audience, time.
pub async fn read_token(client: &Client, token: &str, audience: &str) -> Token {
    let keys = client.send(client.request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_slice(&keys.bytes).expect("a key set");
    let header = decode_header(token).expect("a header");
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("a published key");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[&client.url]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 0;
    let key = DecodingKey::from_jwk(key).expect("a usable key");
    let claims = decode::<Value>(token, &key, &validation).expect("a good token").claims;
    Token { header, claims }
}

/// What a token says, whether or not it is one.
pub fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}
