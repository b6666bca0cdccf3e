//! `/v1/tenants/{tsg_id}/api-keys/{api_key_id}/events`: what becomes of a key, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::api_keys::ApiKeyId;
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;
use crate::http::ask::{Ask, Rest};
use crate::http::problem::Problem;
use crate::http::streams::{Seat, Streams};
use crate::manage::Manage;
use crate::manage::api_keys::watch::{News, Watch};

/// Sent after so long without anything else, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a client connects again, milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// What the client saw last, if it was here before. What is not a number of ours is nothing.
pub struct LastEventId(Option<i64>);

impl Rest for LastEventId {
    async fn read(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let seen = request.headers().get("last-event-id");
        Ok(Self(seen.and_then(|value| value.to_str().ok()?.parse().ok())))
    }
}

pub async fn events(
    manage: web::Data<Manage>,
    streams: web::Data<Streams>,
    request: HttpRequest,
    ask: Ask<(TsgId, ApiKeyId), LastEventId>,
) -> Result<HttpResponse, Problem> {
    let ((tsg_id, ApiKeyId(id)), LastEventId(seen)) = (ask.path, ask.rest);
    let seat = streams.into_inner().seat(&ask.caller.client_id, &ask.caller.tsg_id);
    let seat = seat.ok_or_else(Problem::too_many_streams)?;
    let watch = manage.into_inner().watch_api_key(ask.caller, tsg_id, id, seen).await?;
    let Some(watch) = watch else { return Ok(HttpResponse::NoContent().finish()) };
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/event-stream").insert_header((CACHE_CONTROL, "no-store"));
    // Some proxies would keep everything back until the answer ends.
    answer.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(answer.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let open = Open::new(id, watch, seat);
    Ok(answer.streaming(stream::unfold(open, |mut open| async {
        let bytes = open.next().await?;
        Some((Ok::<_, Infallible>(bytes), open))
    })))
}

/// A stream that is being sent.
struct Open {
    api_key_id: i64,
    watch: Watch,
    seat: Seat,
    greeted: bool,
    quiet_since: Instant,
    ends: Instant,
}

impl Open {
    fn new(api_key_id: i64, watch: Watch, seat: Seat) -> Self {
        let now = Instant::now();
        let ends = now + watch.token_left().min(seat.life());
        Self { api_key_id, watch, seat, greeted: false, quiet_since: now, ends }
    }

    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            if let Some((number, news)) = self.watch.take() {
                self.quiet_since = Instant::now();
                return frame(self.api_key_id, number, &news);
            }
            if self.watch.is_over() {
                return None;
            }
            tokio::select! {
                biased;
                () = self.seat.closed() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = self.watch.wait() => {}
                () = tokio::time::sleep_until(self.quiet_since + KEEP_ALIVE) => {
                    self.quiet_since = Instant::now();
                    return Some(Bytes::from_static(b":\n\n"));
                }
            }
            let looked = tokio::select! {
                () = self.seat.closed() => return None,
                looked = self.watch.look() => looked,
            };
            if let Err(error) = looked {
                // It is told why when it connects again.
                tracing::debug!(%error, "somebody may not look on any more");
                return None;
            }
        }
    }
}

fn frame(api_key_id: i64, number: i64, news: &News) -> Option<Bytes> {
    #[derive(Serialize)]
    struct StatusEvent {
        api_key_id: String,
        status: KeyStatus,
        at: Timestamp,
    }
    let (name, data) = match news {
        News::Status(status, at) => {
            let status = StatusEvent { api_key_id: api_key_id.to_string(), status: *status, at: *at };
            ("status", serde_json::to_string(&status))
        }
        News::Receipt(receipt) => ("receipt", serde_json::to_string(receipt)),
    };
    let data =
        data.inspect_err(|error| tracing::error!(%error, "an event cannot be written as JSON")).ok()?;
    Some(Bytes::from(format!("id: {number}\nevent: {name}\ndata: {data}\n\n")))
}
