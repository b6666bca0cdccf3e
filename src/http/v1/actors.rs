//! `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/actors`.

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Json;
use crate::http::etag::{Changing, IfMatch};
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::service_accounts::actors::NewActors;

/// Tenant and account.
type Path = (TsgId, Id);

pub async fn find(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let shown = manage.actors(&ask.caller, &tsg_id, account).await?;
    Answer::ok().thing(&shown, Version::Revision(shown.revision))
}

pub async fn replace(
    manage: web::Data<Manage>,
    ask: Ask<Path, Changing<NewActors>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let ((IfMatch(expected), patience), Json(new)) = ask.rest;
    let changed = manage.replace_actors(&ask.caller, &tsg_id, account, &expected, &new, patience).await?;
    let version = Version::Revision(changed.value.revision);
    answer::withdrawn(&changed, &tsg_id).thing_and_receipt(&changed.value, version, changed.receipt.as_ref())
}
