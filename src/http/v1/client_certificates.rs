//! `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/certificates`.

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Json;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::service_accounts::certificates::{NewCertificates, ShownCertificates};
use crate::manage::{Manage, Withdrawn};

/// Tenant and account.
type Path = (TsgId, Id);

pub async fn find(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let shown = manage.client_certificates(&ask.caller, &tsg_id, account).await?;
    Answer::ok().thing(&shown, Version::Revision(shown.revision))
}

pub async fn replace(
    manage: web::Data<Manage>,
    ask: Ask<Path, Changing<NewCertificates>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let ((IfMatch(expected), patience), Json(new)) = ask.rest;
    let caller = &ask.caller;
    let replaced =
        manage.replace_client_certificates(caller, &tsg_id, account, &expected, &new, patience).await?;
    changed(&replaced, &tsg_id)
}

pub async fn remove(manage: web::Data<Manage>, ask: Ask<Path, Taking>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_client_certificates(&ask.caller, &tsg_id, account, &expected, patience).await?;
    changed(&gone, &tsg_id)
}

fn changed(of: &Withdrawn<ShownCertificates>, tsg_id: &TsgId) -> Result<HttpResponse, Problem> {
    let version = Version::Revision(of.value.revision);
    answer::withdrawn(of, tsg_id).thing_and_receipt(&of.value, version, of.receipt.as_ref())
}
