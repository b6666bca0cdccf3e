//! Reading a form by the letter of RFC 6749 §3.2 and Appendix B: known parameters once, empty ones as
//! if they were not there, unknown ones ignored. And the two places that credentials may stand in.

use std::fmt;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use crate::issue::{Presented, PresentedAssertion, PresentedSecret, TokenError};
use crate::token::certificate::ClientCertificate;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parameters that mean something at the endpoints that clients authenticate at.
#[derive(Default, Debug)]
pub(super) struct TokenForm {
    pub grant_type: Option<String>,
    pub scope: Option<String>,
    pub resource: Option<String>,
    /// RFC 7662 §2.1, RFC 7009 §2.1.
    pub token: Option<AskedToken>,
    client_id: Option<String>,
    client_secret: Option<PresentedSecret>,
    client_assertion_type: Option<String>,
    client_assertion: Option<PresentedAssertion>,
    hinted: bool,
    others: Others,
}

/// Parameters that mean something to one grant or to none, as they came. What is in them may be a token.
#[derive(Default)]
struct Others(Vec<(String, String)>);

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A token that is asked about. Cannot be printed: who has it is its bearer.
pub(super) struct AskedToken(pub String);

impl fmt::Debug for AskedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedToken(…)")
    }
}

/// The one kind of assertion there is (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl TokenForm {
    /// # Errors
    /// `invalid_request` for another content type and for a known parameter that comes twice;
    /// `invalid_target` for several resources, of which one token cannot be for all.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenError> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(TokenError::InvalidRequest("The body must be application/x-www-form-urlencoded"));
        }
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            if value.is_empty() {
                continue;
            }
            let repeated = match &*name {
                "grant_type" => form.grant_type.replace(value.into_owned()).is_some(),
                "scope" => form.scope.replace(value.into_owned()).is_some(),
                "token" => form.token.replace(AskedToken(value.into_owned())).is_some(),
                // There is one type of token here, so a hint changes nothing; twice it is an error all the same.
                "token_type_hint" => std::mem::replace(&mut form.hinted, true),
                "client_id" => form.client_id.replace(value.into_owned()).is_some(),
                "client_secret" => {
                    form.client_secret.replace(PresentedSecret::new(value.into_owned())).is_some()
                }
                "client_assertion_type" => form.client_assertion_type.replace(value.into_owned()).is_some(),
                "client_assertion" => {
                    form.client_assertion.replace(PresentedAssertion::new(value.into_owned())).is_some()
                }
                "resource" => match form.resource.replace(value.into_owned()) {
                    Some(_) => return Err(TokenError::InvalidTarget),
                    None => false,
                },
                _ => {
                    form.others.0.push((name.into_owned(), value.into_owned()));
                    false
                }
            };
            if repeated {
                return Err(TokenError::InvalidRequest("A parameter is repeated"));
            }
        }
        Ok(form)
    }

    /// A parameter of a grant's own, which comes once or not at all.
    pub fn only(&self, name: &str) -> Result<Option<&str>, TokenError> {
        let mut values = self.others.0.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| &**value);
        match values.next() {
            Some(_) => Err(TokenError::InvalidRequest("A parameter is repeated")),
            None => Ok(value),
        }
    }

    /// What the client proves itself by: in the header, or in the body by one of two means, but not by two at once
    /// (RFC 6749 §2.3); by its certificate, when it says who it is and nothing else (RFC 8705 §2).
    pub fn credentials(
        &mut self,
        headers: &HeaderMap,
        certificate: Option<&Arc<ClientCertificate>>,
    ) -> Result<Presented, TokenError> {
        let mut authorization = headers.get_all(AUTHORIZATION);
        let header = authorization.next();
        if authorization.next().is_some() {
            return Err(TokenError::InvalidRequest("Two Authorization headers"));
        }
        match (header, self.client_secret.take(), self.client_assertion()?) {
            (Some(header), None, None) => self.basic(header.to_str().ok().and_then(basic)),
            (None, Some(client_secret), None) => {
                let client_id = self.client_id.take().ok_or(TokenError::InvalidClient)?;
                Ok(Presented::Secret { client_id, client_secret })
            }
            (None, None, Some(assertion)) => {
                Ok(Presented::Assertion { client_id: self.client_id.take(), assertion })
            }
            (None, None, None) => Ok(match (self.client_id.take(), certificate) {
                (Some(client_id), Some(certificate)) => {
                    Presented::Certificate { client_id, certificate: Arc::clone(certificate) }
                }
                (client_id, _) => Presented::Nothing { client_id },
            }),
            (Some(_), Some(_), None) => {
                Err(TokenError::InvalidRequest("Authenticate by the header or by the body, not by both"))
            }
            (_, _, Some(_)) => {
                Err(TokenError::InvalidRequest("Authenticate by an assertion or by a secret, not by both"))
            }
        }
    }

    fn basic(&mut self, basic: Option<(String, PresentedSecret)>) -> Result<Presented, TokenError> {
        let (client_id, client_secret) = basic.ok_or(TokenError::InvalidClient)?;
        // Many clients repeat their id in the body; another one there is a second identity.
        match self.client_id.take() {
            Some(other) if other != client_id => {
                Err(TokenError::InvalidRequest("The body names another client than the header"))
            }
            _ => Ok(Presented::Secret { client_id, client_secret }),
        }
    }

    /// RFC 7521 §4.2: the assertion and its type come together. Another type is a method that is not served.
    fn client_assertion(&mut self) -> Result<Option<PresentedAssertion>, TokenError> {
        match (self.client_assertion.take(), self.client_assertion_type.take()) {
            (None, None) => Ok(None),
            (Some(assertion), Some(kind)) if kind == JWT_BEARER => Ok(Some(assertion)),
            (Some(_), Some(_)) => Err(TokenError::InvalidClient),
            _ => Err(TokenError::InvalidRequest("client_assertion and client_assertion_type come together")),
        }
    }
}

/// Basic authentication in any of the encodings found in the field: split at the first colon, then
/// each half percent-decoded. Ids and secrets here have no character that encoding would change,
/// so raw and encoded are the same bytes.
fn basic(header: &str) -> Option<(String, PresentedSecret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = pair.split_once(':')?;
    Some((percent_decoded(client_id)?, PresentedSecret::new(percent_decoded(client_secret)?)))
}

/// Decodes strictly: every `%` is followed by two hexadecimal digits.
fn percent_decoded(text: &str) -> Option<String> {
    let strict = text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut hex = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        hex() && hex()
    });
    if !strict {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> String {
        format!("Basic {}", BASE64.encode(value))
    }

    #[test]
    fn five_encodings_of_basic_are_one() {
        let id = "billing@1234567890.iam.carnet.local";
        for sent in [
            "billing@1234567890.iam.carnet.local:carnet_client_x",
            "billing%401234567890.iam.carnet.local:carnet_client_x",
            "billing%401234567890%2Eiam%2Ecarnet%2Elocal:carnet_client_x",
            "billing%401234567890.iam.carnet.local:carnet%5Fclient%5Fx",
            "billing@1234567890%2eiam.carnet.local:carnet_client%5fx",
        ] {
            assert_eq!(basic(&header(sent)).expect(sent).0, id);
        }
        assert!(basic(&header("a:b").replace("Basic", "bAsIc")).is_some(), "RFC 9110 §11.1");
        assert!(basic(header("a:bc").trim_end_matches('=')).is_some());
        assert_eq!(percent_decoded("a:b").as_deref(), Some("a:b"), "only the first colon splits");
    }

    #[test]
    fn malformed_basic_is_no_authentication() {
        for bad in
            ["Basic", "Basic !!!!", "Bearer YTpi", &header("no-colon"), &header("a%zz:b"), &header("a:%4")]
        {
            assert!(basic(bad).is_none(), "{bad}");
        }
        assert!(basic("Basic /w==").is_none(), "not UTF-8");
    }

    fn form(body: &str) -> Result<TokenForm, TokenError> {
        let mut headers = HeaderMap::new();
        let value = "application/x-www-form-urlencoded;charset=UTF-8".parse().expect("a header");
        headers.insert(CONTENT_TYPE, value);
        TokenForm::parse(&headers, body.as_bytes())
    }

    #[test]
    fn known_parameters_come_once_and_empty_ones_not_at_all() {
        let read = form("grant_type=client_credentials&scope=&client_info=1&client_info=1").expect("a form");
        assert_eq!(read.grant_type.as_deref(), Some("client_credentials"));
        assert_eq!(read.scope, None);
        for repeated in ["scope=a&scope=a", "grant_type=a&grant_type=b", "client_id=a&client_id=a"] {
            assert_eq!(form(repeated).err().map(|e| e.code()), Some("invalid_request"), "{repeated}");
        }
        assert_eq!(form("resource=a&resource=b").err(), Some(TokenError::InvalidTarget));
    }

    #[test]
    fn a_parameter_of_a_grant_s_own_is_nobody_s_business_until_it_is_asked_for() {
        let read = form("subject_token=a&audience=b&audience=b&assertion=").expect("a form");
        assert_eq!(read.only("subject_token"), Ok(Some("a")));
        assert_eq!((read.only("assertion"), read.only("actor_token")), (Ok(None), Ok(None)));
        assert_eq!(read.only("audience").map_err(|e| e.code()), Err("invalid_request"));
        assert!(!format!("{read:?}").contains("\"a\""), "{read:?}");
    }
}
