//! One request, and what it means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{AUDIENCE, Door, PRODUCT, ROLE, Site};
use crate::history::{Came, Status, Wants};

/// How long a management token is used again. It lives longer.
const RENEW_AFTER: Duration = Duration::from_mins(5);
/// How long it may take to get one at one instance.
const ADMIN_TOKEN: Duration = Duration::from_secs(2);

/// Asks; clones share their connections.
#[derive(Clone)]
pub struct Asker {
    pub site: Arc<Site>,
    http: reqwest::Client,
    admin: Arc<Mutex<Option<(String, Instant)>>>,
}

/// An answer, or that there was none.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer { status: u16, body: Value },
    None,
}

impl Reply {
    /// A member of the body, as text.
    pub fn text(&self, member: &str) -> Option<String> {
        let Self::Answer { body, .. } = self else { return None };
        body[member].as_str().map(ToOwned::to_owned)
    }

    fn status(&self) -> Option<u16> {
        if let Self::Answer { status, .. } = self { Some(*status) } else { None }
    }
}

impl Asker {
    pub fn new(site: Arc<Site>) -> Self {
        // Whichever of the two comes first; the product itself names its own.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).tcp_nodelay(true);
        let http = builder.connect_timeout(Duration::from_secs(1)).build().expect("an HTTP client");
        Self { site, http, admin: Arc::default() }
    }

    async fn send(request: RequestBuilder, limit: Duration) -> Reply {
        let Ok(answer) = request.timeout(limit).send().await else { return Reply::None };
        let status = answer.status().as_u16();
        let Ok(bytes) = answer.bytes().await else { return Reply::None };
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Reply::Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) }
    }

    /// Asks for a token, which is there if it was given.
    pub async fn token(
        &self,
        door: &Door,
        (client_id, client_secret): (&str, &str),
        wants: Wants,
        limit: Duration,
    ) -> (Came, Option<String>) {
        let mut form = vec![("grant_type", "client_credentials")];
        match wants {
            Wants::Unsaid => {}
            Wants::Product => form.push(("resource", AUDIENCE)),
            Wants::Management => form.push(("resource", &self.site.issuer)),
        }
        let request = self.http.post(format!("{}/oauth2/token", door.url));
        let reply = Self::send(request.basic_auth(client_id, Some(client_secret)).form(&form), limit).await;
        let token = reply.text("access_token").filter(|_| reply.status() == Some(200));
        let came = match &token {
            Some(token) => said_by(token),
            None => refusal(&reply, "error"),
        };
        (came, token)
    }

    /// Asks who the bearer of a token is.
    pub async fn whoami(&self, door: &Door, token: &str, limit: Duration) -> Came {
        let request = self.http.get(format!("{}/v1/whoami", door.url)).bearer_auth(token);
        match Self::send(request, limit).await {
            Reply::Answer { status: 200, .. } => Came::Known,
            reply => refusal(&reply, "code"),
        }
    }

    /// The administrator asks. The same idempotency key is the same request.
    pub async fn manage(
        &self,
        door: &Door,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Reply {
        let Some(token) = self.admin_token().await else { return Reply::None };
        let mut request = self.http.request(method, format!("{}{path}", door.url)).bearer_auth(token);
        request = request.header("If-Match", "*");
        if let Some(body) = body {
            request = request.json(body);
        }
        Self::send(request, limit).await
    }

    /// The same for what must not be made twice.
    pub async fn make(&self, door: &Door, path: &str, body: &Value, once: &str, limit: Duration) -> Reply {
        let Some(token) = self.admin_token().await else { return Reply::None };
        let request = self.http.post(format!("{}{path}", door.url)).bearer_auth(token).json(body);
        Self::send(request.header("Idempotency-Key", once), limit).await
    }

    /// The administrator's token, from whoever gives one.
    async fn admin_token(&self) -> Option<String> {
        let mut known = self.admin.lock().await;
        if let Some((token, since)) = &*known
            && since.elapsed() < RENEW_AFTER
        {
            return Some(token.clone());
        }
        let Site { doors, client_id, client_secret, .. } = &*self.site;
        for door in doors {
            let (_, token) =
                self.token(door, (client_id, client_secret), Wants::Management, ADMIN_TOKEN).await;
            if let Some(token) = token {
                *known = Some((token.clone(), Instant::now()));
                return Some(token);
            }
        }
        None
    }
}

/// What a token says of its bearer, as any client can read.
fn said_by(token: &str) -> Came {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let role = claims["roles"].as_array().is_some_and(|roles| roles.contains(&json!(ROLE)));
    if claims["product"] == PRODUCT { Came::ProductToken { role } } else { Came::ManagementToken { role } }
}

/// What an answer means that is not what was asked for. `member` has the error's name.
pub fn refusal(reply: &Reply, member: &str) -> Came {
    let Reply::Answer { status, body } = reply else { return Came::NoAnswer };
    let code = body[member].as_str().unwrap_or_default().to_owned();
    match status {
        503 if body["error_description"].as_str().is_some_and(|why| why.starts_with("Not yet valid")) => {
            Came::Pending
        }
        503 => Came::Unavailable,
        400 | 401 | 403 | 404 | 409 | 412 | 422 => Came::Refused { code },
        _ => Came::Odd { status: *status, body: body.to_string() },
    }
}

/// What the answer to something that makes a thing means; `member` names it.
pub fn made(reply: &Reply, member: &str) -> Came {
    match (reply, reply.text(member)) {
        (Reply::Answer { status: 201, .. }, Some(made)) => Came::Made { made },
        _ => refusal(reply, "code"),
    }
}

/// What the answer to a withdrawal, or a receipt, means.
pub fn withdrawn(reply: &Reply) -> Came {
    match reply {
        Reply::Answer { status: 200, body } if is_proven(body) => Came::Proven,
        Reply::Answer { status: 200 | 202, .. } => Came::Promised,
        Reply::Answer { .. } | Reply::None => refusal(reply, "code"),
    }
}

/// A receipt is complete when it says since when it is so everywhere.
fn is_proven(body: &Value) -> bool {
    let receipt = if body["receipt"].is_object() { &body["receipt"] } else { body };
    receipt["effective_everywhere_at"].is_string()
}

/// What the answer to a question for a status means.
pub fn shown(status: &Value) -> Option<Came> {
    let status: Status = serde_json::from_value(status.clone()).ok()?;
    Some(Came::Status { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: Value) -> Reply {
        Reply::Answer { status, body }
    }

    #[test]
    fn only_a_receipt_that_is_complete_is_a_proof() {
        let receipt =
            |at: Value| json!({ "status": "revoked", "receipt": { "effective_everywhere_at": at } });
        assert_eq!(withdrawn(&answer(200, receipt(json!("2026-01-01T00:00:00Z")))), Came::Proven);
        assert_eq!(withdrawn(&answer(200, receipt(Value::Null))), Came::Promised);
        assert_eq!(withdrawn(&answer(202, receipt(Value::Null))), Came::Promised);
        assert_eq!(withdrawn(&answer(200, json!({ "effective_everywhere_at": "now" }))), Came::Proven);
        assert_eq!(withdrawn(&answer(503, Value::Null)), Came::Unavailable);
        assert_eq!(withdrawn(&Reply::None), Came::NoAnswer);
    }

    #[test]
    fn an_outage_is_told_from_a_refusal_and_from_what_should_not_be() {
        let pending =
            json!({ "error": "temporarily_unavailable", "error_description": "Not yet valid in …" });
        assert_eq!(refusal(&answer(503, pending), "error"), Came::Pending);
        assert_eq!(refusal(&answer(503, json!({})), "error"), Came::Unavailable);
        let refused = Came::Refused { code: "invalid_client".into() };
        assert_eq!(refusal(&answer(401, json!({ "error": "invalid_client" })), "error"), refused);
        assert!(matches!(refusal(&answer(500, json!({})), "error"), Came::Odd { status: 500, .. }));
    }
}
