//! `/v1/tenants/{tsg_id}/receipts`: who has heard that something was taken away.

use actix_web::{HttpResponse, web};

use super::answer;
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::problem::Problem;
use crate::manage::Manage;

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    answer::plain(&manage.receipt(&ask.caller, &tsg_id, id).await?)
}
