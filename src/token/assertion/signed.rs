//! A compact JWS that somebody else has signed (RFC 7515 §5.2), read strictly: clients' assertions, workloads' tokens.
//!
//! It brings no key along, and the *key* decides the algorithm. Reading comes before verifying, because only what it says of
//! itself tells whose keys to look at; nothing is believed before.

use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use serde_json::Value;

use super::BadAssertion;
use super::claims::Claims;
use super::unique::Members;
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::public_key::PublicKey;
use crate::domain::record::ClientKeyPart;
use crate::token::jws::{decode, is_type, split};

/// The most bytes of an assertion.
pub const MAX_ASSERTION_BYTES: usize = 8 * 1024;
/// What would bring a key along, or change what the signature is of (RFC 7515 §4.1), in any JWT.
pub(in crate::token) const REFUSED_ANYWHERE: [&str; 5] = ["crit", "jku", "x5c", "x5u", "b64"];
/// The same, which the kinds that are read here have not either.
const REFUSED_BESIDES: &str = "jwk";

/// What was signed, and what its header says of how. Whether somebody has signed it is another question.
pub struct Signed {
    pub(super) text: String,
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: AssertionAlgorithm,
    pub(super) kid: Option<String>,
}

impl Signed {
    /// Reads header and payload. Without a word of its type it is a JWT like any; another type must be one of these.
    pub(in crate::token) fn read(compact: &str, types: &[&str]) -> Result<(Self, Claims), BadAssertion> {
        if compact.len() > MAX_ASSERTION_BYTES {
            return Err(BadAssertion::TooLong);
        }
        let (signed, header, payload, signature) = split(compact).ok_or(BadAssertion::NotCompact)?;
        let part = |part| decode(part).map_err(|_| BadAssertion::NotCompact);
        let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
        let (algorithm, kid) = read_header(&header, types)?;
        let claims = Claims::read(&payload)?;
        Ok((Self { text: signed.to_owned(), signature, algorithm, kid }, claims))
    }

    /// What it says it is signed with.
    #[must_use]
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    /// The key of these that has signed it: the one that it names, or any when it names none.
    #[must_use]
    pub fn signer<'k>(&self, keys: &'k [ClientKeyPart]) -> Option<&'k ClientKeyPart> {
        keys.iter().find(|key| self.may_be_of(key) && self.is_signed_by(&key.key))
    }

    /// Whether other keys could not help: one of these has the name that it gives or, when it gives none, has signed it.
    #[must_use]
    pub fn is_settled_by(&self, keys: &[ClientKeyPart]) -> bool {
        self.kid.is_some() && keys.iter().any(|key| self.may_be_of(key)) || self.signer(keys).is_some()
    }

    /// Verifies it with a key that nobody has: that a client is not known takes as long as that its key is another.
    pub fn verify_nothing(&self) {
        /// The point that generates the group; whoever knows its private half knows that of no client.
        const NOBODY: [u8; 32] = [
            0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
            0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        ];
        let _ = UnparsedPublicKey::new(&ED25519, NOBODY).verify(self.text.as_bytes(), &[0; 64]);
    }

    fn may_be_of(&self, key: &ClientKeyPart) -> bool {
        let named = match (&self.kid, &key.kid) {
            (None, _) => true,
            (Some(named), Some(kid)) => named == kid,
            // A key without a name goes by its thumbprint (RFC 7638 §3.1).
            (Some(named), None) => *named == key.key.members().thumbprint(),
        };
        named && self.algorithm.suits(&key.key) && key.alg.is_none_or(|alg| alg == self.algorithm)
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        is_signed(key, self.algorithm, self.text.as_bytes(), &self.signature)
    }
}

/// Whether this key has signed the message with this algorithm, which is one of its kind.
pub(in crate::token) fn is_signed(
    key: &PublicKey,
    algorithm: AssertionAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let verified = match (key, algorithm) {
        (PublicKey::Rsa { n, e }, _) => {
            let Some(scheme) = rsa_scheme(algorithm) else { return false };
            PublicKeyComponents { n, e }.verify(scheme, message, signature)
        }
        (PublicKey::P256(point), AssertionAlgorithm::ES256) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
        }
        (PublicKey::P384(point), AssertionAlgorithm::ES384) => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
        }
        (PublicKey::Ed25519(key), AssertionAlgorithm::EdDSA) => {
            UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
        }
        _ => return false,
    };
    verified.is_ok()
}

/// RFC 7518 §3.3 and §3.5.
fn rsa_scheme(algorithm: AssertionAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        AssertionAlgorithm::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        AssertionAlgorithm::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        AssertionAlgorithm::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        AssertionAlgorithm::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        AssertionAlgorithm::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
        AssertionAlgorithm::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
        AssertionAlgorithm::ES256 | AssertionAlgorithm::ES384 | AssertionAlgorithm::EdDSA => None,
    }
}

fn read_header(json: &[u8], types: &[&str]) -> Result<(AssertionAlgorithm, Option<String>), BadAssertion> {
    let Members(mut header) = serde_json::from_slice(json).map_err(|_| BadAssertion::Header)?;
    if REFUSED_ANYWHERE.iter().chain([&REFUSED_BESIDES]).any(|name| header.contains_key(*name)) {
        return Err(BadAssertion::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if types.iter().any(|known| is_type(typ, known)) => {}
        Some(_) => return Err(BadAssertion::Type),
    }
    let kid = match header.remove("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid),
        Some(_) => return Err(BadAssertion::Header),
    };
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(AssertionAlgorithm::named);
    Ok((algorithm.ok_or(BadAssertion::Algorithm)?, kid))
}
