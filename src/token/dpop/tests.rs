//! Each rule of RFC 9449 §4.3, by a proof that breaks that rule alone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use super::*;
use crate::domain::algorithm::Algorithm;
use crate::seal::MasterKeys;
use crate::token::signer::SigningKey;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";
const TOKEN: &str = "e30.e30.c2ln";

struct Bench {
    proofs: Proofs,
    pair: EcdsaKeyPair,
    header: Value,
    claims: Value,
}

impl Bench {
    fn new() -> Self {
        let master = "a:+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7++8=";
        let nonces = || MasterKeys::parse([master]).expect("keys").nonces();
        let (key, der) = SigningKey::generate(Algorithm::ES256).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("P-256");
        let mut jwk = serde_json::to_value(key.public_jwk()).expect("JSON");
        let members = jwk.as_object_mut().expect("an object");
        members.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        Self {
            proofs: Proofs::new(nonces(), ISSUER),
            pair,
            header: json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }),
            claims: json!({
                "jti": "j", "htm": "GET", "htu": "https://id.example/v1/whoami", "iat": NOW,
                "ath": hash_of(TOKEN), "nonce": nonces().at(NOW),
            }),
        }
    }

    fn judge(&self, header: &Value, claims: &Value) -> Result<Proof, BadProof> {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        let compact = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        let request = Proved { proof: Some(&compact), method: "GET", path: "/v1/whoami", token: Some(TOKEN) };
        self.proofs.judge(&request, NOW)
    }

    fn with_header(&self, name: &str, value: Value) -> Result<Proof, BadProof> {
        let mut header = self.header.clone();
        header[name] = value;
        self.judge(&header, &self.claims)
    }

    fn with_claim(&self, name: &str, value: Value) -> Result<Proof, BadProof> {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.judge(&self.header, &claims)
    }
}

#[test]
fn rfc_9449_section_4_3_a_proof_names_its_type_its_algorithm_and_a_public_key() {
    let bench = Bench::new();
    let proof = bench.judge(&bench.header, &bench.claims).expect("good");
    assert_eq!((proof.jkt.len(), proof.jti.as_str(), proof.nonce), (43, "j", Age::Current));
    assert!(bench.with_header("typ", json!("application/dpop+jwt")).is_ok());
    for typ in [json!("JWT"), json!("at+jwt"), json!(null), json!(7)] {
        assert_eq!(bench.with_header("typ", typ), Err(BadProof::Header));
    }
    for alg in ["none", "HS256", "RS256", "ES384", "es256"] {
        assert_eq!(bench.with_header("alg", json!(alg)), Err(BadProof::Algorithm), "{alg}");
    }
    for (name, value) in [("crit", json!(["exp"])), ("x5c", json!([])), ("jku", json!("https://a.example"))] {
        assert_eq!(bench.with_header(name, value), Err(BadProof::Header), "{name}");
    }
    assert_eq!(bench.with_header("alg", json!("EdDSA")), Err(BadProof::Key), "a key of another kind");
    assert_eq!(bench.with_header("alg", json!("Ed25519")), Err(BadProof::Key), "by its other name");
    let mut private = bench.header["jwk"].clone();
    private["d"] = json!("AQAB");
    for jwk in [private, json!({ "kty": "oct", "k": "AQAB" }), json!(null), json!("a key")] {
        assert_eq!(bench.with_header("jwk", jwk), Err(BadProof::Key));
    }
    let other = Bench::new().header["jwk"].clone();
    assert_eq!(bench.with_header("jwk", other), Err(BadProof::Signature));
}

#[test]
fn rfc_9449_section_4_3_a_proof_is_for_this_request_at_this_time() {
    let bench = Bench::new();
    for htm in [json!("POST"), json!("get"), json!(null)] {
        assert!(bench.with_claim("htm", htm).is_err());
    }
    for htu in [
        "https://id.example/v1/whoami?a=b",
        "https://id.example/v1/whoami#f",
        "HTTPS://ID.example:443/v1/./whoami",
    ] {
        assert!(bench.with_claim("htu", json!(htu)).is_ok(), "{htu}");
    }
    for htu in [
        "https://id.example/v1/products",
        "https://id.example/v1/whoami/",
        "https://id.example:8443/v1/whoami",
        "http://id.example/v1/whoami",
        "https://other.example/v1/whoami",
        "/v1/whoami",
    ] {
        assert_eq!(bench.with_claim("htu", json!(htu)), Err(BadProof::Request), "{htu}");
    }
    for (iat, expected) in [(NOW - 60, true), (NOW + 60, true), (NOW - 61, false), (NOW + 61, false)] {
        assert_eq!(bench.with_claim("iat", json!(iat)).is_ok(), expected, "{iat}");
    }
    for (name, value) in [("iat", json!("now")), ("jti", json!("")), ("jti", json!("j".repeat(256)))] {
        assert_eq!(bench.with_claim(name, value), Err(BadProof::Claims), "{name}");
    }
    assert_eq!(bench.with_claim("ath", json!(hash_of("another"))), Err(BadProof::Token));
    assert_eq!(bench.with_claim("ath", json!(null)), Err(BadProof::Token));
    assert_eq!(bench.with_claim("nonce", json!(null)), Err(BadProof::Nonce));
    assert_eq!(bench.with_claim("nonce", json!("made up")), Err(BadProof::Nonce));
}
