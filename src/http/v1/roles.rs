//! `/v1/tenants/{tsg_id}/roles`.

use std::convert::identity;

use actix_web::{HttpResponse, web};
use uuid::Uuid;

use super::answer::{self, Answer, Version};
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Id};
use crate::http::body::Creating;
use crate::http::cursor::Paging;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::roles::NewRole;

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<Uuid>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_roles(&ask.caller, &ask.path, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, Creating<NewRole>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_role(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let location = format!("/v1/tenants/{}/roles/{}", ask.path, made.value.id);
    Answer::created(location).replayed(made.replayed).thing(&made.value, Version::Content)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, Id)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, Id(id)) = ask.path;
    Answer::ok().thing(&manage.role(&ask.caller, &tsg_id, id).await?, Version::Content)
}
