//! `/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/trust-rules`.

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Json;
use crate::http::etag::{Changing, IfMatch};
use crate::http::prefer::Taking;
use crate::http::problem::Problem;
use crate::manage::service_accounts::trust_rules::{NewTrustRules, ShownRules};
use crate::manage::{Manage, Withdrawn};

/// Tenant and account.
type Path = (TsgId, Id);

pub async fn find(manage: web::Data<Manage>, ask: Ask<Path>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let shown = manage.trust_rules(&ask.caller, &tsg_id, account).await?;
    Answer::ok().thing(&shown, Version::Revision(shown.revision))
}

pub async fn replace(
    manage: web::Data<Manage>,
    ask: Ask<Path, Changing<NewTrustRules>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let ((IfMatch(expected), patience), Json(new)) = ask.rest;
    let caller = &ask.caller;
    let changed = manage.replace_trust_rules(caller, &tsg_id, account, &expected, &new, patience).await?;
    changed_rules(&changed, &tsg_id)
}

pub async fn remove(manage: web::Data<Manage>, ask: Ask<Path, Taking>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(account)) = ask.path;
    let (IfMatch(expected), patience) = ask.rest;
    let gone = manage.delete_trust_rules(&ask.caller, &tsg_id, account, &expected, patience).await?;
    changed_rules(&gone, &tsg_id)
}

fn changed_rules(changed: &Withdrawn<ShownRules>, tsg_id: &TsgId) -> Result<HttpResponse, Problem> {
    let version = Version::Revision(changed.value.revision);
    answer::withdrawn(changed, tsg_id).thing_and_receipt(&changed.value, version, changed.receipt.as_ref())
}
