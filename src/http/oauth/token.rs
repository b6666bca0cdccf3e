//! `POST /oauth2/token` and its aliases.

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::body;
use super::error::refuse;
use super::form::TokenForm;
use crate::domain::origin::Origin;
use crate::http::{client_certificate, dpop, pacing, ratelimit};
use crate::issue::{Grant, IssuedToken, TokenError, TokenIssuer, TokenRequest};

/// RFC 6749 §5.1, RFC 8693 §2.2.1.
#[derive(Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    /// RFC 8693 §2.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// Issues a token.
pub(super) async fn issue_token(
    request: HttpRequest,
    issuer: web::Data<TokenIssuer>,
    body: web::Payload,
) -> HttpResponse {
    let from = pacing::origin(&request);
    if let Err(error) = issuer.ask(from.address) {
        return refused(&error, false);
    }
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let used_header = request.headers().contains_key(AUTHORIZATION);
    match answer(&request, &issuer, &body, from).await {
        Ok(token) => {
            metrics::counter!("carnet_tokens_total", "outcome" => "issued").increment(1);
            granted(token)
        }
        Err(error) => refused(&error, used_header),
    }
}

/// RFC 6749 §5.1.
fn granted(issued: IssuedToken) -> HttpResponse {
    let IssuedToken { access_token, token_type, expires_in, scope, issued_token_type, .. } = issued;
    let body = TokenAnswer { access_token, token_type, expires_in, scope, issued_token_type };
    let mut answer = HttpResponse::Ok();
    ratelimit::left(&mut answer, &issued.allowances);
    let mut answer = answer.insert_header((CACHE_CONTROL, "no-store")).json(body);
    if let Some(nonce) = issued.dpop_nonce {
        dpop::insert(answer.headers_mut(), &nonce);
    }
    answer
}

fn refused(error: &TokenError, used_header: bool) -> HttpResponse {
    metrics::counter!("carnet_tokens_total", "outcome" => error.outcome()).increment(1);
    refuse(error, used_header)
}

async fn answer(
    request: &HttpRequest,
    issuer: &TokenIssuer,
    body: &[u8],
    from: Origin,
) -> Result<IssuedToken, TokenError> {
    let mut form = TokenForm::parse(request.headers(), body)?;
    let grant_type = form.grant_type.take().ok_or(TokenError::InvalidRequest("grant_type is missing"))?;
    let certificate = client_certificate::shown(request);
    let client = form.credentials(request.headers(), certificate.as_ref())?;
    let grant = Grant::read(&grant_type, |name| form.only(name))?;
    issuer
        .issue(TokenRequest {
            grant,
            client: &client,
            scope: form.scope.as_deref(),
            resource: form.resource.as_deref(),
            certificate: certificate.as_deref(),
            dpop: dpop::is_sent(request).then(|| dpop::proved(request, None)),
            from,
        })
        .await
}
