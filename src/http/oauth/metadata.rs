//! What clients and verifiers find everything by: keys and discovery documents.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use super::error::plain;
use crate::issue::TokenIssuer;
use crate::token::discovery::{AuthorizationServerMetadata, OpenIdConfiguration};
use crate::token::protected_resource::ProtectedResourceMetadata;

/// How long keys and documents may be kept, seconds. A new signing key waits for twice that.
const MAX_AGE: &str = "public, max-age=300";

/// The JWKS (RFC 7517 §5).
pub(super) async fn get_jwks(issuer: web::Data<TokenIssuer>) -> HttpResponse {
    let keyring = issuer.keyring.load();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, MAX_AGE))
        .content_type("application/json")
        .body(keyring.jwks().to_vec())
}

/// RFC 8414 §3.
pub(super) async fn get_authorization_server(issuer: web::Data<TokenIssuer>) -> HttpResponse {
    let document = AuthorizationServerMetadata::new(&issuer.issuer).offering(&issuer.offer);
    HttpResponse::Ok().insert_header((CACHE_CONTROL, MAX_AGE)).json(document)
}

/// `OpenID` Connect Discovery 1.0 §4, for the many clients that know only this one.
pub(super) async fn get_openid_configuration(issuer: web::Data<TokenIssuer>) -> HttpResponse {
    let document = OpenIdConfiguration::new(&issuer.issuer, issuer.keyring.load().algorithms());
    let document = document.offering(&issuer.offer);
    HttpResponse::Ok().insert_header((CACHE_CONTROL, MAX_AGE)).json(document)
}

/// RFC 9728 §3.
pub(super) async fn get_protected_resource(issuer: web::Data<TokenIssuer>) -> HttpResponse {
    let document = ProtectedResourceMetadata::of_management(&issuer.issuer, &issuer.offer);
    HttpResponse::Ok().insert_header((CACHE_CONTROL, MAX_AGE)).json(document)
}

/// The endpoint that the document above must name, and that serves nobody: people do not log in here.
pub(super) async fn refuse_authorization() -> HttpResponse {
    let why = "There are no logins here; use the client_credentials grant at the token endpoint";
    plain(StatusCode::BAD_REQUEST, "unsupported_response_type", why)
}
