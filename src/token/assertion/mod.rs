//! A client's assertion (RFC 7523 §2.2 and §3), read strictly.
//!
//! It is a compact JWS of another kind than our tokens: signed by the client, with an algorithm that its *key* decides. It
//! brings no key along, names exactly one audience, which is the issuer (the address of an endpoint is none: who runs
//! another server could forward what was meant for it), and lives for five minutes at most. Reading comes before
//! verifying, because only what it says of itself tells whose keys to look at; nothing is believed before.

use super::claims::CLOCK_SKEW_SECONDS;
use crate::domain::assertion::AssertionAlgorithm;

mod bad;
mod claims;
mod signed;
mod unique;

pub use bad::BadAssertion;
pub(super) use claims::{Claims, Times, numeric_date};
pub use signed::{MAX_ASSERTION_BYTES, Signed};
pub(super) use signed::{REFUSED_ANYWHERE, is_signed};
pub(super) use unique::Members;

/// How far ahead its end may be, seconds. Clocks may differ besides.
pub const LONGEST_ASSERTION_SECONDS: i64 = 300;
/// How far ahead its beginning may be, seconds (FAPI 2.0 §5.3.2.1 asks for ten).
const AHEAD_SECONDS: i64 = 10;
/// What its header may call it. Without a word it is a JWT like any.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// An assertion that says what it must. Whether its client has signed it is another question.
pub struct Assertion {
    signed: Signed,
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
        let (signed, claims) = Signed::read(compact, &TYPES)?;
        Ok(Self {
            signed,
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
        self.signed.algorithm()
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

    /// What was signed, and by whom it may have been.
    #[must_use]
    pub fn signed(&self) -> &Signed {
        &self.signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn times(exp: i64, iat: Option<i64>, nbf: Option<i64>) -> Result<(), BadAssertion> {
        let assertion = Assertion {
            signed: Signed {
                text: String::new(),
                signature: vec![],
                algorithm: AssertionAlgorithm::EdDSA,
                kid: None,
            },
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
