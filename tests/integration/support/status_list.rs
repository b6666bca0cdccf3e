//! A status list as a verifier far away reads it: with somebody else's libraries.

use std::io::Read as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::Method;
use serde_json::Value;

use super::client::{Answer, Client};

/// The longest that a server goes on showing what was so: five seconds, and some for a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

/// The `status` claim of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub uri: String,
    pub idx: usize,
}

/// A list that was verified.
pub struct List {
    pub claims: Value,
    bits: Vec<u8>,
}

pub fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a payload")).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

impl Place {
    pub fn of(token: &str) -> Self {
        Self::named(token).unwrap_or_else(|| panic!("no status: {}", claims(token)))
    }

    pub fn named(token: &str) -> Option<Self> {
        let claims = claims(token);
        let status = &claims.get("status")?["status_list"];
        let idx = usize::try_from(status["idx"].as_u64().expect("an index")).expect("an index");
        Some(Self { uri: status["uri"].as_str().expect("an address").to_owned(), idx })
    }

    /// The bit, as this server shows it now.
    pub async fn is_set(&self, client: &Client) -> bool {
        list(client, &self.uri).await.is_set(self.idx)
    }

    /// Waits until the bit is so.
    pub async fn until(&self, client: &Client, set: bool, what: &str) {
        let started = Instant::now();
        while self.is_set(client).await != set {
            assert!(started.elapsed() < PATIENCE, "{what}: the bit is not {set}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl List {
    pub fn is_set(&self, idx: usize) -> bool {
        self.bits[idx / 8] & (1 << (idx % 8)) != 0
    }

    pub fn places(&self) -> usize {
        self.bits.len() * 8
    }
}

pub fn local<'a>(client: &Client, uri: &'a str) -> &'a str {
    let path = uri.find("/status-lists/").expect("an address of ours");
    assert!(uri.starts_with("http"), "{} {uri}", client.url);
    &uri[path..]
}

pub async fn fetch(client: &Client, uri: &str) -> Answer {
    let request = client.request(Method::GET, local(client, uri));
    client.send(request.header("accept", "application/statuslist+jwt")).await
}

/// Fetches and verifies a list (draft-ietf-oauth-status-list §8.3).
pub async fn list(client: &Client, uri: &str) -> List {
    let jwt = String::from_utf8(fetch(client, uri).await.expect(200).bytes).expect("text");
    read(client, uri, &jwt).await
}

pub async fn read(client: &Client, uri: &str, jwt: &str) -> List {
    let keys = client.send(client.request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_slice(&keys.bytes).expect("a key set");
    let header = decode_header(jwt).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("statuslist+jwt"));
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("a published key");
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["exp", "sub"]);
    validation.sub = Some(uri.to_owned());
    let key = DecodingKey::from_jwk(key).expect("a usable key");
    let claims = decode::<Value>(jwt, &key, &validation).expect("a good list").claims;
    assert_eq!(claims["status_list"]["bits"], 1);
    let zlib =
        URL_SAFE_NO_PAD.decode(claims["status_list"]["lst"].as_str().expect("lst")).expect("base64url");
    let mut bits = Vec::new();
    ZlibDecoder::new(&*zlib).read_to_end(&mut bits).expect("zlib");
    List { claims, bits }
}
