//! `/v1/tenants/{tsg_id}/licenses`.

use std::convert::identity;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

use super::answer::{self, Answer, Version};
use super::api_keys;
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::{Creating, Json};
use crate::http::cursor::Paging;
use crate::http::etag::{Changing, IfMatch};
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::licenses::{Granted, LicenseChange, NewLicense};
use crate::store::licenses::License;

/// A license, and the key that came with it.
#[derive(Serialize)]
struct Body<K> {
    #[serde(flatten)]
    license: License,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<K>,
}

fn version(license: &License) -> Version {
    Version::Revision(license.revision)
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<Uuid>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_licenses(&ask.caller, &ask.path, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Creating<NewLicense>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_license(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let Granted { license, api_key } = made.value;
    let location = format!("/v1/tenants/{}/licenses/{}", ask.path, license.id);
    let version = version(&license);
    let body = Body { license, api_key: api_key.as_ref().map(api_keys::created) };
    Answer::created(location).replayed(made.replayed).thing(&body, version)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let license = manage.license(&ask.caller, &tsg_id, id).await?;
    Answer::ok().thing(&license, version(&license))
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Changing<LicenseChange>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let ((IfMatch(expected), patience), Json(change)) = ask.rest;
    let changed = manage.change_license(&ask.caller, &tsg_id, id, &expected, &change, patience).await?;
    let license = &changed.value;
    let answer = answer::withdrawn(&changed, &tsg_id);
    answer.thing_and_receipt(license, version(license), changed.receipt.as_ref())
}
