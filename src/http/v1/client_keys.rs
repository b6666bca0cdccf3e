//! `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/jwks`.

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Json;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::service_accounts::client_keys::{NewClientKeys, ShownKeys};
use crate::manage::{Manage, Withdrawn};

/// Tenant and account.
type Path = (TsgId, Id);

pub async fn find(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let shown = manage.client_keys(&ask.caller, &tsg_id, account).await?;
    Answer::ok().thing(&shown, Version::Revision(shown.revision))
}

pub async fn replace(
    manage: web::Data<Manage>,
    ask: Ask<Path, Changing<NewClientKeys>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let ((IfMatch(expected), patience), Json(new)) = ask.rest;
    let caller = &ask.caller;
    let changed = manage.replace_client_keys(caller, &tsg_id, account, &expected, &new, patience).await?;
    changed_keys(&changed, &tsg_id)
}

pub async fn remove(manage: web::Data<Manage>, ask: Ask<Path, Taking>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_client_keys(&ask.caller, &tsg_id, account, &expected, patience).await?;
    changed_keys(&gone, &tsg_id)
}

fn changed_keys(changed: &Withdrawn<ShownKeys>, tsg_id: &TsgId) -> Result<HttpResponse, Problem> {
    let version = Version::Revision(changed.value.revision);
    answer::withdrawn(changed, tsg_id).thing_and_receipt(&changed.value, version, changed.receipt.as_ref())
}
