//! What is told of a token: its claims and that it is good (RFC 7662 §2.2), or that it is not and nothing else; plain, or
//! signed for whoever has to prove later what he was told (RFC 9701).

use serde::Serialize;

use super::MAX_TOKEN_BYTES;
use super::claims::AccessClaims;
use super::signer::{SignError, SigningKey};

/// The `typ` of a signed answer (RFC 9701 §5), so that it passes for no other kind of JWT.
pub const INTROSPECTION_TYPE: &str = "token-introspection+jwt";
/// What a signed answer has around what it says.
const MOST_BYTES: usize = 2 * MAX_TOKEN_BYTES;

/// An answer. Everything that the token says of itself is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Introspection<'a> {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(flatten)]
    claims: Option<&'a AccessClaims>,
}

impl<'a> Introspection<'a> {
    /// Of a token that is good, or of anything else.
    #[must_use]
    pub fn of(claims: Option<&'a AccessClaims>) -> Self {
        Self { active: claims.is_some(), token_type: claims.map(AccessClaims::token_type), claims }
    }

    /// Signed for this client. There is neither `sub` nor `exp` outside of `token_introspection`: who would take it for
    /// an access token finds nothing in it (RFC 9701 §5).
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, key: &SigningKey, iss: &str, aud: &str, iat: i64) -> Result<String, SignError> {
        #[derive(Serialize)]
        struct Signed<'a> {
            iss: &'a str,
            aud: &'a str,
            iat: i64,
            token_introspection: &'a Introspection<'a>,
        }
        let signed = Signed { iss, aud, iat, token_introspection: self };
        key.sign_as(INTROSPECTION_TYPE, &signed, MOST_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::token::keyring::Keyring;
    use crate::token::tests::{claims, entry};

    #[test]
    fn rfc_7662_section_2_2_inactive_says_nothing_else() {
        let inactive = serde_json::to_string(&Introspection::of(None)).unwrap();
        assert_eq!(inactive, r#"{"active":false}"#);
    }

    #[test]
    fn rfc_7662_section_2_2_active_says_what_the_token_says() {
        let claims = claims();
        let told = serde_json::to_value(Introspection::of(Some(&claims))).unwrap();
        let mut expected = serde_json::to_value(&claims).unwrap();
        expected["active"] = json!(true);
        expected["token_type"] = json!("Bearer");
        assert_eq!(told, expected);
    }

    /// RFC 9701 §8.1, and the other way round.
    #[test]
    fn rfc_9701_section_8_1_a_signed_answer_is_no_access_token() {
        let keyring = Keyring::new(vec![entry(Algorithm::RS256, true)]).unwrap();
        let key = keyring.signer(Algorithm::RS256).unwrap();
        let signed = Introspection::of(Some(&claims())).sign(key, "https://id.example", "a", 1).unwrap();
        assert_eq!(keyring.read(&signed).unwrap_err(), crate::token::rejected::Rejected::WrongType);
    }
}
