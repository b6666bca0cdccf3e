//! A request that makes no sense is refused for what is wrong with it, and changes nothing.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::{Answer, Client};
use crate::support::scene::Scene;

struct Desk {
    scene: Scene,
    token: String,
}

impl Desk {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let token = scene.admin_token().await;
        Self { scene, token }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.scene.client.request(method, path).bearer_auth(&self.token)
    }

    fn post(&self, noun: &str) -> RequestBuilder {
        self.request(Method::POST, &self.scene.path(noun))
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        self.scene.client.send(request).await
    }

    async fn post_text(&self, noun: &str, body: &str) -> Answer {
        self.send(self.post(noun).header("content-type", "application/json").body(body.to_owned())).await
    }
}

#[tokio::test]
async fn a_body_must_be_one_json_object_with_known_fields() {
    let desk = Desk::new().await;
    let table = [
        ("roles", "{", None),
        ("roles", "[]", None),
        ("roles", r#"{"name":"r","permissions":["iam.read"],"nam":1}"#, Some("nam")),
        ("roles", r#"{"permissions":["iam.read"]}"#, Some("name")),
        ("service-accounts", r#"{"name":"bell \u0007 boy"}"#, Some("name")),
        ("service-accounts", r#"{"name":"admin\u200b"}"#, Some("name")),
        ("roles", r#"{"name":"\u202enimda","permissions":["iam.read"]}"#, Some("name")),
        ("roles", r#"{"name":"superuser ","permissions":["iam.read"]}"#, Some("name")),
        ("roles", r#"{"name":"\u00a0","permissions":["iam.read"]}"#, Some("name")),
        ("access-policies", r#"{"principal":"p","role":" auditor","products":"all"}"#, Some("role")),
        ("service-accounts", r#"{"name":"a b c","contact_email":"nobody"}"#, Some("contact_email")),
        ("licenses", r#"{"product":"prisma_access","ends_at":"tomorrow"}"#, Some("ends_at")),
        ("licenses", r#"{"product":"prisma_access","ends_at":"9999-12-31T23:59:59Z"}"#, Some("ends_at")),
        ("licenses", r#"{"product":"prisma_access","ends_at":"2099-01-01 00:00:00Z"}"#, Some("ends_at")),
        ("licenses", r#"{"product":"prisma_access","ends_at":7}"#, Some("ends_at")),
        ("access-policies", r#"{"principal":"p","role":"r","products":"some"}"#, Some("products")),
        ("access-policies", r#"{"principal":"p","role":"r","products":[]}"#, Some("products")),
        ("access-policies", r#"{"principal":"p\u0000","role":"r","products":"all"}"#, Some("principal")),
        ("api-keys", r#"{"product":"prisma_access","service_account_id":"7"}"#, Some("service_account_id")),
    ];
    for (noun, body, field) in table {
        let refused = desk.post_text(noun, body).await.expect(400);
        assert_eq!(refused.code(), "invalid_body", "{body}");
        assert_eq!(refused.json()["errors"][0]["field"].as_str(), field, "{body}");
    }
    let long = json!({ "name": "x".repeat(129) }).to_string();
    desk.post_text("service-accounts", &long).await.expect(400);
    for name in ["", "--", "äöü", &"x".repeat(64)] {
        let refused = desk.send(desk.post("service-accounts").json(&json!({ "name": name }))).await;
        let (status, code) = if name.is_empty() { (400, "invalid_body") } else { (422, "invalid_name") };
        assert_eq!(refused.expect(status).code(), code, "{name}");
    }
}

#[tokio::test]
async fn only_plain_json_of_bounded_size_is_read() {
    let desk = Desk::new().await;
    let good = json!({ "name": "r", "permissions": ["iam.read"] }).to_string();
    let form = desk.post("roles").form(&[("name", "r")]);
    assert_eq!(desk.send(form).await.expect(415).code(), "unsupported_media_type");
    desk.send(desk.post("roles").body(good.clone())).await.expect(415);
    let packed =
        desk.post("roles").header("content-type", "application/json").header("content-encoding", "gzip");
    desk.send(packed.body(good.clone())).await.expect(415);
    let megabyte = format!("{good}{}", " ".repeat(1 << 20));
    assert_eq!(desk.post_text("roles", &megabyte).await.expect(413).code(), "body_too_large");
    desk.post_text("roles", &good).await.expect(201);
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let desk = Desk::new().await;
    let address = desk.scene.client.url.strip_prefix("http://").expect("plain HTTP").to_owned();
    let mut connection = TcpStream::connect(&address).await.expect("a connection");
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n{{",
        desk.scene.path("roles"),
        desk.token
    );
    connection.write_all(head.as_bytes()).await.expect("written");
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(8), connection.read_exact(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[tokio::test]
async fn a_bad_cursor_or_limit_is_refused() {
    let desk = Desk::new().await;
    for list in ["licenses", "service-accounts", "roles", "access-policies", "api-keys"] {
        for query in ["cursor=x", "cursor=", "cursor=AAAA", "cursor=MDE", "limit=5&cursor=%00"] {
            let refused = desk.scene.get(&format!("{list}?{query}")).await.expect(400);
            assert_eq!(refused.code(), "invalid_cursor", "{list} {query}");
        }
        for query in
            ["limit=0", "limit=201", "limit=x", "limit=-1", "limit=%2B5", "limit=05", "limit=1&limit=1"]
        {
            let refused = desk.scene.get(&format!("{list}?{query}")).await.expect(400);
            assert_eq!(refused.json()["errors"][0]["field"], "limit", "{list} {query}");
        }
    }
    for list in ["/v1/tenants", "/v1/products", "/v1/permissions"] {
        // "a\0b": Postgres would refuse it, so it must not get there.
        desk.send(desk.request(Method::GET, &format!("{list}?cursor=YQBi"))).await.expect(400);
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_an_id_is_one_that_does_not_exist() {
    let desk = Desk::new().await;
    let tenant = &desk.scene.tsg_id;
    let nobody = "00000000-0000-7000-8000-0000000000ff";
    let unknown = [
        "/v1/tenants/1".to_owned(),
        "/v1/tenants/0123456789".to_owned(),
        "/v1/tenants/9999999999".to_owned(),
        format!("/v1/tenants/{tenant}/roles/x"),
        format!("/v1/tenants/{tenant}/roles/{nobody}"),
        format!("/v1/tenants/{tenant}/licenses/{nobody}"),
        format!("/v1/tenants/{tenant}/service-accounts/{nobody}"),
        format!("/v1/tenants/{tenant}/access-policies/{nobody}"),
        format!("/v1/tenants/{tenant}/api-keys/0"),
        format!("/v1/tenants/{tenant}/api-keys/+1"),
        format!("/v1/tenants/{tenant}/api-keys/42"),
        format!("/v1/tenants/{tenant}/api-keys/99999999999999999999"),
    ];
    for path in unknown {
        let answer = desk.send(desk.request(Method::GET, &path)).await.expect(404);
        assert_eq!(answer.code(), "not_found", "{path}");
        assert!(answer.text("instance").starts_with("urn:uuid:"), "{path}");
    }
    // One thing has one address: of the spellings of a UUID only ours.
    let role = desk.scene.get("roles?limit=1").await.expect(200).json()["items"][0]["id"].clone();
    let role = role.as_str().expect("an id");
    desk.scene.get(&format!("roles/{role}")).await.expect(200);
    for other in [&role.replace('-', ""), &format!("%7B{role}%7D"), &format!("urn:uuid:{role}")] {
        let answer = desk.scene.get(&format!("roles/{other}")).await.expect(404);
        assert_eq!(answer.code(), "not_found", "{other}");
    }
    let elsewhere = reqwest::get(format!("{}/v2/anything", desk.scene.client.url)).await.expect("an answer");
    assert_eq!(elsewhere.status(), 404);
    assert_eq!(elsewhere.headers()["content-type"], "application/problem+json");
}

/// The challenge to who sent no bearer token.
fn without(client: &Client) -> String {
    format!(
        r#"Bearer realm="carnet", resource_metadata="{}/.well-known/oauth-protected-resource""#,
        client.url
    )
}

#[tokio::test]
async fn rfc_6750_section_3_without_a_good_token_nothing_else_is_looked_at() {
    let desk = Desk::new().await;
    let client = &desk.scene.client;
    let bad_in_every_way = |request: RequestBuilder| request.header("content-type", "text/plain").body("{");
    let paths = ["/v1/tenants".to_owned(), desk.scene.path("roles"), "/v1/tenants/1/roles".to_owned()];
    for path in paths {
        let none = client.send(bad_in_every_way(client.request(Method::POST, &path))).await.expect(401);
        assert_eq!(none.header("www-authenticate"), without(client));
        let request = bad_in_every_way(client.request(Method::POST, &path)).bearer_auth("a.b.c");
        let bad = client.send(request).await.expect(401);
        assert_eq!(bad.code(), "invalid_token");
        assert!(bad.header("www-authenticate").contains(r#"error="invalid_token""#));
    }
    let basic = client.request(Method::GET, "/v1/tenants").basic_auth("a", Some("b"));
    let unsupported = client.send(basic).await.expect(401);
    assert_eq!(unsupported.header("www-authenticate"), without(client));
    let in_the_query = format!("/v1/tenants?access_token={}", desk.token);
    client.send(client.request(Method::GET, &in_the_query)).await.expect(401);
}

#[tokio::test]
async fn a_product_token_opens_whoami_and_nothing_else_here() {
    let desk = Desk::new().await;
    let account = desk.scene.entitled_account("reader").await;
    let key = desk.scene.key("prisma_access", &account).await;
    desk.scene.until(&key, "valid").await;
    let token = desk.scene.token_of(&account, &[]).await;
    desk.scene.client.whoami(&token).await.expect(200);
    let refused = desk.scene.client.call(&token, Method::GET, "/v1/products", None).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
}
