//! `POST /oauth2/revoke` (RFC 7009). 200 means that no instance of any region honours the token; anything less is a 503.

use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;

use super::asked::{about_token, unknown};
use super::body;
use super::error::refuse;
use crate::domain::tenant::TsgId;
use crate::issue::{Client, TokenError, TokenIssuer};
use crate::manage::{Caller, Manage, ManageError, Withdrawn};
use crate::store::revoked_tokens::Noted;
use crate::verify::Verifier;

/// When it is worth asking again.
const SOON: Duration = Duration::from_secs(1);
/// The same when tokens have to expire first.
const LATER: Duration = Duration::from_mins(1);

/// Takes a token back.
pub(super) async fn revoke(
    request: HttpRequest,
    issuer: web::Data<TokenIssuer>,
    verifier: web::Data<Verifier>,
    manage: web::Data<Manage>,
    body: web::Payload,
) -> HttpResponse {
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    match answer(&request, &issuer, &verifier, &manage, &body).await {
        Ok(outcome) => {
            metrics::counter!("carnet_revocations_total", "outcome" => outcome).increment(1);
            HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish()
        }
        Err(error) => {
            metrics::counter!("carnet_revocations_total", "outcome" => error.code()).increment(1);
            refuse(&error, request.headers().contains_key(AUTHORIZATION))
        }
    }
}

async fn answer(
    request: &HttpRequest,
    issuer: &TokenIssuer,
    verifier: &Verifier,
    manage: &Manage,
    body: &[u8],
) -> Result<&'static str, TokenError> {
    let (client, token) = about_token(request, issuer, body).await?;
    let revocable = verifier.revocable(&token).await.map_err(|error| unknown(&error))?;
    // RFC 7009 §2.2: what is no token of ours is as good as revoked.
    let Some(token) = revocable else { return Ok("nothing_to_revoke") };
    let tsg_id = TsgId::parse(&token.account_tsg_id).map_err(|_| TokenError::ServerError)?;
    let withdrawn = manage.revoke_token(&caller(client)?, &tsg_id, &token.claims).await;
    settled(&withdrawn.map_err(|error| refused(&error))?)
}

fn caller(client: Client) -> Result<Caller, TokenError> {
    Ok(Caller {
        tsg_id: TsgId::parse(&client.tsg_id).map_err(|_| TokenError::ServerError)?,
        credential_id: client.credential_id.to_string(),
        client_id: client.client_id,
        // It has no token: it proves itself anew with every request.
        expires_at: Timestamp::MAX,
        tokens: vec![],
    })
}

fn unavailable(reason: &'static str, retry_after: Duration) -> TokenError {
    TokenError::TemporarilyUnavailable { reason, retry_after }
}

/// RFC 7009 §2.2.1: whoever hears 503 knows that the token may still be good, and asks again; who does waits again.
fn settled(withdrawn: &Withdrawn<Noted>) -> Result<&'static str, TokenError> {
    match withdrawn.value {
        Noted::Full => {
            let why = "So many tokens of this client are revoked that no more can be; revoke its secret or key instead";
            return Err(unavailable(why, LATER));
        }
        Noted::FullForActors => {
            let why =
                "Those who act for this client have revoked as many of its tokens as they may; it can itself";
            return Err(unavailable(why, LATER));
        }
        Noted::Now | Noted::Before => {}
    }
    if !withdrawn.is_everywhere() {
        return Err(unavailable(
            "The token is revoked, but not every region has heard of it yet; ask again",
            SOON,
        ));
    }
    Ok("revoked")
}

fn refused(error: &ManageError) -> TokenError {
    match error {
        ManageError::InvalidToken => TokenError::InvalidClient,
        ManageError::NotFound | ManageError::PermissionDenied(_) | ManageError::CannotGrant(_) => {
            TokenError::UnauthorizedClient
        }
        ManageError::Store(cause) if cause.is_outage() => {
            tracing::warn!(%error, "a token could not be revoked");
            unavailable("The revocation could not be stored; the token may still be good", SOON)
        }
        _ => {
            tracing::error!(%error, "a token could not be revoked");
            TokenError::ServerError
        }
    }
}
