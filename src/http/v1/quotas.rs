//! `/v1/tenants/{tsg_id}/quota`.

use actix_web::{HttpResponse, web};

use super::answer::{Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::Ask;
use crate::http::body::Json;
use crate::http::etag::IfMatch;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::quotas::NewQuota;

pub async fn find(manage: web::Data<Manage>, ask: Ask<TsgId>) -> Result<HttpResponse, Problem> {
    let quota = manage.quota(&ask.caller, &ask.path).await?;
    Answer::ok().thing(&quota, Version::Revision(quota.revision))
}

pub async fn replace(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, (IfMatch, Json<NewQuota>)>,
) -> Result<HttpResponse, Problem> {
    let (IfMatch(expected), Json(new)) = ask.rest;
    let quota = manage.replace_quota(&ask.caller, &ask.path, &expected, &new).await?;
    Answer::ok().thing(&quota, Version::Revision(quota.revision))
}
