//! What every account has one of, under `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}`: `jwks`, `certificates`,
//! `trust-rules`, `actors`.

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Json;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::service_accounts::documents::{At, Document, Removable};
use crate::manage::{Manage, Withdrawn};

/// Tenant and account.
type Path = (TsgId, Id);

pub async fn find<D: Document>(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let shown: D = manage.document(&ask.caller, &tsg_id, account).await?;
    Answer::ok().thing(&shown, Version::Revision(shown.revision()))
}

pub async fn replace<D: Document>(
    manage: web::Data<Manage>,
    ask: Ask<Path, Changing<D::New>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let ((IfMatch(expected), patience), Json(new)) = ask.rest;
    let at = At { tsg_id: &tsg_id, account, expected: &expected };
    changed(&manage.replace_document::<D>(&ask.caller, at, &new, patience).await?, &tsg_id)
}

pub async fn remove<D: Removable>(
    manage: web::Data<Manage>,
    ask: Ask<Path, Taking>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let at = At { tsg_id: &tsg_id, account, expected: &expected };
    changed(&manage.delete_document::<D>(&ask.caller, at, patience).await?, &tsg_id)
}

fn changed<D: Document>(of: &Withdrawn<D>, tsg_id: &TsgId) -> Result<HttpResponse, Problem> {
    let version = Version::Revision(of.value.revision());
    answer::withdrawn(of, tsg_id).thing_and_receipt(&of.value, version, of.receipt.as_ref())
}
