//! `jsonwebtoken` as a second opinion, both ways and for every algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::Value;

use super::*;
use crate::token::accepted::AcceptedTokens;

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.as_str().parse().unwrap()
}

fn encoding_key(algorithm: Algorithm) -> EncodingKey {
    let der = OURS.der(algorithm);
    match algorithm {
        Algorithm::RS256 => {
            let base64 = STANDARD.encode(der);
            let lines = base64.as_bytes().chunks(64);
            let lines: Vec<_> = lines.map(|l| std::str::from_utf8(l).unwrap()).collect();
            let body = lines.join("\n");
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
            EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
        }
        Algorithm::ES256 => EncodingKey::from_ec_der(der),
        Algorithm::EdDSA => EncodingKey::from_ed_der(der),
    }
}

#[test]
fn what_we_sign_they_read_with_nothing_but_our_jwks() {
    let jwks: JwkSet = serde_json::from_slice(OURS.keyring.jwks()).unwrap();
    assert_eq!(jwks.keys.len(), 3);
    for algorithm in Algorithm::ALL {
        let token = OURS.key(algorithm).sign(&claims()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(header.alg, theirs(algorithm));
        let jwk = jwks.find(header.kid.as_deref().unwrap()).unwrap();

        let mut validation = Validation::new(theirs(algorithm));
        // Theirs is the clock of the machine, ours is the test's.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&["https://wildfire.example"]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let read = decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(read, serde_json::to_value(claims()).unwrap(), "{algorithm}");
    }
}

#[test]
fn what_they_sign_we_read() {
    for algorithm in Algorithm::ALL {
        let mut header = Header::new(theirs(algorithm));
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(OURS.key(algorithm).kid().to_owned());
        let mut several = claims();
        several.aud = Audience::Many(vec!["https://wildfire.example".to_owned(), "b".to_owned()]);
        for claims in [claims(), several] {
            let token = encode(&header, &claims, &encoding_key(algorithm)).unwrap();
            let read = AcceptedTokens::new().accept(&token, &OURS.keyring, NOW, ISSUER);
            assert_eq!(*read.unwrap(), claims, "{algorithm}");
        }
    }
}
