//! `/v1/tenants/{tsg_id}/access-policies`.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Creating;
use crate::http::cursor::Paging;
use crate::http::etag::IfMatch;
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::access_policies::{NewAccessPolicy, Products, REVISION};
use crate::store::access_policies::AccessPolicy;

const WITHOUT_ROLE: &str = "This grants access without a role, and so without any permission.";
const VERSION: Version = Version::Revision(REVISION);

#[derive(Serialize)]
struct Shown {
    id: Uuid,
    tsg_id: TsgId,
    principal: String,
    role: Option<String>,
    products: Products,
    tenant: TsgId,
    created_at: Timestamp,
    warnings: Vec<&'static str>,
}

impl From<AccessPolicy> for Shown {
    fn from(policy: AccessPolicy) -> Self {
        Self {
            id: policy.id,
            tsg_id: policy.tsg_id,
            principal: policy.principal,
            warnings: if policy.role.is_none() { vec![WITHOUT_ROLE] } else { vec![] },
            role: policy.role,
            products: policy.products.map_or(Products::All, Products::Some),
            tenant: policy.target,
            created_at: policy.created_at,
        }
    }
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<Uuid>>) -> Result<HttpResponse, Problem> {
    answer::page(
        manage.list_access_policies(&ask.caller, &ask.path, &ask.rest.page).await?,
        &ask.rest,
        Shown::from,
    )
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Creating<NewAccessPolicy>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_access_policy(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let location = format!("/v1/tenants/{}/access-policies/{}", ask.path, made.value.id);
    Answer::created(location).replayed(made.replayed).thing(&Shown::from(made.value), VERSION)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    Answer::ok().thing(&Shown::from(manage.access_policy(&ask.caller, &tsg_id, id).await?), VERSION)
}

pub async fn remove(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, Id), Taking>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_access_policy(&ask.caller, &tsg_id, id, &expected, patience).await?;
    answer::withdrawn(&gone, &tsg_id).receipt(gone.receipt.as_ref())
}
