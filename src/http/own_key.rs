//! Keys that are presented by themselves, on the wire: an opaque key as a bearer token; a signed key's number in `x-xdr-auth-id`,
//! and in `Authorization`, without a scheme, its secret (standard) or a hash of it (advanced), with `x-xdr-nonce` and
//! `x-xdr-timestamp`.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::bearer::state;
use super::pacing;
use super::problem::Problem;
use crate::domain::advanced::AdvancedProof;
use crate::verify::{PresentedKey, VerifiedKey, Verifier, VerifyError};

const NUMBER: &str = "x-xdr-auth-id";
const NONCE: &str = "x-xdr-nonce";
const TIMESTAMP: &str = "x-xdr-timestamp";

/// The key that a request presents; nothing where it presents a token, or nothing at all.
pub(super) fn presented(headers: &HeaderMap) -> Option<Result<PresentedKey, Problem>> {
    let signed = [NUMBER, NONCE, TIMESTAMP].iter().any(|name| headers.contains_key(*name));
    if signed {
        return Some(self::signed(headers).ok_or_else(refused));
    }
    // Several are for who reads tokens to refuse.
    let token = only(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    let (scheme, token) = (token.0, token.1.trim_matches(' '));
    let opaque =
        scheme.eq_ignore_ascii_case("bearer") && !token.contains('.') && token.starts_with("carnet_");
    opaque.then(|| PresentedKey::bearer(token).ok_or_else(refused))
}

fn signed(headers: &HeaderMap) -> Option<PresentedKey> {
    let number = only(headers, NUMBER)?;
    let api_key_id: i64 = number.parse().ok().filter(|id: &i64| *id > 0 && id.to_string() == number)?;
    let secret = only(headers, AUTHORIZATION.as_str())?;
    match (headers.contains_key(NONCE), headers.contains_key(TIMESTAMP)) {
        (false, false) => PresentedKey::standard(api_key_id, secret),
        (true, true) => {
            let proof = AdvancedProof::read(only(headers, NONCE)?, only(headers, TIMESTAMP)?, secret)?;
            Some(PresentedKey::Advanced(api_key_id, proof))
        }
        _ => None,
    }
}

/// A header that comes once: two would let who reads the first and who reads the last disagree.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn refused() -> Problem {
    Problem::unauthenticated(true)
}

/// Whose key it is, if it is good.
pub(super) async fn verified(
    request: &HttpRequest,
    presented: &PresentedKey,
) -> Result<VerifiedKey, Problem> {
    let from = pacing::origin(request).address;
    state::<Verifier>(request)?.key(presented, from).await.map_err(|error| match error {
        VerifyError::Invalid | VerifyError::Proof | VerifyError::Nonce(_) | VerifyError::MayNotAct => {
            refused()
        }
        VerifyError::Pending | VerifyError::Unavailable(_) => Problem::unavailable(),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// What is made of these headers: nothing, a key, or a refusal.
    fn found(headers: &[(&str, &str)]) -> Option<bool> {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header(*header);
        }
        presented(request.to_http_request().headers()).map(|presented| presented.is_ok())
    }

    const SIGNED: &str = "carnet_signed_0000000000000042_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";

    /// With its check digits.
    fn secret(covered: &str) -> String {
        let mut rest = crc32fast::hash(covered.as_bytes());
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = crate::domain::ids::BASE62[(rest % 62) as usize];
            rest /= 62;
        }
        format!("{covered}{}", String::from_utf8_lossy(&digits))
    }

    #[test]
    fn a_key_is_told_from_a_token_and_from_nothing() {
        let (standard, opaque) = (secret(SIGNED), secret(&SIGNED.replace("signed", "key")));
        let bearer = format!("Bearer {opaque}");
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("authorization", "Bearer a.b.c")]), None);
        assert_eq!(found(&[("authorization", &bearer)]), Some(true));
        assert_eq!(found(&[("authorization", &bearer.replace("_key_", "_client_"))]), Some(false));
        assert_eq!(found(&[("authorization", &standard), ("x-xdr-auth-id", "42")]), Some(true));
    }

    #[test]
    fn what_comes_twice_or_half_is_refused() {
        let standard = secret(SIGNED);
        let number = ("x-xdr-auth-id", "42");
        let authorization = ("authorization", standard.as_str());
        for (name, headers) in [
            ("another number", vec![("x-xdr-auth-id", "43"), authorization]),
            ("a number with a nought", vec![("x-xdr-auth-id", "042"), authorization]),
            ("no number", vec![("x-xdr-nonce", "a"), authorization]),
            ("two numbers", vec![number, number, authorization]),
            ("two secrets", vec![number, authorization, authorization]),
            ("no secret", vec![number]),
            ("a scheme", vec![number, ("authorization", "Bearer a.b.c")]),
            ("a nonce without a time", vec![number, authorization, ("x-xdr-nonce", "a")]),
            ("a time without a nonce", vec![number, authorization, ("x-xdr-timestamp", "1")]),
        ] {
            assert_eq!(found(&headers), Some(false), "{name}");
        }
    }
}
