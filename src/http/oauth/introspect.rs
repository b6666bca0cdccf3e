//! `POST /oauth2/introspect` (RFC 7662, RFC 9701).

use actix_web::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, HeaderMap, VARY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::asked::{about_token, unknown};
use super::body;
use super::error::refuse;
use crate::directory::Outage;
use crate::issue::{Client, TokenError, TokenIssuer};
use crate::token::introspection::Introspection;
use crate::verify::Verifier;

const JSON: &str = "application/json";
/// RFC 9701 §4.
const SIGNED: &str = "application/token-introspection+jwt";

/// Tells what becomes of a token.
pub(super) async fn introspect(
    request: HttpRequest,
    issuer: web::Data<TokenIssuer>,
    verifier: web::Data<Verifier>,
    body: web::Payload,
) -> HttpResponse {
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    match answer(&request, &issuer, &verifier, &body).await {
        Ok(answer) => answer,
        Err(error) => {
            metrics::counter!("carnet_introspections_total", "outcome" => error.code()).increment(1);
            refuse(&error, request.headers().contains_key(AUTHORIZATION))
        }
    }
}

async fn answer(
    request: &HttpRequest,
    issuer: &TokenIssuer,
    verifier: &Verifier,
    body: &[u8],
) -> Result<HttpResponse, TokenError> {
    let (client, token) = about_token(request, issuer, body).await?;
    let told = verifier.introspect(&token, &client.client_id, &client.tsg_id).await;
    let claims = told.map_err(|error| unknown(&error))?;
    let outcome = if claims.is_some() { "active" } else { "inactive" };
    metrics::counter!("carnet_introspections_total", "outcome" => outcome).increment(1);
    let told = Introspection::of(claims.as_deref());
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, "Accept"));
    if wants_signed(request.headers()) {
        Ok(answer.content_type(SIGNED).body(sign(&told, issuer, &client)?))
    } else {
        Ok(answer.json(told))
    }
}

fn sign(told: &Introspection<'_>, issuer: &TokenIssuer, client: &Client) -> Result<String, TokenError> {
    let now = issuer.directory.clock().authority().ok_or(Outage::Unheard)?;
    let keyring = issuer.keyring.load();
    let key = keyring.signer(issuer.offer.profile.own_algorithm()).ok_or(TokenError::ServerError)?;
    let signed = told.sign(key, &issuer.issuer, &client.client_id, now.as_second());
    signed.map_err(|_| TokenError::ServerError)
}

/// Whether the signed form is asked for by name, and plain JSON not more so (RFC 9110 §12.5.1).
fn wants_signed(headers: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        let values = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(','));
        let qualities = ranges.filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            if !parts.next()?.eq_ignore_ascii_case(wanted) {
                return None;
            }
            let q = parts.find_map(|p| p.strip_prefix("q=").or(p.strip_prefix("Q=")));
            Some(q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)))
        });
        qualities.fold(0.0, f32::max)
    };
    let signed = quality(SIGNED);
    signed > 0.0 && signed >= quality(JSON)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn rfc_9701_section_4_the_signed_form_is_for_who_asks_for_it_by_name() {
        let wants = |accept: &[&str]| {
            let request = TestRequest::get();
            let request =
                accept.iter().fold(request, |request, value| request.append_header((ACCEPT, *value)));
            wants_signed(request.to_http_request().headers())
        };
        assert!(wants(&[SIGNED]));
        assert!(wants(&["Application/Token-Introspection+JWT;q=0.5, */*;q=0.1"]));
        assert!(wants(&["application/json;q=0.9", SIGNED]));
        assert!(wants(&["application/json, application/token-introspection+jwt"]));
        for plain in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/jwt",
            "application/token-introspection+jwt;q=0",
            "application/json, application/token-introspection+jwt;q=0.9",
        ] {
            assert!(!wants(&[plain]), "{plain}");
        }
        assert!(!wants(&[]));
    }
}
