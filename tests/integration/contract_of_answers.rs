//! The contract is strict: every way in which an answer can differ from `openapi.yaml` is noticed, and the document leaves no way open by being loose.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::contract::Contract;

const ACCOUNTS: &str = "/v1/tenants/1000000001/service-accounts";
const ACCOUNT: &str = "/v1/tenants/1000000001/service-accounts/0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10";
const KEYS: &str = "/v1/tenants/1000000001/api-keys";

/// An answer, good as it is made and spoilt by the tests.
struct Answer {
    method: &'static str,
    path: &'static str,
    status: u16,
    headers: Vec<(String, String)>,
    content_type: Option<&'static str>,
    body: Value,
}

impl Answer {
    fn of(
        method: &'static str,
        path: &'static str,
        status: u16,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Self {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let content_type = if body.is_null() { None } else { Some("application/json") };
        Self { method, path, status, headers, content_type, body }
    }

    fn problem(mut self, title: &str, code: &str) -> Self {
        self.content_type = Some("application/problem+json");
        self.body = json!({"type": "about:blank", "title": title, "status": self.status, "detail": "Said for people.", "code": code});
        self
    }

    fn check(&self) -> Result<(), String> {
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        Contract::load().check(
            self.method,
            self.path,
            self.status,
            &self.headers,
            self.content_type,
            body.as_bytes(),
        )
    }
}

fn account() -> Answer {
    let body = json!({
        "id": "0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10",
        "tsg_id": "1000000001",
        "name": "Build agent",
        "client_id": "build-agent@1000000001.iam.carnet.example",
        "description": null,
        "contact_email": "builds@acme.example",
        "enabled": true,
        "dpop_bound_access_tokens": false,
        "created_at": "2026-11-22T08:30:00.123456Z",
        "secrets": [{
            "credential_id": "4Zq0bT7mXc2LkP9d",
            "name": "default",
            "status": "pending",
            "created_at": "2026-11-22T08:30:00Z",
            "expires_at": null,
            "replaces": null,
            "last_used_at": "2026-11-22T08:45:00Z",
            "last_used_address": "2001:db8:1:2::7",
            "last_used_network": "2001:db8:1::/48"
        }],
        "advice": []
    });
    Answer::of("GET", ACCOUNT, 200, &[("etag", "\"1\"")], body)
}

fn token() -> Answer {
    let body =
        json!({"access_token": "e30.e30.c2ln", "token_type": "Bearer", "expires_in": 900, "scope": ""});
    Answer::of("POST", "/oauth2/token", 200, &[("Cache-Control", "no-store")], body)
}

fn unauthenticated() -> Answer {
    let challenge = (
        "WWW-Authenticate",
        "Bearer realm=\"carnet\", error=\"invalid_token\", resource_metadata=\"https://id.example/m\"",
    );
    Answer::of("GET", "/v1/whoami", 401, &[challenge], Value::Null).problem("Unauthorized", "invalid_token")
}

fn unavailable() -> Answer {
    Answer::of("GET", ACCOUNTS, 503, &[("Retry-After", "1")], Value::Null)
        .problem("Service Unavailable", "unavailable")
}

fn method_not_allowed() -> Answer {
    Answer::of("PUT", KEYS, 405, &[("Allow", "GET, POST")], Value::Null)
        .problem("Method Not Allowed", "method_not_allowed")
}

fn keys() -> Answer {
    let rsa = json!({"kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": "AQ", "e": "AQAB"});
    Answer::of("GET", "/am/oauth2/connect/jwk_uri", 200, &[], json!({"keys": [rsa]}))
}

fn policy(products: &Value) -> Answer {
    let body = json!({
        "id": "0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10",
        "tsg_id": "1000000001",
        "principal": "build-agent@1000000001.iam.carnet.example",
        "role": null,
        "products": products,
        "tenant": "1000000001",
        "created_at": "2026-11-22T08:30:00Z",
        "warnings": []
    });
    let path = "/v1/tenants/1000000001/access-policies/0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10";
    Answer::of("GET", path, 200, &[("ETag", "\"1\"")], body)
}

#[rstest]
#[case::one_thing(account())]
#[case::a_list(Answer::of("GET", "/v1/tenants?limit=1", 200, &[], json!({"items": [], "next_cursor": null})))]
#[case::a_token(token())]
#[case::a_key_set(keys())]
#[case::either_of_two_shapes(policy(&json!("all")))]
#[case::the_other_of_two_shapes(policy(&json!(["prisma_access"])))]
#[case::a_problem(unauthenticated())]
#[case::an_outage(unavailable())]
#[case::a_method_that_the_path_lacks(method_not_allowed())]
fn an_answer_by_the_contract_passes(#[case] answer: Answer) {
    assert_eq!(answer.check(), Ok(()));
}

#[rstest]
#[case::undocumented_status(account(), |it: &mut Answer| it.status = 418, "does not document 418")]
#[case::unknown_path(account(), |it: &mut Answer| it.path = "/v1/tenants/1000000001/accounts", "not in the contract")]
#[case::trailing_slash(account(), |it: &mut Answer| it.path = "/v1/tenants/", "not in the contract")]
#[case::unknown_method(account(), |it: &mut Answer| it.method = "PUT", "no PUT in the contract")]
#[case::missing_field(account(), |it: &mut Answer| remove(&mut it.body, "name"), "required property")]
#[case::extra_field(account(), |it: &mut Answer| it.body["client_secret"] = json!("x"), "client_secret")]
#[case::extra_field_deeper(account(), |it: &mut Answer| it.body["secrets"][0]["verifier"] = json!("x"), "verifier")]
#[case::wrong_type(account(), |it: &mut Answer| it.body["enabled"] = json!("yes"), "boolean")]
#[case::number_for_integer(token(), |it: &mut Answer| it.body["expires_in"] = json!(899.5), "integer")]
#[case::null_where_not_nullable(account(), |it: &mut Answer| it.body["name"] = Value::Null, "null is not of type")]
#[case::unknown_enum_value(account(), |it: &mut Answer| it.body["secrets"][0]["status"] = json!("new"), "\"new\" is not one of")]
#[case::local_time(account(), |it: &mut Answer| it.body["created_at"] = json!("2026-11-22T08:30:00+01:00"), "does not match")]
#[case::no_uuid(account(), |it: &mut Answer| it.body["id"] = json!("7"), "uuid")]
#[case::neither_of_two_shapes(policy(&json!("some")), |_: &mut Answer| (), "oneOf")]
#[case::a_private_key(keys(), |it: &mut Answer| it.body["keys"][0]["d"] = json!("AQ"), "oneOf")]
#[case::wrong_content_type(unauthenticated(), |it: &mut Answer| it.content_type = Some("application/json"), "content type")]
#[case::no_content_type(account(), |it: &mut Answer| it.content_type = None, "content type")]
#[case::missing_header(unauthenticated(), |it: &mut Answer| it.headers.clear(), "WWW-Authenticate is missing")]
#[case::no_retry_after(unavailable(), |it: &mut Answer| it.headers.clear(), "Retry-After is missing")]
#[case::wrong_header(unavailable(), |it: &mut Answer| it.headers[0].1 = "soon".into(), "the header Retry-After is \"soon\"")]
#[case::no_allow(method_not_allowed(), |it: &mut Answer| it.headers.clear(), "Allow is missing")]
#[case::a_token_that_may_be_cached(token(), |it: &mut Answer| it.headers.clear(), "Cache-Control is missing")]
#[case::undocumented_code(unauthenticated(), |it: &mut Answer| it.body["code"] = json!("expired"), "the code \"expired\"")]
#[case::another_status_in_the_body(unauthenticated(), |it: &mut Answer| it.body["status"] = json!(403), "status is 403")]
#[case::no_body_where_one_is(account(), |it: &mut Answer| it.body = Value::Null, "not JSON")]
fn an_answer_against_the_contract_is_noticed(
    #[case] mut answer: Answer,
    #[case] spoil: impl Fn(&mut Answer),
    #[case] said: &str,
) {
    spoil(&mut answer);
    let why = answer.check().expect_err("the contract must not allow this");
    assert!(why.contains(said), "{why:?} does not say {said:?}");
}

fn remove(body: &mut Value, field: &str) {
    body.as_object_mut().and_then(|members| members.remove(field)).expect("the field was there");
}

#[test]
fn operations_are_listed_by_method_and_template() {
    let operations = Contract::load().operations();
    for (method, template) in [
        ("POST", "/oauth2/token"),
        ("POST", "/auth/v1/oauth2/access_token"),
        ("PATCH", "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}"),
        ("POST", "/v1/tenants/{tsg_id}/api-keys/{api_key_id}/revoke"),
    ] {
        assert!(operations.contains(&(method.to_owned(), template.to_owned())), "{method} {template}");
    }
}

#[test]
fn a_literal_segment_wins_over_a_template() {
    let contract = Contract::read(
        "{paths: {'/a/{id}': {get: {responses: {'200': {}}}}, '/a/b': {get: {responses: {'204': {}}}}}}",
    );
    assert_eq!(contract.check("GET", "/a/c", 200, &[], None, b""), Ok(()));
    assert_eq!(contract.check("GET", "/a/b", 204, &[], None, b""), Ok(()));
    assert!(contract.check("GET", "/a/b", 200, &[], None, b"").is_err());
}

#[test]
#[should_panic(expected = "#/components/responses/Gone leads nowhere")]
fn a_reference_that_leads_nowhere_is_noticed() {
    Contract::read("{paths: {/a: {get: {responses: {'200': {$ref: '#/components/responses/Gone'}}}}}}");
}

fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../../openapi.yaml")).expect("openapi.yaml is YAML")
}

/// Without `additionalProperties: false` an answer could say anything, and a request could misspell a default away. A token request is the exception:
/// parameters that we do not know are ignored (RFC 6749 §3.2), and so are members of a JWK (RFC 7517 §4).
#[test]
fn every_object_is_closed_but_the_token_request() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("there are schemas");
    let open = |schema: &Value| schema["type"] == "object" && schema["additionalProperties"] != json!(false);
    let names: Vec<_> =
        schemas.iter().filter(|(_, schema)| open(schema)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AboutToken", "Introspection", "NewClientKey", "TokenRequest"]);
    let nested = schemas.values().flat_map(|schema| schema["properties"].as_object().into_iter().flatten());
    assert!(nested.clone().count() > 100);
    assert_eq!(nested.filter(|(_, schema)| schema["type"] == "object").count(), 0, "objects have names");
}

/// `x-codes` is for machines and the description for people: they name the same codes.
#[test]
fn every_code_is_explained_where_it_is_listed() {
    let document = document();
    let mut explained = 0;
    let mut rest = vec![&document];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => rest.extend(members.values()),
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
        let description = value["description"].as_str().unwrap_or_default();
        for code in value["x-codes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(description.contains(&format!("`{code}`")), "{code} is missing in {description:?}");
            explained += 1;
        }
    }
    assert!(explained > 40, "only {explained} codes were found");
}

/// Whoever is asked for a token may fail with one too often, wherever it is.
#[test]
fn where_a_token_is_asked_for_too_many_failures_are_answered() {
    let document = document();
    let paths = document["paths"].as_object().expect("there are paths").values();
    let operations = paths.flat_map(|path| path.as_object().into_iter().flatten());
    let answers = operations.map(|(_, operation)| &operation["responses"]);
    let unauthenticated = json!({ "$ref": "#/components/responses/Unauthenticated" });
    let mut asked = answers.filter(|answers| answers["401"] == unauthenticated).peekable();
    assert!(asked.peek().is_some());
    for answers in asked {
        assert_eq!(answers["429"], json!({ "$ref": "#/components/responses/TooManyFailures" }), "{answers}");
    }
}

/// An error without a list of codes would let any code pass.
#[test]
fn every_error_lists_its_codes() {
    let document = document();
    let shared =
        document["components"]["responses"].as_object().expect("there are shared responses").values();
    let operations = document["paths"]
        .as_object()
        .expect("there are paths")
        .values()
        .flat_map(|path| path.as_object().into_iter().flatten());
    let own = operations
        .flat_map(|(_, operation)| operation["responses"].as_object().into_iter().flatten())
        .map(|(_, response)| response);
    for response in shared.chain(own) {
        let contents = response["content"].as_object().into_iter().flatten();
        for reference in contents.filter_map(|(_, media)| media["schema"]["$ref"].as_str()) {
            let error = reference.ends_with("/Problem") || reference.ends_with("/OAuthError");
            assert_eq!(error, response["x-codes"].is_array(), "{response}");
        }
    }
}
