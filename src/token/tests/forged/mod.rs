//! A table of forgeries. Each is one twist away from a token that is accepted, and is refused
//! for exactly that twist: whatever can be right about it is right, its signature included.

mod claims;
mod headers;
mod signatures;
mod texts;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair,
};

use super::*;
use crate::token::accepted::AcceptedTokens;
use crate::token::rejected::Rejected;

/// Somebody else's keys.
static STRANGER: LazyLock<Bench> = LazyLock::new(Bench::new);

/// A token before it is put together.
struct Draft {
    algorithm: Algorithm,
    header: String,
    payload: String,
    sign: fn(&str) -> Vec<u8>,
}

impl Draft {
    fn good(algorithm: Algorithm) -> Self {
        let kid = OURS.key(algorithm).kid();
        Self {
            algorithm,
            header: format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#),
            payload: serde_json::to_string(&super::claims()).unwrap(),
            sign: match algorithm {
                Algorithm::RS256 => |text| rsa(&OURS, &RSA_PKCS1_SHA256, text),
                Algorithm::ES256 => |text| p256(&OURS, text),
                Algorithm::EdDSA => |text| ed25519(&OURS, text),
            },
        }
    }

    fn compact(&self) -> String {
        let signed = format!("{}.{}", base64(&self.header), base64(&self.payload));
        let signature = (self.sign)(&signed);
        format!("{signed}.{}", base64(&signature))
    }
}

/// What is wrong with a forgery.
enum Twist {
    /// Replaced in the header, before signing.
    Header(&'static str, &'static str),
    /// Replaced in the payload, before signing.
    Payload(&'static str, &'static str),
    /// Any change before signing.
    Draft(fn(&mut Draft)),
    /// A change of the finished text.
    Text(fn(String) -> String),
}

struct Row(&'static str, Algorithm, Rejected, Twist);

impl Row {
    fn forge(&self) -> String {
        let mut draft = Draft::good(self.1);
        match self.3 {
            Twist::Header(from, to) => draft.header = draft.header.replacen(from, to, 1),
            Twist::Payload(from, to) => draft.payload = draft.payload.replacen(from, to, 1),
            Twist::Draft(twist) => twist(&mut draft),
            Twist::Text(twist) => return twist(draft.compact()),
        }
        draft.compact()
    }
}

/// Fails unless every good twin is accepted and every forgery refused for its own reason.
fn judge(rows: &[Row]) {
    let tokens = AcceptedTokens::new();
    let accept = |token: &str| tokens.accept(token, &OURS.keyring, NOW, ISSUER).map(drop);
    let mut wrong = Vec::new();
    for row in rows {
        let Row(name, algorithm, expected, _) = row;
        let draft = Draft::good(*algorithm);
        let (twin, forged) = (draft.compact(), row.forge());
        assert_eq!(accept(&twin), Ok(()), "the good twin of: {name}");
        assert_ne!(forged, twin, "the twist does nothing: {name}");
        let verdict = accept(&forged);
        if verdict != Err(*expected) {
            wrong.push(format!("{name}: {verdict:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(bench: &Bench, encoding: &'static dyn RsaEncoding, text: &str) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(bench.der(Algorithm::RS256)).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let rng = SystemRandom::new();
    pair.sign(encoding, &rng, text.as_bytes(), &mut signature).unwrap();
    signature
}

fn p256(bench: &Bench, text: &str) -> Vec<u8> {
    let rng = SystemRandom::new();
    let der = bench.der(Algorithm::ES256);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &rng).unwrap();
    pair.sign(&rng, text.as_bytes()).unwrap().as_ref().to_vec()
}

fn ed25519(bench: &Bench, text: &str) -> Vec<u8> {
    let pair = Ed25519KeyPair::from_pkcs8(bench.der(Algorithm::EdDSA)).unwrap();
    pair.sign(text.as_bytes()).as_ref().to_vec()
}
