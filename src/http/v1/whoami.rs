//! `GET /v1/whoami`: whom a token or a key speaks for, and who acts with it. It takes a token of any of our audiences, because it
//! says which; whether the key behind it is still good has been checked before we get here.

use actix_web::HttpResponse;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::answer;
use crate::domain::credential_id::CredentialId;
use crate::domain::ids::PublicId;
use crate::http::bearer::Anybody;
use crate::http::problem::Problem;
use crate::token::claims::{AccessClaims, Audience};
use crate::verify::{Verified, VerifiedKey};

#[derive(Serialize)]
struct Bearer<'a> {
    client_id: &'a str,
    tsg_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_id: Option<Uuid>,
    credential_id: CredentialId,
    audience: &'a str,
    product: Option<&'a str>,
    api_key_id: Option<&'a str>,
    roles: &'a [String],
    scope: &'a str,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actors: Vec<Actor<'a>>,
}

#[derive(Serialize)]
struct Actor<'a> {
    client_id: &'a str,
    credential_id: CredentialId,
}

pub async fn whoami(anybody: Anybody) -> Result<HttpResponse, Problem> {
    match anybody {
        Anybody::Token(verified) => token(&verified),
        Anybody::Key(verified) => key(&verified),
    }
}

fn token(verified: &Verified) -> Result<HttpResponse, Problem> {
    let claims = &*verified.claims;
    answer::plain(&Bearer {
        client_id: &claims.sub,
        tsg_id: &claims.tsg_id,
        service_account_id: verified.service_account_id,
        credential_id: claims.credential_id,
        audience: audience(claims),
        product: claims.product.as_deref(),
        api_key_id: claims.api_key_id.as_deref(),
        roles: &claims.roles,
        scope: &claims.scope,
        expires_at: Timestamp::from_second(claims.exp).unwrap_or(Timestamp::MAX),
        actors: claims
            .actors()
            .map(|actor| Actor { client_id: &actor.sub, credential_id: actor.credential_id })
            .collect(),
    })
}

/// A key speaks for itself.
fn key(VerifiedKey { key, record }: &VerifiedKey) -> Result<HttpResponse, Problem> {
    let credential_id = PublicId::of_number(key.api_key_id).ok_or_else(Problem::internal)?.into();
    let roles = record.roles(&record.path, Some(&key.product));
    answer::plain(&Bearer {
        client_id: &record.credential,
        tsg_id: &record.tsg_id,
        service_account_id: None,
        credential_id,
        audience: &key.audience,
        product: Some(&key.product),
        api_key_id: Some(&key.api_key_id.to_string()),
        roles: &roles,
        scope: "",
        expires_at: key.expires_at.unwrap_or(Timestamp::MAX),
        actors: Vec::new(),
    })
}

/// The audience proper: a token that was asked for with a tenant's scope names its client as well.
fn audience(claims: &AccessClaims) -> &str {
    match &claims.aud {
        Audience::One(only) => only,
        Audience::Many(several) => {
            let proper = several.iter().find(|audience| **audience != claims.client_id);
            proper.or(several.first()).map_or("", String::as_str)
        }
    }
}
