//! Reading a compact JWS (RFC 7515 §5.2), strictly.
//!
//! Carnet verifies only what Carnet has signed, so there is nothing to be lenient about: one
//! spelling of base64url, three header members, each once, no extension (`crit`), no key that a
//! token brings along (`jwk`, `jku`, `x5c`, `x5u`), no algorithm but the key's own.
//! The signature is checked over the text as it came, before a byte of the payload is looked at.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::MAX_TOKEN_BYTES;
use super::rejected::Rejected;
use super::verifying::VerifyingKey;

/// A payload whose signature was right.
#[derive(Debug)]
pub struct Verified<'k> {
    /// The key that signed it.
    pub key: &'k VerifyingKey,
    /// What was signed. Nothing has looked into it yet.
    pub payload: Vec<u8>,
}

/// All the header may hold. `serde` refuses a member that comes twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    typ: Cow<'a, str>,
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
}

/// Verifies a token of the given type with the key it names.
///
/// # Errors
/// [`Rejected`], the first thing that was wrong.
pub fn verify<'k>(
    compact: &str,
    typ: &str,
    find_key: impl FnOnce(&str) -> Option<&'k VerifyingKey>,
) -> Result<Verified<'k>, Rejected> {
    if compact.len() > MAX_TOKEN_BYTES {
        return Err(Rejected::TooLong);
    }
    let (signed, header, payload, signature) = split(compact).ok_or(Rejected::NotThreeParts)?;

    let header = decode(header)?;
    let header = read_header(&header)?;
    if !is_type(&header.typ, typ) {
        return Err(Rejected::WrongType);
    }
    let key = find_key(&header.kid).ok_or(Rejected::UnknownKey)?;
    if header.alg != key.algorithm().as_str() {
        return Err(Rejected::WrongAlgorithm);
    }
    key.verify(signed.as_bytes(), &decode(signature)?)?;
    let payload = decode(payload)?;
    Ok(Verified { key, payload })
}

/// What was signed, and its parts: `(header.payload, header, payload, signature)`.
pub(super) fn split(compact: &str) -> Option<(&str, &str, &str, &str)> {
    let (signed, signature) = compact.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    (!payload.contains('.')).then_some((signed, header, payload, signature))
}

/// No padding, no other alphabet, no spare bits: two texts never mean the same bytes.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::NotBase64Url)
}

fn read_header(json: &[u8]) -> Result<Header<'_>, Rejected> {
    // `serde` would take an array for a struct as well.
    if json.first() != Some(&b'{') {
        return Err(Rejected::Header);
    }
    serde_json::from_slice(json).map_err(|_| Rejected::Header)
}

/// Media types ignore case, and may come with `application/` in front (RFC 7515 §4.1.9).
pub(super) fn is_type(given: &str, wanted: &str) -> bool {
    const PREFIX: &str = "application/";
    let bare = match given.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => given,
    };
    bare.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9068 §4: `at+jwt` or `application/at+jwt`.
    #[test]
    fn the_type_is_a_media_type() {
        for given in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(is_type(given, "at+jwt"), "{given}");
        }
        for given in [
            "",
            "jwt",
            "at+jwt ",
            "application/",
            "application/jwt",
            "application/application/at+jwt",
            "text/at+jwt",
            "at+jwt+jwt",
            "applicatioñ/at+jwt",
        ] {
            assert!(!is_type(given, "at+jwt"), "{given}");
        }
    }

    #[test]
    fn only_three_parts_are_three_parts() {
        assert_eq!(split("a.b.c"), Some(("a.b", "a", "b", "c")));
        assert_eq!(split(".."), Some((".", "", "", "")));
        for compact in ["", "a", "a.b", "a.b.c.d", "a..b.c", "..."] {
            assert_eq!(split(compact), None, "{compact}");
        }
    }
}
