//! What an access token says (RFC 9068 §2.2), and whether it still holds.
//!
//! Everything a verifier far away needs is in here, for it asks nobody. What is *not* in here is
//! whether the key behind the token is still good: that changes while a token lives.

use serde::{Deserialize, Serialize};

use super::act::{Actor, Actors};
use super::rejected::Rejected;
use crate::domain::credential_id::CredentialId;

/// How far the clocks of two instances may differ, in seconds. It is granted to `iat` alone: a
/// token never lives past its `exp`.
pub const CLOCK_SKEW_SECONDS: i64 = 5;

/// The claims of an access token. Times are `NumericDate`: whole seconds since 1970 (RFC 7519 §2).
///
/// Reading is strict: another member, a missing one or one that comes twice, and it is no token
/// of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessClaims {
    /// Who issued the token: the issuer URL of the metadata, byte for byte.
    pub iss: String,
    /// Whom it speaks for. No user is involved, so it is the client (RFC 9068 §2.2), `client_id`, unless somebody else acts.
    pub sub: String,
    /// The API it is meant for.
    pub aud: Audience,
    /// The first second at which it is no longer good.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own name, never used twice.
    pub jti: String,
    /// The service account that asked for it (RFC 8693 §4.3).
    pub client_id: String,
    /// What was asked for, separated by spaces (RFC 8693 §4.2). May be empty.
    pub scope: String,
    /// The tenant it may act for.
    pub tsg_id: String,
    /// The API key that it was issued for; a management token has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_id: Option<String>,
    /// The product of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The roles its account holds in the tenant; left out where there are none (RFC 9068 §2.2.3.1), for some verifiers take an
    /// empty list for a mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What the subject proved itself by: when that is gone, online checks refuse the token.
    pub credential_id: CredentialId,
    /// What whoever sends the token has to show besides (RFC 7800 §3.1); of any other the token is no bearer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the subject; a token that a client has got for itself has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The `jti` of the token that it was exchanged for, and of that one's, and so on: who takes one of those back takes this
    /// one back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanged_from: Vec<String>,
    /// Where to see without asking us whether that is gone (draft-ietf-oauth-status-list §6.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TokenStatus>,
}

/// The `status` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenStatus {
    /// The only kind there is here.
    pub status_list: StatusListEntry,
}

/// One bit of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusListEntry {
    /// Which bit.
    pub idx: u32,
    /// Where the list is.
    pub uri: String,
}

/// What a token is bound to: a key, a certificate, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The RFC 7638 thumbprint of the key that proofs are signed with (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The SHA-256 of the client's certificate, as base64url (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

/// The `aud` claim: one audience, or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// Written as a string.
    One(String),
    /// Written as an array.
    Many(Vec<String>),
}

impl Audience {
    /// Whether the token is meant for this audience.
    #[must_use]
    pub fn includes(&self, audience: &str) -> bool {
        match self {
            Self::One(only) => only == audience,
            Self::Many(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl AccessClaims {
    /// Who acts for the subject, and who did before, the latest first.
    #[must_use]
    pub fn actors(&self) -> Actors<'_> {
        Actors::from(self.act.as_ref())
    }

    /// Its `jti`, and those of the tokens that it was exchanged from.
    pub fn jtis(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.jti).chain(&self.exchanged_from).map(String::as_str)
    }

    /// How it is to be sent (RFC 6749 §7.1, RFC 9449 §5).
    #[must_use]
    pub fn token_type(&self) -> &'static str {
        let by_proof = self.cnf.as_ref().is_some_and(|cnf| cnf.jkt.is_some());
        if by_proof { "DPoP" } else { "Bearer" }
    }

    /// Reads a payload whose signature was right.
    ///
    /// # Errors
    /// [`Rejected::Claims`]
    pub fn from_payload(json: &[u8]) -> Result<Self, Rejected> {
        // `serde` would take an array for a struct as well.
        if json.first() != Some(&b'{') {
            return Err(Rejected::Claims);
        }
        serde_json::from_slice(json).map_err(|_| Rejected::Claims)
    }

    /// Whether the token is the issuer's and its time is now. The audience is for the caller to
    /// check, with [`Audience::includes`]: only it knows what it protects.
    ///
    /// # Errors
    /// [`Rejected::WrongIssuer`], [`Rejected::Expired`], [`Rejected::IssuedInFuture`]
    pub fn check(&self, now_unix: i64, issuer: &str) -> Result<(), Rejected> {
        if self.iss != issuer {
            return Err(Rejected::WrongIssuer);
        }
        if self.exp <= now_unix {
            return Err(Rejected::Expired);
        }
        if self.iat > now_unix.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(Rejected::IssuedInFuture);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::{ISSUER, NOW, claims};

    #[test]
    fn a_token_holds_up_to_its_last_second_and_no_longer() {
        let claims = claims();
        assert_eq!(claims.check(claims.exp - 1, ISSUER), Ok(()));
        assert_eq!(claims.check(claims.exp, ISSUER), Err(Rejected::Expired));
        assert_eq!(claims.check(i64::MAX, ISSUER), Err(Rejected::Expired));
    }

    #[test]
    fn clocks_may_differ_by_the_named_skew_and_no_more() {
        let mut claims = claims();
        claims.iat = NOW + CLOCK_SKEW_SECONDS;
        assert_eq!(claims.check(NOW, ISSUER), Ok(()));
        claims.iat += 1;
        assert_eq!(claims.check(NOW, ISSUER), Err(Rejected::IssuedInFuture));
    }

    #[test]
    fn the_issuer_matches_byte_for_byte() {
        for other in ["", "https://ID.example", "https://id.example/", "id.example"] {
            let checked = claims().check(NOW, other);
            assert_eq!(checked, Err(Rejected::WrongIssuer), "{other}");
        }
    }

    #[test]
    fn an_audience_is_a_string_or_an_array() {
        let read = |json| serde_json::from_str::<Audience>(json);
        let one = read(r#""https://a.example""#).unwrap();
        let two = read(r#"["https://a.example","b"]"#).unwrap();
        assert_eq!(one, Audience::One("https://a.example".to_owned()));
        assert!(one.includes("https://a.example") && !one.includes("b"));
        assert!(two.includes("https://a.example") && two.includes("b"));
        assert!(!two.includes("https://a.example/") && !two.includes(""));
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"["https://a.example","b"]"#);
        for json in ["null", "1", "{}", "[1]", r#"[["b"]]"#, r#"{"One":"b"}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_management_token_does_not_mention_a_key() {
        let mut claims = claims();
        assert!(serde_json::to_string(&claims).unwrap().contains("api_key_id"));
        claims.api_key_id = None;
        claims.product = None;
        let json = serde_json::to_string(&claims).unwrap();
        assert!(!json.contains("api_key_id") && !json.contains("product"));
        assert_eq!(AccessClaims::from_payload(json.as_bytes()), Ok(claims));
    }
}
