//! Proofs of possession (RFC 9449) as clients make them, and as they should not.

use reqwest::{Method, RequestBuilder};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::client_key::{ClientKey, base64, fresh_jti, now};
use super::scene::Account;

/// A key that tokens are bound to.
pub struct Holder {
    pub key: ClientKey,
    issuer: String,
}

impl Holder {
    pub fn new(alg: &'static str, issuer: &str) -> Self {
        Self { key: ClientKey::new(alg), issuer: issuer.to_owned() }
    }

    /// What `cnf` says of it.
    pub fn jkt(&self) -> &str {
        self.key.kid()
    }

    pub fn header(&self) -> Value {
        let mut jwk = self.key.jwk.clone();
        let members = jwk.as_object_mut().expect("an object");
        members.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
        json!({ "typ": "dpop+jwt", "alg": self.key.alg, "jwk": jwk })
    }

    pub fn claims(&self, method: &str, path: &str, nonce: &str) -> Value {
        let htu = format!("{}{path}", self.issuer);
        json!({ "jti": fresh_jti(), "htm": method, "htu": htu, "iat": now(), "nonce": nonce })
    }

    /// A good proof for a token request.
    pub fn for_token(&self, nonce: &str) -> String {
        self.key.sign(&self.header(), &self.claims("POST", "/oauth2/token", nonce))
    }

    /// A good proof for a request with a token.
    pub fn for_resource(&self, method: &str, path: &str, nonce: &str, token: &str) -> String {
        let mut claims = self.claims(method, path, nonce);
        claims["ath"] = json!(ath(token));
        self.key.sign(&self.header(), &claims)
    }

    /// A token that is bound to this key.
    pub async fn token(&self, client: &Client, account: &Account) -> String {
        let nonce = nonce(client, account).await;
        ask(client, account, &self.for_token(&nonce)).await.expect(200).text("access_token")
    }

    /// Asks who a token belongs to, as its holder.
    pub async fn whoami(&self, client: &Client, token: &str) -> Answer {
        let first = self.for_resource("GET", "/v1/whoami", "none", token);
        let nonce = whoami(client, token, &[&first]).await.expect(401).header("dpop-nonce").to_owned();
        whoami(client, token, &[&self.for_resource("GET", "/v1/whoami", &nonce, token)]).await
    }
}

pub fn ath(token: &str) -> String {
    base64(digest(&SHA256, token.as_bytes()))
}

fn token_request(client: &Client, account: &Account) -> RequestBuilder {
    let request = client.request(Method::POST, "/oauth2/token");
    let request = request.basic_auth(&account.client_id, Some(&account.client_secret));
    request.form(&[("grant_type", "client_credentials")])
}

/// Asks for a token with this proof.
pub async fn ask(client: &Client, account: &Account, proof: &str) -> Answer {
    client.send(token_request(client, account).header("dpop", proof)).await
}

/// The same with two.
pub async fn ask_twice(client: &Client, account: &Account, proofs: [&str; 2]) -> Answer {
    let request = token_request(client, account).header("dpop", proofs[0]).header("dpop", proofs[1]);
    client.send(request).await
}

/// A nonce, as a client gets its first.
pub async fn nonce(client: &Client, account: &Account) -> String {
    let holder = Holder::new("ES256", client_issuer(client).await.as_str());
    let refused = ask(client, account, &holder.for_token("none")).await.expect(400);
    assert_eq!(refused.code(), "use_dpop_nonce");
    refused.header("dpop-nonce").to_owned()
}

async fn client_issuer(client: &Client) -> String {
    let path = "/.well-known/oauth-authorization-server";
    client.send(client.request(Method::GET, path)).await.expect(200).text("issuer")
}

/// Asks who a token belongs to, with these proofs.
pub async fn whoami(client: &Client, token: &str, proofs: &[&str]) -> Answer {
    let mut request = client.request(Method::GET, "/v1/whoami");
    request = request.header("authorization", format!("DPoP {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    client.send(request).await
}
