//! The requests about a token, read and their client authenticated as at the token endpoint: one way for both endpoints.

use actix_web::HttpRequest;

use super::form::TokenForm;
use crate::http::{client_certificate, pacing};
use crate::issue::{Client, TokenError, TokenIssuer};
use crate::verify::VerifyError;

/// Who asks about which token.
pub(super) async fn about_token(
    request: &HttpRequest,
    issuer: &TokenIssuer,
    body: &[u8],
) -> Result<(Client, String), TokenError> {
    let from = pacing::origin(request);
    issuer.ask(from.address)?;
    let mut form = TokenForm::parse(request.headers(), body)?;
    let certificate = client_certificate::shown(request);
    let presented = form.credentials(request.headers(), certificate.as_ref())?;
    let client = issuer.authenticate(&presented, from).await?;
    let token = form.token.take().ok_or(TokenError::InvalidRequest("token is missing"))?;
    Ok((client, token.0))
}

/// Nobody can say what is so. Nothing that is said then may be wrong, so nothing is said.
pub(super) fn unknown(error: &VerifyError) -> TokenError {
    tracing::warn!(%error, "nothing can be said of a token");
    TokenError::TemporarilyUnavailable {
        reason: "Nobody can say right now whether the token is good",
        retry_after: std::time::Duration::from_secs(1),
    }
}
