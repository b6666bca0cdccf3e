//! The one bridge from a refused token request to its answer (RFC 6749 §5.2).

use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{Error, HttpResponse};
use serde::Serialize;

use crate::http::ratelimit;
use crate::issue::TokenError;

/// The body of an error. Plain JSON: strict clients do not read `application/problem+json` here.
#[derive(Serialize)]
struct OAuthError {
    error: &'static str,
    error_description: String,
}

fn status(error: &TokenError) -> StatusCode {
    match error {
        TokenError::InvalidRequest(_)
        | TokenError::InvalidScope
        | TokenError::InvalidTarget
        | TokenError::InvalidGrant
        | TokenError::UnauthorizedClient
        | TokenError::UnsupportedGrantType
        | TokenError::InvalidDpopProof
        | TokenError::UseDpopNonce(_) => StatusCode::BAD_REQUEST,
        TokenError::InvalidClient | TokenError::Unsupported(_) => StatusCode::UNAUTHORIZED,
        TokenError::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
        TokenError::TemporarilyUnavailable { .. } | TokenError::KeysUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        TokenError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer to a request that gets no token. The challenge only answers a client that used the
/// header: strict clients hide the body when they see one.
#[must_use]
pub fn refuse(error: &TokenError, used_header: bool) -> HttpResponse {
    let mut answer = HttpResponse::build(status(error));
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if status(error) == StatusCode::UNAUTHORIZED && used_header {
        answer.insert_header((WWW_AUTHENTICATE, "Basic realm=\"carnet\", charset=\"UTF-8\""));
    }
    if let TokenError::UseDpopNonce(nonce) = error {
        answer.insert_header(("DPoP-Nonce", nonce.as_str()));
    }
    if let TokenError::TooManyRequests(too_many) = error {
        ratelimit::exceeded(&mut answer, too_many);
    }
    if let Some(retry_after) = error.retry_after() {
        answer.insert_header((RETRY_AFTER, retry_after.as_secs().to_string()));
    }
    answer.json(OAuthError { error: error.code(), error_description: error.to_string() })
}

/// The answer to a method that a path does not have.
pub fn refuse_method(allow: &str) -> Error {
    let mut answer =
        plain(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "The method is not allowed here");
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    InternalError::from_response("method not allowed", answer).into()
}

/// An error with a status of its own: 405, 413, and what is not served.
#[must_use]
pub fn plain(status: StatusCode, error: &'static str, description: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(OAuthError { error, error_description: description.to_owned() })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;

    use super::*;
    use crate::directory::Outage;

    #[test]
    fn keys_that_cannot_be_fetched_are_answered_like_any_outage() {
        let answer = |error: TokenError| {
            let answer = refuse(&error, true);
            let headers: Vec<String> = answer.headers().iter().map(|header| format!("{header:?}")).collect();
            (answer.status(), headers, answer.into_body().try_into_bytes().expect("a body"))
        };
        assert_eq!(answer(TokenError::KeysUnavailable), answer(TokenError::from(Outage::Unheard)));
    }
}
