//! `/v1/signing-keys` and `/v1/master-keys`.

use std::convert::identity;

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer};
use super::regions::Nothing;
use crate::domain::signing_key::Kid;
use crate::http::ask::Ask;
use crate::http::body::{Creating, Json, Optional};
use crate::http::cursor::Paging;
use crate::http::problem::Problem;
use crate::manage::signing_keys::{Compromise, NewKey};
use crate::manage::{Manage, Patience};

pub async fn list(manage: web::Data<Manage>, ask: Ask<(), Paging<Kid>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_signing_keys(&ask.caller, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<Kid>) -> Result<HttpResponse, Problem> {
    answer::plain(&manage.signing_key(&ask.caller, &ask.path).await?)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<(), Creating<NewKey>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_signing_key(&ask.caller, new.algorithm, once.as_ref()).await?;
    let location = place(&made.value.kid);
    Answer::created(location).replayed(made.replayed).untagged(&made.value)
}

pub async fn promote(
    manage: web::Data<Manage>,
    ask: Ask<Kid, Optional<Nothing>>,
) -> Result<HttpResponse, Problem> {
    let made = manage.promote_signing_key(&ask.caller, &ask.path, ask.rest.once.as_ref()).await?;
    Answer::ok().replayed(made.replayed).untagged(&made.value)
}

pub async fn revoke(
    manage: web::Data<Manage>,
    ask: Ask<Kid, (Patience, Json<Compromise>)>,
) -> Result<HttpResponse, Problem> {
    let (patience, Json(why)) = ask.rest;
    let shown = manage.revoke_signing_key(&ask.caller, &ask.path, &why.reason, patience).await?;
    let everywhere = shown.everywhere_at.is_some();
    let answer = if everywhere { Answer::ok() } else { Answer::accepted(place(&shown.kid)) };
    answer.untagged(&shown)
}

pub async fn master_keys(manage: web::Data<Manage>, ask: Ask<()>) -> Result<HttpResponse, Problem> {
    let items = manage.list_master_keys(&ask.caller).await?;
    answer::plain(&serde_json::json!({ "items": items }))
}

fn place(kid: &Kid) -> String {
    format!("/v1/signing-keys/{kid}")
}
