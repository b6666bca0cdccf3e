//! A client's own key, and what it signs: good assertions, and whatever else a test wants signed.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carnet::domain::algorithm::Algorithm;
use carnet::token::signer::SigningKey;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::scene::{Account, Scene};

/// The type of every assertion (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Everything that others may sign with.
pub const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A key pair for one algorithm.
pub struct ClientKey {
    pub alg: &'static str,
    /// The public half, with a `kid`.
    pub jwk: Value,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl ClientKey {
    pub fn new(alg: &'static str) -> Self {
        let kind = match alg {
            "ES384" => return Self::p384(),
            "Ed25519" => Algorithm::EdDSA,
            rsa if rsa_encoding(rsa).is_some() => Algorithm::RS256,
            other => other.parse().expect("an algorithm"),
        };
        let (_, der) = SigningKey::generate(kind).expect("a key");
        Self::of(alg, kind, &der)
    }

    fn p384() -> Self {
        let scheme = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(scheme, &SystemRandom::new()).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(scheme, der.as_ref()).expect("P-384");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        let (x, y) = (base64(x), base64(y));
        // RFC 7638 §3.2
        let canonical = format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = base64(digest(&SHA256, canonical.as_bytes()));
        let jwk =
            json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y, "kid": kid, "alg": "ES384", "use": "sig" });
        Self { alg: "ES384", jwk, pair: Pair::Ec(pair) }
    }

    /// The key that somebody has made and kept as PKCS#8.
    pub fn of(alg: &'static str, kind: Algorithm, der: &[u8]) -> Self {
        let key = SigningKey::from_pkcs8(kind, der).expect("a key");
        let pair = match kind {
            Algorithm::RS256 => Pair::Rsa(RsaKeyPair::from_pkcs8(der).expect("RSA")),
            Algorithm::ES256 => {
                Pair::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).expect("P-256"))
            }
            Algorithm::EdDSA => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).expect("Ed25519")),
        };
        let mut jwk = serde_json::to_value(key.public_jwk()).expect("JSON");
        jwk["alg"] = json!(alg);
        Self { alg, jwk, pair }
    }

    /// What tokens name it by.
    pub fn credential_id(&self) -> String {
        format!("jkt:{}", self.kid())
    }

    pub fn kid(&self) -> &str {
        self.jwk["kid"].as_str().expect("a kid")
    }

    /// The header that most clients would send.
    pub fn header(&self) -> Value {
        json!({ "alg": self.alg, "kid": self.kid(), "typ": "JWT" })
    }

    /// A compact JWS over these very texts.
    pub fn sign_texts(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(payload));
        let signature = base64(self.signature(&signed));
        format!("{signed}.{signature}")
    }

    /// A compact JWS.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    /// A good assertion.
    pub fn assertion(&self, client_id: &str, audience: &str) -> String {
        self.sign(&self.header(), &claims(client_id, audience))
    }

    pub fn signature(&self, signed: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = rsa_encoding(self.alg).expect("an RSA algorithm");
                pair.sign(encoding, &random, signed.as_bytes(), &mut signature).expect("signed");
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, signed.as_bytes()).expect("signed").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        }
    }
}

fn rsa_encoding(alg: &str) -> Option<&'static dyn RsaEncoding> {
    Some(match alg {
        "RS256" => &RSA_PKCS1_SHA256,
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS256" => &RSA_PSS_SHA256,
        "PS384" => &RSA_PSS_SHA384,
        "PS512" => &RSA_PSS_SHA512,
        _ => return None,
    })
}

/// The time now, as clients know it.
pub fn now() -> i64 {
    carnet::clock::system().as_second()
}

/// A name that was never used.
pub fn fresh_jti() -> String {
    format!("jti-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a good assertion says.
pub fn claims(client_id: &str, audience: &str) -> Value {
    json!({
        "iss": client_id, "sub": client_id, "aud": audience,
        "iat": now(), "exp": now() + 60, "jti": fresh_jti(),
    })
}

/// Asks for a token with an assertion.
pub async fn ask(client: &Client, assertion: &str) -> Answer {
    ask_with(client, assertion, &[]).await
}

/// The same with more parameters.
pub async fn ask_with(client: &Client, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    form.extend_from_slice(more);
    client.send(client.request(Method::POST, "/oauth2/token").form(&form)).await
}

/// Where an account's keys are, under the tenant.
pub fn jwks_path(account: &Account) -> String {
    format!("service-accounts/{}/jwks", account.id)
}

/// The administrator puts this in the place of an account's keys, whatever they are.
pub async fn put(scene: &Scene, account: &Account, body: &Value) -> Answer {
    scene.send(Method::PUT, &jwks_path(account), &[("if-match", "*")], Some(body)).await
}

/// A new account with these keys.
pub async fn account_with(scene: &Scene, name: &str, keys: &[&ClientKey]) -> Account {
    let account = scene.account(name).await;
    let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
    put(scene, &account, &json!({ "keys": keys })).await.expect(200);
    account
}
