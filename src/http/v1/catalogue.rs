//! `/v1/permissions`.

use std::convert::identity;

use actix_web::{HttpResponse, web};

use super::answer;
use crate::http::ask::Ask;
use crate::http::cursor::Paging;
use crate::http::problem::Problem;
use crate::manage::Manage;

pub async fn permissions(
    manage: web::Data<Manage>,
    ask: Ask<(), Paging<String>>,
) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_permissions(&ask.caller, &ask.rest.page).await?, &ask.rest, identity)
}
