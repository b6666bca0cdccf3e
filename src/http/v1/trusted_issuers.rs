//! `/v1/tenants/{tsg_id}/trusted-issuers`.

use std::convert::identity;

use actix_web::{HttpResponse, web};
use uuid::Uuid;

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::{Creating, Json};
use crate::http::cursor::Paging;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::trusted_issuers::{NewTrustedIssuer, ShownIssuer, TrustedIssuerChange};

fn version(issuer: &ShownIssuer) -> Version {
    Version::Revision(issuer.revision)
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<Uuid>>) -> Result<HttpResponse, Problem> {
    let listing = manage.list_trusted_issuers(&ask.caller, &ask.path, &ask.rest.page).await?;
    answer::page(listing, &ask.rest, identity)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Creating<NewTrustedIssuer>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_trusted_issuer(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let location = format!("/v1/tenants/{}/trusted-issuers/{}", ask.path, made.value.id);
    Answer::created(location).replayed(made.replayed).thing(&made.value, version(&made.value))
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let issuer = manage.trusted_issuer(&ask.caller, &tsg_id, id).await?;
    Answer::ok().thing(&issuer, version(&issuer))
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Changing<TrustedIssuerChange>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let ((IfMatch(expected), patience), Json(change)) = ask.rest;
    let changed =
        manage.change_trusted_issuer(&ask.caller, &tsg_id, id, &expected, &change, patience).await?;
    let issuer = &changed.value;
    answer::withdrawn(&changed, &tsg_id).thing_and_receipt(issuer, version(issuer), changed.receipt.as_ref())
}

pub async fn remove(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Taking>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_trusted_issuer(&ask.caller, &tsg_id, id, &expected, patience).await?;
    // No receipt where nobody had a rule for it.
    answer::withdrawn(&gone, &tsg_id).unversioned(serde_json::Map::new(), gone.receipt.as_ref())
}
