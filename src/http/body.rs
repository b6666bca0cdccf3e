//! JSON bodies: of one media type, of bounded size, with the fields that are known and no others.
//! Every complaint names the field that it is about.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use futures_util::StreamExt;
use garde::Validate;
use ring::digest;
use serde::de::DeserializeOwned;

use super::ask::Rest;
use super::problem::{FieldError, Problem};
use crate::manage::Once;

/// The largest body that is read, bytes.
pub const LIMIT: usize = 64 * 1024;
/// The longest that a body may take to come.
const SLOWEST_BODY: Duration = Duration::from_secs(5);

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A body.
pub struct Json<T>(pub T);

/// The body of a POST that creates something, and its key if it may be repeated.
pub struct Creating<T> {
    /// The body.
    pub new: T,
    /// The key.
    pub once: Option<Once>,
}

/// The same of a POST whose body may be left out.
pub struct Optional<T> {
    /// The body; its default when it was left out.
    pub body: T,
    /// The key.
    pub once: Option<Once>,
}

impl<T: DeserializeOwned + Validate<Context: Default> + 'static> Rest for Json<T> {
    async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        json_only(request.headers())?;
        parse(&bytes(request, payload).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Validate<Context: Default> + 'static> Rest for Creating<T> {
    async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        json_only(request.headers())?;
        let bytes = bytes(request, payload).await?;
        Ok(Self { once: once(request, &bytes)?, new: parse(&bytes)? })
    }
}

impl<T: DeserializeOwned + Validate<Context: Default> + Default + 'static> Rest for Optional<T> {
    async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let bytes = bytes(request, payload).await?;
        let once = once(request, &bytes)?;
        if bytes.is_empty() {
            return Ok(Self { body: T::default(), once });
        }
        json_only(request.headers())?;
        Ok(Self { body: parse(&bytes)?, once })
    }
}

/// `application/json`, whatever its parameters, and not compressed: a small body that unpacks to a
/// large one is nobody's need here.
fn json_only(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let media_type = text(CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default();
    let plain = text(CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    if plain && media_type.trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type())
    }
}

async fn bytes(request: &HttpRequest, payload: &mut Payload) -> Result<Vec<u8>, Problem> {
    let length =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LIMIT as u64) {
        return Err(Problem::body_too_large(LIMIT));
    }
    let late = |_| Problem::invalid_body("The body did not come in time.", Vec::new());
    tokio::time::timeout(SLOWEST_BODY, collect(payload)).await.map_err(late)?
}

async fn collect(payload: &mut Payload) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::invalid_body("The body broke off.", Vec::new()))?;
        if bytes.len() + chunk.len() > LIMIT {
            return Err(Problem::body_too_large(LIMIT));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads a JSON object and judges its fields.
fn parse<T: DeserializeOwned + Validate<Context: Default>>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array for a struct as well.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::invalid_body("The body must be a JSON object.", Vec::new()));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| unreadable(&error))?;
    json.end()
        .map_err(|_| Problem::invalid_body("There is something behind the JSON object.", Vec::new()))?;
    value.validate().map_err(|report| {
        let error = |(path, error): &(garde::Path, garde::Error)| FieldError {
            field: path.to_string(),
            message: error.message().to_owned(),
        };
        Problem::invalid_body("Some fields are not as they should be.", report.iter().map(error).collect())
    })?;
    Ok(value)
}

fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let cause = error.inner();
    if !cause.is_data() {
        return Problem::invalid_body("The body is not JSON.", Vec::new());
    }
    // What a parser says ends with the place, which the field says better.
    let text = cause.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
    let field = match error.path().to_string() {
        // At the top it is a field that is missing, and named between backticks.
        path if path == "." => message.split('`').nth(1).unwrap_or_default().to_owned(),
        path => path,
    };
    let detail = format!("The body is not as it should be: {message}.");
    Problem::invalid_body(detail, vec![FieldError { field, message }])
}

/// The key of a request that may be repeated: 1 to 255 visible ASCII characters.
fn once(request: &HttpRequest, body: &[u8]) -> Result<Option<Once>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let visible =
        |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(visible) {
        Some(key) if values.next().is_none() => {
            Ok(Some(Once { key: key.to_owned(), fingerprint: fingerprint(request, body) }))
        }
        _ => {
            let message = "must be given once, as 1 to 255 visible ASCII characters";
            Err(Problem::invalid_parameter("invalid_parameter", "Idempotency-Key", message))
        }
    }
}

fn fingerprint(request: &HttpRequest, body: &[u8]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    // Neither a method nor a path has a line feed, so no two requests read the same.
    for part in [request.method().as_str().as_bytes(), request.path().as_bytes(), body] {
        hash.update(part);
        hash.update(b"\n");
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hash.finish().as_ref());
    fingerprint
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;
    use serde_json::Value;

    use super::*;
    use crate::manage::roles::NewRole;

    async fn ask(request: TestRequest) -> Result<Creating<NewRole>, Problem> {
        let (request, mut payload) = request.to_http_parts();
        Creating::read(&request, &mut payload).await
    }

    fn json(body: &str) -> TestRequest {
        TestRequest::post().insert_header((CONTENT_TYPE, "application/json")).set_payload(body.to_owned())
    }

    async fn refused(request: TestRequest) -> (u16, Value) {
        let problem = ask(request).await.map(|asked| asked.new).expect_err("refused");
        let answer = problem.error_response();
        let status = answer.status().as_u16();
        let body = actix_web::body::to_bytes(answer.into_body()).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    const GOOD: &str = r#"{"name":"r","permissions":["iam.read"]}"#;

    #[tokio::test]
    async fn a_complaint_names_its_field() {
        let table = [
            (r#"{"name":"r","permissions":[],"nam":1}"#, "nam"),
            (r#"{"name":"r"}"#, "permissions"),
            (r#"{"name":"r","name":"s","permissions":["iam.read"]}"#, "name"),
            (r#"{"name":5,"permissions":[]}"#, "name"),
            (r#"{"name":"r","permissions":["a",5]}"#, "permissions[1]"),
            (r#"{"name":"r","permissions":[]}"#, "permissions"),
            (r#"{"name":"","permissions":["iam.read"]}"#, "name"),
            (r#"{"name":"a\u0007","permissions":["iam.read"]}"#, "name"),
            (r#"{"name":"r","permissions":["iam.read",""]}"#, "permissions[1]"),
            (r#"{"name":"r","description":"\u0000","permissions":["iam.read"]}"#, "description"),
        ];
        for (body, field) in table {
            let (status, problem) = refused(json(body)).await;
            assert_eq!((status, &problem["code"]), (400, &"invalid_body".into()), "{body}");
            assert_eq!(problem["errors"][0]["field"], field, "{body} {problem}");
        }
    }

    #[tokio::test]
    async fn what_is_not_one_json_object_is_refused() {
        for body in
            ["", "{", "null", "[]", r#"["r",null,["iam.read"]]"#, "\u{feff}{}", &format!("{GOOD}{GOOD}")]
        {
            let (status, problem) = refused(json(body)).await;
            assert_eq!((status, &problem["code"]), (400, &"invalid_body".into()), "{body}");
        }
        assert!(ask(json(&format!(" {GOOD}\n"))).await.is_ok());
    }

    #[tokio::test]
    async fn only_plain_json_is_read() {
        let media_type =
            |value: &str| TestRequest::post().insert_header((CONTENT_TYPE, value)).set_payload(GOOD);
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(ask(media_type(good)).await.is_ok(), "{good}");
        }
        for bad in
            ["text/json", "application/x-www-form-urlencoded", "application/jsonx", "application/json-seq"]
        {
            assert_eq!(refused(media_type(bad)).await.0, 415, "{bad}");
        }
        assert_eq!(refused(TestRequest::post().set_payload(GOOD)).await.0, 415);
        assert_eq!(refused(json(GOOD).insert_header((CONTENT_ENCODING, "gzip"))).await.0, 415);
    }

    #[tokio::test]
    async fn a_large_body_is_refused_announced_or_not() {
        let padded = |size: usize| format!("{GOOD}{}", " ".repeat(size - GOOD.len()));
        assert!(ask(json(&padded(LIMIT))).await.is_ok());
        assert_eq!(refused(json(&padded(LIMIT + 1))).await.0, 413);
        let announced = json(GOOD).insert_header((CONTENT_LENGTH, "1000000"));
        assert_eq!(refused(announced).await.0, 413);
    }

    #[tokio::test]
    async fn the_fingerprint_is_of_path_and_body() {
        let key = |path: &str, body: &str| json(body).uri(path).insert_header((IDEMPOTENCY_KEY, "k-1"));
        let print = async |request| ask(request).await.ok().and_then(|asked| asked.once).expect("a key");
        let first = print(key("/a", GOOD)).await;
        assert_eq!(first.key, "k-1");
        assert_eq!(print(key("/a", GOOD)).await, first);
        assert_ne!(print(key("/b", GOOD)).await, first);
        assert_ne!(print(key("/a", &format!("{GOOD} "))).await, first);
        for bad in ["", "a b", "é", &"x".repeat(256)] {
            let (status, problem) = refused(json(GOOD).insert_header((IDEMPOTENCY_KEY, bad))).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (400, &"Idempotency-Key".into()), "{bad}");
        }
    }
}
