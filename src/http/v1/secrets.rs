//! `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets`. A new secret is in the answer to the request
//! that made it, and nowhere else.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

use super::answer::{self, Answer};
use crate::domain::ids::PublicId;
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Optional;
use crate::http::problem::Problem;
use crate::manage::service_accounts::retire::Retiring;
use crate::manage::service_accounts::rotate::Rotation;
use crate::manage::service_accounts::secrets::{NewSecret, SecretAt};
use crate::manage::{Manage, Patience};
use crate::store::client_secrets::ClientSecret;

#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    shown: &'a ClientSecret,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

/// Tenant, account and secret.
type Path = (TsgId, Id, PublicId);

fn at((tsg_id, Id(account), credential_id): &Path) -> SecretAt<'_> {
    SecretAt { tsg_id, account: *account, credential_id: *credential_id }
}

fn location(tsg_id: &TsgId, account: Uuid, credential_id: &str) -> String {
    format!("/v1/tenants/{tsg_id}/service-accounts/{account}/secrets/{credential_id}")
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Optional<NewSecret>>,
) -> Result<HttpResponse, Problem> {
    let ((tsg_id, Id(account)), Optional { body, once }) = (&ask.path, ask.rest);
    let made = manage.create_secret(&ask.caller, tsg_id, *account, &body, once.as_ref()).await?;
    let shown = &made.value.shown;
    let location = location(tsg_id, *account, &shown.credential_id);
    let body = Created { shown, client_secret: made.value.secret.as_ref().map(Secret::expose) };
    Answer::created(location).replayed(made.replayed).unversioned(&body, None)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    answer::plain(&manage.secret(&ask.caller, at(&ask.path)).await?)
}

pub async fn receipt(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    answer::plain(&manage.secret_receipt(&ask.caller, at(&ask.path)).await?)
}

pub async fn rotate(
    manage: web::Data<Manage>,
    ask: Ask<Path, (Patience, Optional<Rotation>)>,
) -> Result<HttpResponse, Problem> {
    let (old, (patience, Optional { body, once })) = (at(&ask.path), ask.rest);
    let made = manage.rotate_secret(&ask.caller, old, &body, once.as_ref(), patience).await?;
    let new = &made.value.value;
    let location = location(old.tsg_id, old.account, &new.shown.credential_id);
    let body = Created { shown: &new.shown, client_secret: new.secret.as_ref().map(Secret::expose) };
    Answer::created(location).replayed(made.replayed).unversioned(&body, made.value.receipt.as_ref())
}

pub async fn retirement(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    answer::plain(&manage.secret_retirement(&ask.caller, at(&ask.path)).await?)
}

pub async fn retire(
    manage: web::Data<Manage>,
    ask: Ask<Path, (Patience, Optional<Retiring>)>,
) -> Result<HttpResponse, Problem> {
    // Retiring twice is retiring once, whatever key it comes with.
    let (patience, Optional { body, once: _ }) = ask.rest;
    let gone = manage.retire_secret(&ask.caller, at(&ask.path), &body, patience).await?;
    answer::withdrawn(&gone, &ask.path.0).receipt(gone.receipt.as_ref())
}

pub async fn remove(manage: web::Data<Manage>, ask: Ask<Path, Patience>) -> Result<HttpResponse, Problem> {
    let gone = manage.delete_secret(&ask.caller, at(&ask.path), ask.rest).await?;
    answer::withdrawn(&gone, &ask.path.0).receipt(gone.receipt.as_ref())
}
