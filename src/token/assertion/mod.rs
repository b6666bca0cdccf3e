//! A client's assertion (RFC 7523 §2.2 and §3), read strictly.
//!
//! It is a compact JWS of another kind than our tokens: signed by the client, with an algorithm that its *key* decides. It
//! brings no key along, names exactly one audience, which is the issuer (the address of an endpoint is none: who runs
//! another server could forward what was meant for it), and lives for five minutes at most. Reading comes before
//! verifying, because only what it says of itself tells whose keys to look at; nothing is believed before.

use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use serde_json::Value;

use super::claims::CLOCK_SKEW_SECONDS;
use super::jws::{decode, is_type, split};
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::public_key::PublicKey;
use crate::domain::record::ClientKeyPart;

mod bad;
pub(super) mod claims;

pub use bad::BadAssertion;
use claims::{Claims, Members, Times};

/// The most bytes of an assertion.
pub const MAX_ASSERTION_BYTES: usize = 8 * 1024;
/// How far ahead its end may be, seconds. Clocks may differ besides.
pub const LONGEST_ASSERTION_SECONDS: i64 = 300;
/// How far ahead its beginning may be, seconds (FAPI 2.0 §5.3.2.1 asks for ten).
const AHEAD_SECONDS: i64 = 10;
/// What its header may call it. Without a word it is a JWT like any.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];
/// What would bring a key along, or change what the signature is of (RFC 7515 §4.1).
const REFUSED_IN_HEADER: [&str; 6] = ["crit", "jwk", "jku", "x5c", "x5u", "b64"];
/// The same, of a JWT whose kind brings its key along as a `jwk`.
pub(super) const REFUSED_ANYWHERE: [&str; 5] = ["crit", "jku", "x5c", "x5u", "b64"];

/// An assertion that says what it must. Whether its client has signed it is another question.
pub struct Assertion {
    signed: String,
    signature: Vec<u8>,
    algorithm: AssertionAlgorithm,
    kid: Option<String>,
    client_id: String,
    audience: Vec<String>,
    audience_is_text: bool,
    times: Times,
    jti: String,
}

/// Whoever sees it could use it before its client does.
impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Assertion {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadAssertion`], the first thing that is wrong.
    pub fn read(compact: &str) -> Result<Self, BadAssertion> {
        if compact.len() > MAX_ASSERTION_BYTES {
            return Err(BadAssertion::TooLong);
        }
        let (signed, header, payload, signature) = split(compact).ok_or(BadAssertion::NotCompact)?;
        let part = |part| decode(part).map_err(|_| BadAssertion::NotCompact);
        let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
        let (algorithm, kid) = read_header(&header)?;
        let claims = Claims::read(&payload)?;
        Ok(Self {
            signed: signed.to_owned(),
            signature,
            algorithm,
            kid,
            client_id: claims.client_id()?,
            audience: claims.audience()?,
            audience_is_text: claims.audience_is_text(),
            times: claims.times()?,
            jti: claims.jti()?,
        })
    }

    /// Whose it says it is: `iss` and `sub`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What it says it is signed with.
    #[must_use]
    pub fn algorithm(&self) -> AssertionAlgorithm {
        self.algorithm
    }

    /// Its own name, not to be seen twice.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// The first second at which it is no longer good.
    #[must_use]
    pub fn ends_at(&self) -> i64 {
        self.times.exp
    }

    /// Whether it names this audience and no other.
    ///
    /// # Errors
    /// [`BadAssertion::Audience`]
    pub fn check_audience(&self, issuer: &str) -> Result<(), BadAssertion> {
        if self.audience == [issuer] { Ok(()) } else { Err(BadAssertion::Audience) }
    }

    /// Whether its audience is a text, and no list of one (FAPI 2.0 §5.3.2.1).
    #[must_use]
    pub fn audience_is_text(&self) -> bool {
        self.audience_is_text
    }

    /// Whether its time is now.
    ///
    /// # Errors
    /// [`BadAssertion::Expired`], [`BadAssertion::TooLongLived`], [`BadAssertion::NotYet`]
    pub fn check_time(&self, now_unix: i64) -> Result<(), BadAssertion> {
        let Times { exp, iat, nbf } = self.times;
        let latest = now_unix.saturating_add(CLOCK_SKEW_SECONDS);
        if exp <= now_unix {
            Err(BadAssertion::Expired)
        } else if exp > latest.saturating_add(LONGEST_ASSERTION_SECONDS) {
            Err(BadAssertion::TooLongLived)
        } else if iat.max(nbf).is_some_and(|from| from > now_unix.saturating_add(AHEAD_SECONDS)) {
            Err(BadAssertion::NotYet)
        } else {
            Ok(())
        }
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
        let _ = UnparsedPublicKey::new(&ED25519, NOBODY).verify(self.signed.as_bytes(), &[0; 64]);
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
        is_signed(key, self.algorithm, self.signed.as_bytes(), &self.signature)
    }
}

/// Whether this key has signed the message with this algorithm, which is one of its kind.
pub(super) fn is_signed(
    key: &PublicKey,
    algorithm: AssertionAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let verified = match (key, algorithm) {
        (PublicKey::Rsa { n, e }, AssertionAlgorithm::RS256) => {
            PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        }
        (PublicKey::Rsa { n, e }, AssertionAlgorithm::PS256) => {
            PublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
        }
        (PublicKey::P256(point), AssertionAlgorithm::ES256) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
        }
        (PublicKey::Ed25519(key), AssertionAlgorithm::EdDSA) => {
            UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
        }
        _ => return false,
    };
    verified.is_ok()
}

fn read_header(json: &[u8]) -> Result<(AssertionAlgorithm, Option<String>), BadAssertion> {
    let Members(mut header) = serde_json::from_slice(json).map_err(|_| BadAssertion::Header)?;
    if REFUSED_IN_HEADER.iter().any(|name| header.contains_key(*name)) {
        return Err(BadAssertion::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if TYPES.iter().any(|known| is_type(typ, known)) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn times(exp: i64, iat: Option<i64>, nbf: Option<i64>) -> Result<(), BadAssertion> {
        let assertion = Assertion {
            signed: String::new(),
            signature: vec![],
            algorithm: AssertionAlgorithm::EdDSA,
            kid: None,
            client_id: "c".into(),
            audience: vec![],
            audience_is_text: false,
            times: Times { exp, iat, nbf },
            jti: "j".into(),
        };
        assertion.check_time(NOW)
    }

    #[test]
    fn rfc_7523_section_3_its_time_is_five_minutes_and_the_skew_of_clocks() {
        assert_eq!(times(NOW + 1, Some(NOW), None), Ok(()));
        assert_eq!(times(NOW, None, None), Err(BadAssertion::Expired));
        assert_eq!(times(NOW + 305, None, None), Ok(()));
        assert_eq!(times(NOW + 306, None, None), Err(BadAssertion::TooLongLived));
        assert_eq!(times(i64::MAX, None, None), Err(BadAssertion::TooLongLived));
        for (iat, nbf) in [(Some(NOW + 10), None), (None, Some(NOW + 10)), (Some(0), Some(0))] {
            assert_eq!(times(NOW + 60, iat, nbf), Ok(()));
        }
        for (iat, nbf) in [(Some(NOW + 11), None), (None, Some(NOW + 11)), (Some(NOW), Some(NOW + 11))] {
            assert_eq!(times(NOW + 60, iat, nbf), Err(BadAssertion::NotYet));
        }
    }

    #[test]
    fn a_key_that_nobody_has_verifies_nothing() {
        let forged = Assertion::read("e30.e30.AA");
        assert_eq!(forged.map(drop), Err(BadAssertion::Algorithm));
    }
}
