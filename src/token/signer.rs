//! Signing keys: parsed once, with everything prepared that a signature does not change.
//!
//! `aws-lc-rs` signs, because RSA takes 0.25 ms there and 0.6 ms in *ring*, and because it wipes
//! its keys when they are dropped. A signing key cannot be printed, copied or taken apart.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::verifying::{Jwk, VerifyingKey};
use super::{ACCESS_TOKEN_TYPE, MAX_TOKEN_BYTES};
use crate::domain::algorithm::Algorithm;
use crate::domain::public_key::PublicKey;

/// A private key that signs with one algorithm: access tokens, and what is told of them.
pub struct SigningKey {
    pair: KeyPair,
    verifying: VerifyingKey,
    /// The header of an access token, encoded, with the dot that follows it.
    start: String,
    /// Bytes of the encoded signature.
    signature_length: usize,
}

enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The key material is not a private key of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key for {algorithm}")]
pub struct UnusableKey {
    /// The algorithm it was to be used for.
    pub algorithm: Algorithm,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Claims,
    /// The token would be longer than what is read again.
    #[error("it would be longer than what is read again")]
    TooLong,
    /// The library refused.
    #[error("signing failed")]
    Signature,
}

impl SigningKey {
    /// Makes a new key (RSA: 2048 bits), and its PKCS#8 DER to be sealed and stored.
    ///
    /// # Errors
    /// [`UnusableKey`] when the library cannot make one.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Zeroizing<Vec<u8>>), UnusableKey> {
        let unusable = |_| UnusableKey { algorithm };
        let der = generate_pkcs8(algorithm).map_err(unusable)?;
        Ok((Self::from_pkcs8(algorithm, &der)?, der))
    }

    /// Reads a stored key (PKCS#8 DER).
    ///
    /// # Errors
    /// [`UnusableKey`] when it is not a key for this algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, UnusableKey> {
        let unusable = |_: KeyRejected| UnusableKey { algorithm };
        let pair = KeyPair::from_pkcs8(algorithm, der).map_err(unusable)?;
        let public = pair.public_key().ok_or(UnusableKey { algorithm })?;
        let verifying = VerifyingKey::new(algorithm, public);
        Ok(Self {
            start: start(ACCESS_TOKEN_TYPE, &verifying),
            signature_length: encoded_length(pair.signature_bytes()),
            verifying,
            pair,
        })
    }

    /// The key's name, see [`VerifyingKey::kid`].
    #[must_use]
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// The algorithm it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// The public half, for the JWKS.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        self.verifying.to_jwk()
    }

    /// The public half, for verifying.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Makes an access token: a JWS in compact serialization (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`SignError`]
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SignError> {
        self.compact(&self.start, claims, MAX_TOKEN_BYTES)
    }

    /// Signs something else, whose header says what it is, of so many bytes at most.
    ///
    /// # Errors
    /// [`SignError`]
    pub(super) fn sign_as(
        &self,
        typ: &str,
        claims: &impl Serialize,
        most_bytes: usize,
    ) -> Result<String, SignError> {
        self.compact(&start(typ, &self.verifying), claims, most_bytes)
    }

    fn compact(&self, start: &str, claims: &impl Serialize, most_bytes: usize) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        let length = start.len() + encoded_length(payload.len()) + 1 + self.signature_length;
        if length > most_bytes {
            return Err(SignError::TooLong);
        }
        let mut token = String::with_capacity(length);
        token.push_str(start);
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes()).map_err(|_| SignError::Signature)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

impl KeyPair {
    fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyRejected> {
        match algorithm {
            Algorithm::RS256 => RsaKeyPair::from_pkcs8(der).map(Self::Rsa),
            Algorithm::ES256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::P256)
            }
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519),
        }
    }

    fn public_key(&self) -> Option<PublicKey> {
        Some(match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                PublicKey::Rsa {
                    n: key.modulus().big_endian_without_leading_zero().to_vec(),
                    e: key.exponent().big_endian_without_leading_zero().to_vec(),
                }
            }
            Self::P256(pair) => PublicKey::P256(pair.public_key().as_ref().try_into().ok()?),
            Self::Ed25519(pair) => PublicKey::Ed25519(pair.public_key().as_ref().try_into().ok()?),
        })
    }

    fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len(),
            Self::P256(_) | Self::Ed25519(_) => 64,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let rng = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&rng, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}

fn generate_pkcs8(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let rng = SystemRandom::new();
    let der = match algorithm {
        Algorithm::RS256 => {
            let der: Pkcs8V1Der = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
            der.as_ref().to_vec()
        }
        Algorithm::ES256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng)?.as_ref().to_vec()
        }
        Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&rng)?.as_ref().to_vec(),
    };
    Ok(Zeroizing::new(der))
}

/// A header, encoded, with the dot that follows it.
fn start(typ: &str, key: &VerifyingKey) -> String {
    // `kid` is base64url, and so needs no escaping.
    let header = format!(r#"{{"typ":"{typ}","alg":"{}","kid":"{}"}}"#, key.algorithm(), key.kid());
    URL_SAFE_NO_PAD.encode(header) + "."
}

/// Characters of unpadded base64url.
const fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_is_the_same_key() {
        for algorithm in Algorithm::ALL {
            let (made, der) = SigningKey::generate(algorithm).unwrap();
            let read = SigningKey::from_pkcs8(algorithm, &der).unwrap();
            assert_eq!(read.kid(), made.kid());
            assert_eq!(read.algorithm(), algorithm);
        }
    }

    #[test]
    fn a_key_serves_no_other_algorithm() {
        for made_for in Algorithm::ALL {
            let (_, der) = SigningKey::generate(made_for).unwrap();
            for algorithm in Algorithm::ALL {
                let read = SigningKey::from_pkcs8(algorithm, &der);
                assert_eq!(read.is_ok(), algorithm == made_for, "{made_for} {algorithm}");
            }
            let cut = SigningKey::from_pkcs8(made_for, &der[..der.len() - 1]);
            assert!(cut.is_err(), "{made_for}");
        }
    }

    #[test]
    fn a_token_is_allocated_once_and_never_longer_than_what_is_read() {
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let token = key.sign(&serde_json::json!({ "jti": "1" })).unwrap();
            assert_eq!(token.len(), token.capacity(), "{algorithm}");
            let padding = "x".repeat(MAX_TOKEN_BYTES);
            let refused = key.sign(&serde_json::json!({ "jti": padding }));
            assert_eq!(refused, Err(SignError::TooLong), "{algorithm}");
        }
    }

    #[test]
    fn neither_debug_nor_the_jwk_shows_anything_private() {
        for algorithm in Algorithm::ALL {
            let (key, _) = SigningKey::generate(algorithm).unwrap();
            let kid = key.kid();
            let shown = format!("{key:?}");
            let expected = format!("SigningKey {{ algorithm: {algorithm}, kid: \"{kid}\", .. }}");
            assert_eq!(shown, expected);

            let jwk = serde_json::to_value(key.public_jwk()).unwrap();
            let mut members: Vec<_> = jwk.as_object().unwrap().keys().cloned().collect();
            members.sort();
            let expected = match algorithm {
                Algorithm::RS256 => "alg e kid kty n use",
                Algorithm::ES256 => "alg crv kid kty use x y",
                Algorithm::EdDSA => "alg crv kid kty use x",
            };
            assert_eq!(members.join(" "), expected);
        }
    }
}
