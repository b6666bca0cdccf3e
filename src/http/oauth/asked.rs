//! The requests about a token, read and their client authenticated as at the token endpoint: one way for both endpoints.

use actix_web::{HttpRequest, web};

use super::form::TokenForm;
use crate::domain::origin::Origin;
use crate::http::client_address::TrustedProxies;
use crate::http::client_certificate;
use crate::issue::{Client, TokenError, TokenIssuer};
use crate::verify::VerifyError;

/// Who asks about which token.
pub(super) async fn about_token(
    request: &HttpRequest,
    issuer: &TokenIssuer,
    body: &[u8],
) -> Result<(Client, String), TokenError> {
    let from = count(request, issuer)?;
    let mut form = TokenForm::parse(request.headers(), body)?;
    let certificate = client_certificate::shown(request);
    let presented = form.credentials(request.headers(), certificate.as_ref())?;
    let client = issuer.authenticate(&presented, from).await?;
    let token = form.token.take().ok_or(TokenError::InvalidRequest("token is missing"))?;
    Ok((client, token.0))
}

/// Counts a request for its address, before anything else; where it comes from.
pub(super) fn count(request: &HttpRequest, issuer: &TokenIssuer) -> Result<Origin, TokenError> {
    let proxies = request.app_data::<web::Data<TrustedProxies>>();
    let from = proxies.map(|proxies| proxies.origin(request)).unwrap_or_default();
    issuer.ask(from.address)?;
    Ok(from)
}

/// Nobody can say what is so. Nothing that is said then may be wrong, so nothing is said.
pub(super) fn unknown(error: &VerifyError) -> TokenError {
    tracing::warn!(%error, "nothing can be said of a token");
    TokenError::TemporarilyUnavailable {
        reason: "Nobody can say right now whether the token is good",
        retry_after: std::time::Duration::from_secs(1),
    }
}
