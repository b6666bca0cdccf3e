//! `/v1/tenants/{tsg_id}/service-accounts`. Here and in [`super::secrets`] a secret leaves the house, once.

use std::convert::identity;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

use super::answer::{self, Answer, Version};
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::{Creating, Json};
use crate::http::cursor::Paging;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::service_accounts::change::ServiceAccountChange;
use crate::manage::service_accounts::{NewServiceAccount, Shown};

#[derive(Serialize)]
struct CreatedServiceAccount<'a> {
    #[serde(flatten)]
    shown: &'a Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

fn version(shown: &Shown) -> Version {
    Version::Revision(shown.account.revision)
}

fn location(tsg_id: &TsgId, id: Uuid) -> String {
    format!("/v1/tenants/{tsg_id}/service-accounts/{id}")
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<Uuid>>) -> Result<HttpResponse, Problem> {
    answer::page(
        manage.list_service_accounts(&ask.caller, &ask.path, &ask.rest.page).await?,
        &ask.rest,
        identity,
    )
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Creating<NewServiceAccount>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_service_account(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let shown = &made.value.shown;
    let body = CreatedServiceAccount { shown, client_secret: made.value.secret.as_ref().map(Secret::expose) };
    let location = location(&ask.path, shown.account.id);
    Answer::created(location).replayed(made.replayed).thing(&body, version(shown))
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let shown = manage.service_account(&ask.caller, &tsg_id, id).await?;
    Answer::ok().thing(&shown, version(&shown))
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Changing<ServiceAccountChange>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let ((IfMatch(expected), patience), Json(change)) = ask.rest;
    let caller = &ask.caller;
    let changed = manage.change_service_account(caller, &tsg_id, id, &expected, &change, patience).await?;
    let shown = &changed.value;
    answer::withdrawn(&changed, &tsg_id).thing_and_receipt(shown, version(shown), changed.receipt.as_ref())
}

pub async fn remove(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Taking>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_service_account(&ask.caller, &tsg_id, id, &expected, patience).await?;
    answer::withdrawn(&gone, &tsg_id).receipt(gone.receipt.as_ref())
}
