//! `/v1/tenants`.

use std::convert::identity;

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::Ask;
use crate::http::body::Creating;
use crate::http::cursor::Paging;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::tenants::NewTenant;

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
    Answer::created(location).replayed(made.replayed).thing(&made.value, Version::Content)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<TsgId>) -> Result<HttpResponse, Problem> {
    Answer::ok().thing(&manage.tenant(&ask.caller, &ask.path).await?, Version::Content)
}
