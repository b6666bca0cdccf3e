//! `/v1/tenants`.

use std::convert::identity;

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::Ask;
use crate::http::body::{Creating, Json};
use crate::http::cursor::Paging;
use crate::http::etag::{Changing, IfMatch};
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::tenants::{NewTenant, TenantChange};
use crate::store::tenants::Tenant;

fn version(tenant: &Tenant) -> Version {
    Version::Revision(tenant.revision)
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<(), Paging<TsgId>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_tenants(&ask.caller, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<(), Creating<NewTenant>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_tenant(&ask.caller, &new, once.as_ref()).await?;
    let location = format!("/v1/tenants/{}", made.value.tsg_id);
    Answer::created(location).replayed(made.replayed).thing(&made.value, version(&made.value))
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<TsgId>) -> Result<HttpResponse, Problem> {
    let tenant = manage.tenant(&ask.caller, &ask.path).await?;
    Answer::ok().thing(&tenant, version(&tenant))
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Changing<TenantChange>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ((IfMatch(expected), patience), Json(change))) = (&ask.path, ask.rest);
    let changed = manage.change_tenant(&ask.caller, tsg_id, &expected, &change, patience).await?;
    let tenant = &changed.value;
    answer::withdrawn(&changed, tsg_id).thing_and_receipt(tenant, version(tenant), changed.receipt.as_ref())
}
