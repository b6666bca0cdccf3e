//! `/v1/regions`.

use std::convert::identity;

use actix_web::{HttpResponse, web};
use garde::Validate;
use serde::Deserialize;

use super::answer::{self, Answer};
use crate::domain::region_name::RegionName;
use crate::http::ask::Ask;
use crate::http::body::Optional;
use crate::http::cursor::Paging;
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::store::operated_regions::Move;

/// A body with nothing in it.
#[derive(Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

type Moving = Ask<RegionName, Optional<Nothing>>;

pub async fn list(
    manage: web::Data<Manage>,
    ask: Ask<(), Paging<RegionName>>,
) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_regions(&ask.caller, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<RegionName>) -> Result<HttpResponse, Problem> {
    answer::plain(&manage.region(&ask.caller, &ask.path).await?)
}

pub async fn drain(manage: web::Data<Manage>, ask: Moving) -> Result<HttpResponse, Problem> {
    apply(&manage, &ask, Move::Drain).await
}

pub async fn rejoin(manage: web::Data<Manage>, ask: Moving) -> Result<HttpResponse, Problem> {
    apply(&manage, &ask, Move::Rejoin).await
}

pub async fn remove(manage: web::Data<Manage>, ask: Ask<RegionName>) -> Result<HttpResponse, Problem> {
    manage.remove_region(&ask.caller, &ask.path).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn apply(manage: &Manage, ask: &Moving, what: Move) -> Result<HttpResponse, Problem> {
    let done = manage.move_region(&ask.caller, what, &ask.path, ask.rest.once.as_ref()).await?;
    Answer::ok().replayed(done.replayed).untagged(&done.value)
}
