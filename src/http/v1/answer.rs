//! The shapes that answers share: a thing with its tag, a thing that was made, a page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderValue, LOCATION,
};
use serde::Serialize;

use crate::domain::tenant::TsgId;
use crate::http::cursor::{Key, Paging};
use crate::http::etag;
use crate::http::problem::Problem;
use crate::manage::{Listing, Withdrawn};
use crate::store::receipts::Receipt;

/// How the version of a thing is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// By a count of its changes.
    Revision(i32),
    /// By what it looks like.
    Content,
}

/// An answer under construction: nothing of it may be kept by a cache.
pub struct Answer {
    status: StatusCode,
    location: Option<String>,
    replayed: bool,
}

impl Answer {
    /// 200.
    pub fn ok() -> Self {
        Self { status: StatusCode::OK, location: None, replayed: false }
    }

    /// 201, and where it can be read; the same when it is a replay.
    pub fn created(location: String) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), replayed: false }
    }

    /// 202: written down, but not everybody has heard; where to see it done.
    pub fn accepted(location: String) -> Self {
        Self { status: StatusCode::ACCEPTED, location: Some(location), replayed: false }
    }

    /// Says whether this answers a repeated `Idempotency-Key`.
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    /// With a thing.
    pub fn thing(self, thing: &impl Serialize, version: Version) -> Result<HttpResponse, Problem> {
        let body = json(thing)?;
        let tag = tag(&body, version);
        Ok(self.body(Some(tag), body))
    }

    /// With a file for people to keep.
    pub fn csv(self, csv: String, name: i64) -> Result<HttpResponse, Problem> {
        let mut answer = self.body(None, csv.into_bytes());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
        let file = HeaderValue::from_str(&format!("attachment; filename=\"access-key-{name}.csv\""));
        headers.insert(CONTENT_DISPOSITION, file.map_err(|_| Problem::internal())?);
        Ok(answer)
    }

    /// With a thing that changes without anybody's doing.
    pub fn untagged(self, thing: &impl Serialize) -> Result<HttpResponse, Problem> {
        let body = json(thing)?;
        Ok(self.body(None, body))
    }

    /// With a thing and the receipt of what was taken from it; the tag is the thing's own.
    pub fn thing_and_receipt(
        self,
        thing: impl Serialize,
        version: Version,
        receipt: Option<&Receipt>,
    ) -> Result<HttpResponse, Problem> {
        let tag = tag(&json(&thing)?, version);
        let body = json(&WithReceipt { thing, receipt })?;
        Ok(self.body(Some(tag), body))
    }

    /// With a thing that nobody changes, and so without a tag; with the receipt of what made room for it.
    pub fn unversioned(
        self,
        thing: impl Serialize,
        receipt: Option<&Receipt>,
    ) -> Result<HttpResponse, Problem> {
        let body = json(&WithReceipt { thing, receipt })?;
        Ok(self.body(None, body))
    }

    /// With the receipt of a thing that is gone.
    pub fn receipt(self, receipt: Option<&Receipt>) -> Result<HttpResponse, Problem> {
        let body = json(&serde_json::json!({ "receipt": receipt }))?;
        Ok(self.body(None, body))
    }

    fn body(self, tag: Option<String>, body: Vec<u8>) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(tag) = tag {
            answer.insert_header((ETAG, tag));
        }
        if let Some(location) = self.location {
            answer.insert_header((LOCATION, location));
        }
        if self.replayed {
            answer.insert_header(("Idempotent-Replayed", "true"));
        }
        answer.content_type("application/json").body(body)
    }
}

fn tag(body: &[u8], version: Version) -> String {
    match version {
        Version::Revision(revision) => etag::of_revision(revision),
        Version::Content => etag::of_content(body),
    }
}

/// A thing from which something was taken, and the receipt.
#[derive(Serialize)]
pub struct WithReceipt<'a, T> {
    /// The thing.
    #[serde(flatten)]
    pub thing: T,
    /// Who has heard; nothing when nothing was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<&'a Receipt>,
}

/// The answer to taking something away: 200 when everybody has heard, 202 and where to see it when not yet.
pub fn withdrawn<T>(withdrawn: &Withdrawn<T>, tsg_id: &TsgId) -> Answer {
    match &withdrawn.receipt {
        Some(receipt) if !withdrawn.is_everywhere() => {
            Answer::accepted(format!("/v1/tenants/{tsg_id}/receipts/{}", receipt.id))
        }
        _ => Answer::ok(),
    }
}

/// A page of a list.
pub fn page<T, K: Key, S: Serialize>(
    listing: Listing<T, K>,
    asked: &Paging<K>,
    show: impl Fn(T) -> S,
) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Items<S> {
        items: Vec<S>,
        next_cursor: Option<String>,
    }
    let next_cursor = listing.next.as_ref().map(|key| asked.cursor_after(key));
    let body = json(&Items { items: listing.items.into_iter().map(show).collect(), next_cursor })?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

/// Anything, with nothing but itself.
pub fn plain(thing: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = json(thing)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

fn json(thing: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(thing).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Problem::internal()
    })
}
