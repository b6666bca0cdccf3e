//! `/v1/products`.

use std::convert::identity;

use actix_web::{HttpResponse, web};

use super::answer::{self, Answer, Version};
use crate::http::ask::Ask;
use crate::http::body::{Creating, Json};
use crate::http::cursor::Paging;
use crate::http::etag::{Changing, IfMatch};
use crate::http::problem::Problem;
use crate::manage::Manage;
use crate::manage::products::{NewProduct, ProductChange};
use crate::store::products::Product;

fn version(product: &Product) -> Version {
    Version::Revision(product.revision)
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<(), Paging<String>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_products(&ask.caller, &ask.rest.page).await?, &ask.rest, identity)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<(), Creating<NewProduct>>,
) -> Result<HttpResponse, Problem> {
    let Creating { new, once } = ask.rest;
    let made = manage.create_product(&ask.caller, &new, once.as_ref()).await?;
    let location = format!("/v1/products/{}", made.value.product);
    Answer::created(location).replayed(made.replayed).thing(&made.value, version(&made.value))
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<String>) -> Result<HttpResponse, Problem> {
    let product = manage.product(&ask.caller, &ask.path).await?;
    Answer::ok().thing(&product, version(&product))
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<String, Changing<ProductChange>>,
) -> Result<HttpResponse, Problem> {
    let ((IfMatch(expected), _), Json(change)) = ask.rest;
    let product = manage.change_product(&ask.caller, &ask.path, &expected, &change).await?;
    Answer::ok().thing(&product, version(&product))
}
