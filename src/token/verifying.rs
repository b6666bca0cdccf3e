//! The public half of a signing key: its JWK, its name, and verification with *ring*.
//!
//! The key decides the algorithm. There is no way to ask a key to verify with another one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Serialize;

use super::rejected::Rejected;
use crate::domain::algorithm::Algorithm;

/// A public key that verifies signatures of one algorithm.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: String,
    public: PublicKey,
}

/// The raw public key, in the form *ring* takes it: there is nothing left to parse.
#[derive(Clone, Debug)]
pub(super) enum PublicKey {
    /// Big-endian without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point, `04 ‖ x ‖ y`.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

/// A public key as it stands in a JWKS (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). It has no
/// member for anything private.
#[derive(Clone, Debug, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    public: PublicMembers,
    kid: String,
    alg: Algorithm,
    #[serde(rename = "use")]
    public_key_use: &'static str,
}

/// Members as base64url.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kty")]
enum PublicMembers {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    P256 { crv: &'static str, x: String, y: String },
    #[serde(rename = "OKP")]
    Ed25519 { crv: &'static str, x: String },
}

impl VerifyingKey {
    pub(super) fn new(public: PublicKey) -> Self {
        let kid = public.members().thumbprint();
        Self { kid, public }
    }

    /// The key's name: its RFC 7638 thumbprint, so that equal keys have equal names everywhere.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The only algorithm this key verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.public {
            PublicKey::Rsa { .. } => Algorithm::RS256,
            PublicKey::P256(_) => Algorithm::ES256,
            PublicKey::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// The key for a JWKS.
    #[must_use]
    pub fn to_jwk(&self) -> Jwk {
        Jwk {
            public: self.public.members(),
            kid: self.kid.clone(),
            alg: self.algorithm(),
            public_key_use: "sig",
        }
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`Rejected::BadSignature`]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        match &self.public {
            PublicKey::Rsa { n, e } => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            PublicKey::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            PublicKey::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        }
        .map_err(|_| Rejected::BadSignature)
    }
}

impl PublicKey {
    fn members(&self) -> PublicMembers {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => PublicMembers::Rsa { n: base64(n), e: base64(e) },
            Self::P256(point) => {
                PublicMembers::P256 { crv: "P-256", x: base64(&point[1..33]), y: base64(&point[33..]) }
            }
            Self::Ed25519(key) => PublicMembers::Ed25519 { crv: "Ed25519", x: base64(key) },
        }
    }
}

impl PublicMembers {
    /// RFC 7638 §3: SHA-256 over the required members, sorted by name, without white space.
    fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::P256 { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519 { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 §3.1
    #[test]
    fn the_thumbprint_is_the_one_of_the_rfc() {
        let members = PublicMembers::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc\
                _BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ\
                R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF\
                TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
                .to_owned(),
            e: "AQAB".to_owned(),
        };
        let published = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(members.thumbprint(), published);
    }

    /// RFC 8037 §A.2, §A.3 and §A.4
    #[test]
    fn the_ed25519_key_signature_and_thumbprint_are_those_of_the_rfc() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let bytes = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
        let key = VerifyingKey::new(PublicKey::Ed25519(bytes));
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = URL_SAFE_NO_PAD
            .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
            .unwrap();
        assert_eq!(key.verify(message, &signature), Ok(()));
        assert_eq!(key.verify(&message[1..], &signature), Err(Rejected::BadSignature));
    }
}
