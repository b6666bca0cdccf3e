//! Reading a form by the letter of RFC 6749 §3.2 and Appendix B: known parameters once, empty ones as
//! if they were not there, unknown ones ignored. And the two places that credentials may stand in.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use crate::issue::{PresentedSecret, TokenError};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parameters that mean something at the token endpoint.
#[derive(Default, Debug)]
pub(super) struct TokenForm {
    pub grant_type: Option<String>,
    pub scope: Option<String>,
    pub resource: Option<String>,
    client_id: Option<String>,
    client_secret: Option<PresentedSecret>,
}

/// Who the client says it is, and by which means.
#[derive(Debug)]
pub(super) struct ClientCredentials {
    pub client_id: String,
    pub client_secret: PresentedSecret,
}

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
                "client_id" => form.client_id.replace(value.into_owned()).is_some(),
                "client_secret" => {
                    form.client_secret.replace(PresentedSecret::new(value.into_owned())).is_some()
                }
                "resource" if form.resource.replace(value.into_owned()).is_some() => {
                    return Err(TokenError::InvalidTarget);
                }
                _ => false,
            };
            if repeated {
                return Err(TokenError::InvalidRequest("A parameter is repeated"));
            }
        }
        Ok(form)
    }

    /// The credentials, from the header or the body but not from both (RFC 6749 §2.3).
    pub fn credentials(&mut self, headers: &HeaderMap) -> Result<ClientCredentials, TokenError> {
        let mut authorization = headers.get_all(AUTHORIZATION);
        match (authorization.next(), authorization.next(), self.client_secret.take()) {
            (Some(_), Some(_), _) => Err(TokenError::InvalidRequest("Two Authorization headers")),
            (Some(_), None, Some(_)) => {
                Err(TokenError::InvalidRequest("Authenticate by the header or by the body, not by both"))
            }
            (Some(header), None, None) => {
                let basic = header.to_str().ok().and_then(basic).ok_or(TokenError::InvalidClient)?;
                // Many clients repeat their id in the body; another one there is a second identity.
                match self.client_id.take() {
                    Some(other) if other != basic.client_id => {
                        Err(TokenError::InvalidRequest("The body names another client than the header"))
                    }
                    _ => Ok(basic),
                }
            }
            (None, _, Some(client_secret)) => {
                let client_id = self.client_id.take().ok_or(TokenError::InvalidClient)?;
                Ok(ClientCredentials { client_id, client_secret })
            }
            (None, _, None) => Err(TokenError::InvalidClient),
        }
    }
}

/// Basic authentication in any of the encodings found in the field: split at the first colon, then
/// each half percent-decoded. Ids and secrets here have no character that encoding would change,
/// so raw and encoded are the same bytes.
fn basic(header: &str) -> Option<ClientCredentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = pair.split_once(':')?;
    Some(ClientCredentials {
        client_id: percent_decoded(client_id)?,
        client_secret: PresentedSecret::new(percent_decoded(client_secret)?),
    })
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
            assert_eq!(basic(&header(sent)).expect(sent).client_id, id);
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
}
