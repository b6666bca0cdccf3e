//! `GET /status-lists/{list}` (draft-ietf-oauth-status-list §8), and which lists there are (§9). Anybody may: a list says nothing
//! of whom its bits are. So an address may ask for so much, and that counts for nothing else.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::error::{plain, refuse};
use crate::directory::Served;
use crate::http::{etag, pacing};
use crate::issue::TokenError;
use crate::limits::Limits;
use crate::token::status_list;
use crate::verify::{StatusError, Verifier};

/// §8.1
const MEDIA_TYPE: &str = "application/statuslist+jwt";
/// For how long caches on the way may keep a list, seconds. `ttl` says how long a verifier may, on top of it.
const MAX_AGE: &str = "public, max-age=5";

/// One list, signed.
pub(super) async fn get_list(
    request: HttpRequest,
    limits: web::Data<Limits>,
    verifier: web::Data<Verifier>,
    list: web::Path<String>,
) -> HttpResponse {
    if let Err(too_many) = limits.ask_for_list(pacing::origin(&request).address) {
        return refuse(&too_many.into(), false);
    }
    // In one spelling only.
    let Some(list) = list.parse::<i64>().ok().filter(|number| number.to_string() == *list) else {
        return unknown();
    };
    match verifier.status_list(list).await {
        Ok(Some(list)) => answer(&request, &list),
        Ok(None) => unknown(),
        Err(error) => refuse(&refused(&error), false),
    }
}

fn answer(request: &HttpRequest, list: &Served<String>) -> HttpResponse {
    let tag = etag::of_content(list.value.as_bytes());
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    let is_known = known.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|known| known == tag);
    let mut answer = HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    answer.insert_header((CACHE_CONTROL, MAX_AGE)).insert_header((ETAG, tag));
    if is_known { answer.finish() } else { answer.content_type(MEDIA_TYPE).body(list.value.clone()) }
}

/// Where all lists are.
pub(super) async fn list_lists(
    request: HttpRequest,
    limits: web::Data<Limits>,
    verifier: web::Data<Verifier>,
) -> HttpResponse {
    if let Err(too_many) = limits.ask_for_list(pacing::origin(&request).address) {
        return refuse(&too_many.into(), false);
    }
    match verifier.status_lists().await {
        Ok(lists) => {
            let at = |list: &i64| status_list::address(&verifier.issuer, *list);
            let lists: Vec<String> = lists.iter().map(at).collect();
            HttpResponse::Ok().insert_header((CACHE_CONTROL, MAX_AGE)).json(json!({ "status_lists": lists }))
        }
        Err(error) => refuse(&refused(&error), false),
    }
}

fn unknown() -> HttpResponse {
    plain(StatusCode::NOT_FOUND, "not_found", "There is no such status list")
}

fn refused(error: &StatusError) -> TokenError {
    tracing::warn!(%error, "a status list cannot be shown");
    match error {
        StatusError::Unavailable(_) => TokenError::TemporarilyUnavailable {
            reason: "The list cannot be made right now",
            retry_after: std::time::Duration::from_secs(1),
        },
        StatusError::Broken(_) | StatusError::NoKey => TokenError::ServerError,
    }
}
