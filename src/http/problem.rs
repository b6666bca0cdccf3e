//! Every error of the management API, as problem details (RFC 9457), and the ONE bridge from what
//! a use case says to what the wire says.
//!
//! An outage is a 503 that says when to ask again; a fault of ours is a bare 500 whose cause goes
//! to the log and nowhere else.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;
use tracing_actix_web::RequestId;

use super::dpop::{self, Fault};
use super::ratelimit;
use crate::limits::TooMany;
use crate::manage::{Manage, ManageError};
use crate::token::protected_resource;

mod status;

/// Seconds after which it is worth asking again.
const RETRY_AFTER_SECONDS: &str = "1";
/// The same where others have to finish first.
const RETRY_WHEN_OTHERS_HAVE_ENDED_SECONDS: &str = "10";

/// What is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FieldError {
    /// The field, parameter or header, as the request spells it.
    pub field: String,
    /// What is wrong with it, for people.
    pub message: String,
}

/// An error answer.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    header: Extra,
}

/// The header that some problems have besides their body.
#[derive(Clone, Debug)]
enum Extra {
    None,
    /// A bearer's, and that there is another way.
    Challenge {
        token_was_sent: bool,
    },
    /// That of the other way alone.
    Proof(Fault),
    RetryAfter(&'static str),
    TooMany(TooMany),
    Allow(String),
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    code: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), header: Extra::None }
    }

    fn with(self, header: Extra) -> Self {
        Self { header, ..self }
    }

    /// 401 (RFC 6750 §3): an error code only for who sent a bearer token.
    #[must_use]
    pub fn unauthenticated(token_was_sent: bool) -> Self {
        let detail = if token_was_sent {
            "The access token is not valid."
        } else {
            "This needs a bearer token, in the Authorization header."
        };
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", detail).with(Extra::Challenge { token_was_sent })
    }

    /// 401 (RFC 9449 §7.1): for who says to be a token's holder.
    #[must_use]
    pub fn unproven(fault: Fault) -> Self {
        let detail = match fault {
            Fault::Token => "The access token is not valid, or not bound to a key.",
            Fault::Proof => {
                "The DPoP proof is malformed, with another key, for another request, token or time, or was used before."
            }
            Fault::Nonce => "The DPoP proof needs the nonce of the DPoP-Nonce header.",
        };
        Self::new(StatusCode::UNAUTHORIZED, fault.code(), detail).with(Extra::Proof(fault))
    }

    /// 429 (RFC 6585 §4).
    #[must_use]
    pub fn too_many_failures(too_many: TooMany) -> Self {
        let detail = "From this address too many have failed to authenticate; try again later.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail).with(Extra::TooMany(too_many))
    }

    /// Whether somebody has tried to be who he is not. No token at all is no attempt, and without a nonce of ours a proof is only
    /// early.
    #[must_use]
    pub fn is_failure_to_authenticate(&self) -> bool {
        match self.header {
            Extra::Challenge { token_was_sent } => token_was_sent,
            Extra::Proof(fault) => fault != Fault::Nonce,
            _ => false,
        }
    }

    /// 404: nothing there, or nothing that the caller may know of.
    #[must_use]
    pub fn not_found() -> Self {
        ManageError::NotFound.into()
    }

    /// 400: the body is not what it should be.
    #[must_use]
    pub fn invalid_body(detail: impl Into<Cow<'static, str>>, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid_body", detail) }
    }

    /// 400: a header or query parameter is not what it should be.
    #[must_use]
    pub fn invalid_parameter(code: &'static str, field: &str, message: &str) -> Self {
        let error = FieldError { field: field.to_owned(), message: message.to_owned() };
        let detail = format!("{field} {message}.");
        Self { errors: vec![error], ..Self::new(StatusCode::BAD_REQUEST, code, detail) }
    }

    /// 413.
    #[must_use]
    pub fn body_too_large(limit_bytes: usize) -> Self {
        let detail = format!("The body may have {limit_bytes} bytes at most.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        let detail = "The body must be application/json, and not compressed.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// 428 (RFC 6585 §3).
    #[must_use]
    pub fn precondition_required() -> Self {
        let detail = "This needs If-Match, with the ETag of your latest GET.";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail)
    }

    /// 503: a store that the answer needs is down.
    #[must_use]
    pub fn unavailable() -> Self {
        let detail = "A store that the answer needs is down; ask again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .with(Extra::RetryAfter(RETRY_AFTER_SECONDS))
    }

    /// 503: as many streams are open as may be.
    #[must_use]
    pub fn too_many_streams() -> Self {
        let detail = "Too many streams are open here, of you, of your tenant or of everybody.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail)
            .with(Extra::RetryAfter(RETRY_WHEN_OTHERS_HAVE_ENDED_SECONDS))
    }

    /// 500. Who calls this logs the cause.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "This is a fault of ours.")
    }

    fn answer(&self, instance: Option<String>, resource_metadata: Option<&str>) -> HttpResponse {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            code: self.code,
            errors: &self.errors,
        };
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        match &self.header {
            Extra::None => {}
            Extra::Challenge { token_was_sent } => {
                let bearer = if *token_was_sent {
                    r#"Bearer realm="carnet", error="invalid_token""#
                } else {
                    r#"Bearer realm="carnet""#
                };
                for way in [bearer.to_owned(), dpop::challenge(None)] {
                    answer.append_header((header::WWW_AUTHENTICATE, pointing(&way, resource_metadata)));
                }
            }
            Extra::Proof(fault) => {
                let way = dpop::challenge(Some(*fault));
                answer.insert_header((header::WWW_AUTHENTICATE, pointing(&way, resource_metadata)));
            }
            Extra::RetryAfter(seconds) => {
                answer.insert_header((header::RETRY_AFTER, *seconds));
            }
            Extra::TooMany(too_many) => ratelimit::exceeded(&mut answer, too_many),
            Extra::Allow(methods) => {
                answer.insert_header((header::ALLOW, methods.as_str()));
            }
        }
        let json = serde_json::to_string(&body).unwrap_or_default();
        answer.content_type("application/problem+json").body(json)
    }
}

/// A challenge that says where the resource is described (RFC 9728 §5.1).
fn pointing(challenge: &str, metadata: Option<&str>) -> String {
    metadata.map_or_else(|| challenge.to_owned(), |url| format!("{challenge}, resource_metadata=\"{url}\""))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.answer(None, None)
    }
}

/// The bridge.
impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match status::of(&error) {
            StatusCode::UNAUTHORIZED => Self::unauthenticated(true),
            StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(%error, "an outage");
                Self::unavailable()
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(%error, "a fault of ours");
                Self::internal()
            }
            status => {
                let detail = error.to_string();
                let field = error
                    .field()
                    .map(|field| FieldError { field: field.to_owned(), message: detail.clone() });
                Self { errors: field.into_iter().collect(), ..Self::new(status, error.code(), detail) }
            }
        }
    }
}

/// Says which request it was that had a problem, by the id under which the log knows it; and, where a token is missing,
/// where to read who issues them (RFC 9728 §5.1).
pub(super) async fn name_occurrence(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let asked = answer.request().clone();
    dpop::supply(&asked, answer.headers_mut());
    let problem = answer.response().error().and_then(|error| error.as_error::<Problem>());
    let Some(problem) = problem.cloned() else {
        return Ok(answer);
    };
    let (instance, metadata) = (occurrence(&asked), metadata(&asked));
    let mut described = problem.answer(instance, metadata.as_deref());
    dpop::supply(&asked, described.headers_mut());
    Ok(answer.into_response(described))
}

fn metadata(request: &HttpRequest) -> Option<String> {
    request.app_data::<web::Data<Manage>>().map(|manage| protected_resource::address(&manage.issuer))
}

fn occurrence(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<RequestId>().map(|id| format!("urn:uuid:{id}"))
}

/// 405 for a path of the management API.
pub(super) fn refuse_method(allow: &str) -> Error {
    let detail = format!("This path has only {allow}.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        .with(Extra::Allow(allow.to_owned()))
        .into()
}

/// 404 for a path that is not served.
pub async fn unknown_path(request: HttpRequest) -> HttpResponse {
    Problem::not_found().answer(occurrence(&request), None)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::NoRandomness;
    use crate::domain::rights::Permission;
    use crate::store::StoreError;

    async fn shown(problem: Problem) -> (HttpResponse, Value) {
        let answer = problem.error_response();
        let (head, body) = answer.into_parts();
        let body = actix_web::body::to_bytes(body).await.expect("a body");
        (head.set_body(BoxBody::new(())), serde_json::from_slice(&body).expect("JSON"))
    }

    fn header<'a>(answer: &'a HttpResponse, name: &str) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    #[tokio::test]
    async fn a_refusal_says_what_and_about_which_field() {
        let (answer, body) = shown(ManageError::UnknownRole("r".into()).into()).await;
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        let detail = "There is no role r.";
        let expected = json!({
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": detail,
            "code": "unknown_role", "errors": [{ "field": "role", "message": detail }],
        });
        assert_eq!(body, expected);
        let (_, body) = shown(ManageError::PermissionDenied(Permission::CustomRole).into()).await;
        assert_eq!((&body["status"], &body["code"]), (&json!(403), &json!("permission_denied")));
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("iam.custom_role")));
    }

    #[tokio::test]
    async fn an_outage_is_a_503_that_says_when_to_ask_again() {
        let outage = StoreError::TimedOut(std::time::Duration::from_secs(1));
        let (answer, body) = shown(ManageError::Store(outage).into()).await;
        assert_eq!((answer.status().as_u16(), &body["code"]), (503, &json!("unavailable")));
        assert_eq!(header(&answer, "retry-after"), "1");
    }

    #[tokio::test]
    async fn a_fault_of_ours_says_nothing_of_its_cause() {
        for error in [ManageError::Store(StoreError::Broken("column hash".into())), NoRandomness.into()] {
            let (answer, body) = shown(error.into()).await;
            assert_eq!((answer.status().as_u16(), &body["code"]), (500, &json!("internal")));
            assert_eq!(body["detail"], "This is a fault of ours.");
        }
        let constraint = ManageError::Store(StoreError::Violates("role_name_once".into()));
        assert_eq!(shown(constraint.into()).await.0.status(), 500);
    }

    #[tokio::test]
    async fn a_method_that_is_not_there_names_those_that_are() {
        let refusal = refuse_method("GET, POST").as_response_error().error_response();
        assert_eq!((refusal.status().as_u16(), header(&refusal, "allow")), (405, "GET, POST"));
    }
}
