//! Authentication as extractors: a handler meets a proven caller, never a raw header.
//!
//! A token that is bound to something is taken from its holder alone: with a proof in the `DPoP` header (RFC 9449 §7), or over
//! a connection that shows its certificate (RFC 8705 §3).
//!
//! The token is taken from the `Authorization` header only (RFC 6750 §2.1): forms and queries end
//! up in logs.

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::problem::Problem;
use super::{client_certificate, dpop, own_key, pacing};
use crate::limits::Limits;
use crate::manage::{Caller, Manage};
use crate::verify::{Held, Presented, Verified, VerifiedKey, Verifier, VerifyError};

/// The bearer of a good token for any of our audiences, or of a key that is presented by itself.
pub enum Anybody {
    /// A token.
    Token(Verified),
    /// A key.
    Key(VerifiedKey),
}

impl FromRequest for Anybody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { pacing::attempt(&request, state::<Limits>(&request)?, anybody(&request)).await }
            .boxed_local()
    }
}

async fn anybody(request: &HttpRequest) -> Result<Anybody, Problem> {
    match own_key::presented(request.headers()) {
        Some(presented) => own_key::verified(request, &presented?).await.map(Anybody::Key),
        None => verified(request).await.map(Anybody::Token),
    }
}

/// The bearer of a good token for the management API.
pub(super) async fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    pacing::attempt(request, state::<Limits>(request)?, manager(request)).await
}

async fn manager(request: &HttpRequest) -> Result<Caller, Problem> {
    let Verified { claims, .. } = verified(request).await?;
    if !claims.aud.includes(&state::<Manage>(request)?.issuer) {
        return Err(Problem::unauthenticated(true));
    }
    Ok(Caller::of(&claims)?)
}

async fn verified(request: &HttpRequest) -> Result<Verified, Problem> {
    let presented = presented(request)?;
    let certificate = client_certificate::shown(request);
    let held = state::<Verifier>(request)?.presented(presented, certificate.as_deref()).await;
    match (held, presented) {
        (Ok(Held { verified, next_nonce }), _) => {
            if let Some(nonce) = next_nonce {
                dpop::keep(request, nonce);
            }
            Ok(verified)
        }
        (Err(VerifyError::Invalid | VerifyError::MayNotAct), Presented::Bearer(_)) => {
            Err(Problem::unauthenticated(true))
        }
        (Err(VerifyError::Invalid | VerifyError::MayNotAct), Presented::Dpop(..)) => {
            Err(Problem::unproven(dpop::Fault::Token))
        }
        (Err(VerifyError::Proof), _) => Err(Problem::unproven(dpop::Fault::Proof)),
        (Err(VerifyError::Nonce(nonce)), _) => {
            dpop::keep(request, nonce);
            Err(Problem::unproven(dpop::Fault::Nonce))
        }
        (Err(VerifyError::Pending | VerifyError::Unavailable(_)), _) => Err(Problem::unavailable()),
    }
}

fn presented(request: &HttpRequest) -> Result<Presented<'_>, Problem> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(first) = headers.next() else {
        return Err(Problem::unauthenticated(false));
    };
    // Two tokens would let what reads the first and what reads the last disagree.
    if headers.next().is_some() {
        return Err(Problem::unauthenticated(true));
    }
    let mut parts = first.as_bytes().splitn(2, |&byte| byte == b' ');
    let scheme = parts.next().unwrap_or_default();
    let token = parts.next().and_then(|token| std::str::from_utf8(token).ok());
    let token = token.map(|token| token.trim_matches(' '));
    if scheme.eq_ignore_ascii_case(b"dpop") {
        let token = token.ok_or_else(|| Problem::unproven(dpop::Fault::Token))?;
        return Ok(Presented::Dpop(token, dpop::proved(request, Some(token))));
    }
    let bearer = scheme.eq_ignore_ascii_case(b"bearer");
    match token {
        Some(token) if bearer => Ok(Presented::Bearer(token)),
        // Another scheme is another method of authentication, and no bad token (RFC 6750 §3).
        _ => Err(Problem::unauthenticated(bearer)),
    }
}

pub(super) fn state<T: 'static>(request: &HttpRequest) -> Result<&web::Data<T>, Problem> {
    request.app_data().ok_or_else(|| {
        tracing::error!(state = std::any::type_name::<T>(), "the server was put together without it");
        Problem::internal()
    })
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn token(request: &HttpRequest) -> Result<&str, Problem> {
        presented(request).map(|(Presented::Bearer(token) | Presented::Dpop(token, _))| token)
    }

    fn challenge(request: TestRequest) -> String {
        let problem = token(&request.to_http_request()).expect_err("no token");
        let answer = problem.error_response();
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers().get("www-authenticate").expect("a challenge");
        challenge.to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn the_token_stands_behind_the_scheme_in_any_case() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            let request = TestRequest::get().insert_header((AUTHORIZATION, header)).to_http_request();
            assert_eq!(token(&request).ok(), Some("a.b.c"), "{header}");
        }
    }

    #[test]
    fn rfc_6750_section_3_no_error_code_without_a_bearer_token() {
        let none = r#"Bearer realm="carnet""#;
        assert_eq!(challenge(TestRequest::get()), none);
        for other in ["Basic YTpi", "Digest username=\"a\"", "a.b.c", "Bearer\u{e9}", "Basic \u{e9}", ""] {
            let request = TestRequest::get().insert_header((AUTHORIZATION, other));
            assert_eq!(challenge(request), none, "{other}");
        }
        let invalid = r#"Bearer realm="carnet", error="invalid_token""#;
        for (name, bad) in [("no token", &b"Bearer"[..]), ("not a text", b"bearer \xff")] {
            let bad = HeaderValue::from_bytes(bad).expect("a header");
            assert_eq!(challenge(TestRequest::get().insert_header((AUTHORIZATION, bad))), invalid, "{name}");
        }
        let twice = TestRequest::get()
            .append_header((AUTHORIZATION, "Bearer a"))
            .append_header((AUTHORIZATION, "Bearer b"));
        assert_eq!(challenge(twice), invalid);
        assert_eq!(challenge(TestRequest::get().uri("/?access_token=a.b.c")), none);
    }
}
