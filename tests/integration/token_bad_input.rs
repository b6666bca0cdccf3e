//! Requests that no well-meaning client sends to the token endpoint, and what each is told.

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};

use crate::support::client::Answer;
use crate::support::raw::{chunked, exchange};
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::{Account, Scene};

const TOKEN: &str = "/oauth2/token";
const TOKEN_PATHS: [&str; 4] =
    [TOKEN, "/oauth2/access_token", "/am/oauth2/access_token", "/auth/v1/oauth2/access_token"];
const FORM: &str = "application/x-www-form-urlencoded";

/// A scene, and an account whose credentials go into the body.
struct Asker {
    scene: Scene,
    account: Account,
}

impl Asker {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let account = scene.account("asker").await;
        scene.token_of(&account, &[]).await;
        Self { scene, account }
    }

    /// The parameters of a good request.
    fn good(&self) -> String {
        let Account { client_id, client_secret, .. } = &self.account;
        format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}")
    }

    /// Posts a form.
    async fn ask(&self, body: &str) -> Answer {
        self.scene.client.post(TOKEN, &[("content-type", FORM)], body).await
    }

    /// A good form with these parameters more.
    async fn ask_with(&self, more: &str) -> Answer {
        self.ask(&format!("{}&{more}", self.good())).await
    }
}

#[tokio::test]
async fn rfc_6749_section_3_2_a_repeated_parameter_is_refused() {
    let asker = Asker::new().await;
    let Account { client_id, client_secret, .. } = &asker.account;
    for repeated in [
        "grant_type=client_credentials",
        "grant_type=password",
        &format!("client_id={client_id}"),
        "client_id=other",
        &format!("client_secret={client_secret}"),
        "client_secret=wrong",
        "scope=email&scope=email",
        "scope=email&scope=profile",
        "grant%5Ftype=client_credentials",
    ] {
        let answer = asker.ask_with(repeated).await;
        assert_refused(&answer, 400, "invalid_request", repeated);
    }
}

#[tokio::test]
async fn rfc_8707_section_2_a_token_for_several_resources_is_refused() {
    let asker = Asker::new().await;
    let issuer = &asker.scene.client.url;
    for more in
        [&format!("resource={issuer}&resource={issuer}"), &format!("resource={issuer}&resource=urn:other")]
    {
        assert_refused(&asker.ask_with(more).await, 400, "invalid_target", more);
    }
}

#[tokio::test]
async fn rfc_6749_section_3_2_an_empty_parameter_counts_as_none() {
    let asker = Asker::new().await;
    let own = format!("tsg_id:{}", asker.scene.tsg_id);
    for empty in
        ["scope=", "scope", "resource=", "client_id=", "client_secret=", "grant_type=", "scope=&scope="]
    {
        let answer = asker.ask_with(empty).await.expect(200);
        assert_eq!(answer.text("scope"), own, "{empty}");
    }
    let answer = asker.ask_with("scope=&scope=email").await.expect(200);
    assert_eq!(answer.text("scope"), "email", "an empty one is no repetition");
    for form in [
        asker.good().replacen("grant_type=client_credentials", "grant_type=", 1),
        asker.good().replacen("grant_type=client_credentials&", "", 1),
        String::new(),
        "&&&==".to_owned(),
    ] {
        assert_refused(&asker.ask(&form).await, 400, "invalid_request", &form);
    }
}

#[tokio::test]
async fn rfc_6749_section_4_4_2_another_content_type_is_refused() {
    let asker = Asker::new().await;
    let json = format!(
        r#"{{"grant_type":"client_credentials","client_id":"{}","client_secret":"{}"}}"#,
        asker.account.client_id, asker.account.client_secret
    );
    let mut answers = Vec::new();
    for (content_type, body) in [
        (None, asker.good()),
        (Some("text/plain"), asker.good()),
        (Some("application/x-www-form-urlencoded2"), asker.good()),
        (Some("application/json; application/x-www-form-urlencoded"), asker.good()),
        (Some("multipart/form-data; boundary=x"), asker.good()),
        (Some(""), asker.good()),
        (Some("application/json"), json),
    ] {
        let header = content_type.map(|value| ("content-type", value));
        let answer = asker.scene.client.post(TOKEN, header.as_slice(), &body).await;
        answers.push((format!("{content_type:?}"), answer));
    }
    assert_alike(&answers, 400, "invalid_request");
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_refused_whether_or_not_it_says_so() {
    let asker = Asker::new().await;
    let url = &asker.scene.client.url;
    let body = format!("{}&junk={}", asker.good(), "x".repeat(1 << 20)).into_bytes();
    let head = |length: &str| {
        format!("POST {TOKEN} HTTP/1.1\r\nhost: carnet\r\nconnection: close\r\ncontent-type: {FORM}\r\n{length}\r\n\r\n")
            .into_bytes()
    };
    let counted = [head(&format!("content-length: {}", body.len())), body.clone()].concat();
    let uncounted = [head("transfer-encoding: chunked"), chunked(&body, 5_000)].concat();
    for (what, request) in [("counted", counted), ("in chunks", uncounted)] {
        let answer = exchange(url, request).await;
        let answer = asker.scene.client.hold("POST", TOKEN, answer);
        assert_refused(&answer, 413, "invalid_request", what);
    }
    // A whole one that is only large is served, in one piece or in many.
    let large = format!("{}&junk={}", asker.good(), "x".repeat(15 * 1024));
    asker.ask(&large).await.expect(200);
    let large = [head("transfer-encoding: chunked"), chunked(large.as_bytes(), 7)].concat();
    exchange(url, large).await.expect(200);
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let asker = Asker::new().await;
    // RFC 1951 §3.2.4: one block, stored; RFC 1952 around it.
    let form = asker.good();
    let length = u16::try_from(form.len()).expect("a short form");
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
    packed.extend(form.as_bytes());
    packed.extend([crc32fast::hash(form.as_bytes()).to_le_bytes(), u32::from(length).to_le_bytes()].concat());
    let request = asker.scene.client.request(Method::POST, TOKEN).header("content-type", FORM);
    let answer = asker.scene.client.send(request.header("content-encoding", "gzip").body(packed)).await;
    assert_refused(&answer, 400, "invalid_request", "gzip");
}

#[tokio::test]
async fn rfc_6749_section_5_2_a_grant_that_is_not_served_is_refused() {
    let asker = Asker::new().await;
    let mut answers = Vec::new();
    for grant in [
        "password&username=admin&password=admin",
        "authorization_code&code=x&redirect_uri=https://client.example",
        "refresh_token&refresh_token=x",
        "urn:ietf:params:oauth:grant-type:saml2-bearer&assertion=a.b.c",
        "URN:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c",
        "URN:ietf:params:oauth:grant-type:token-exchange&subject_token=a.b.c",
        "urn:ietf:params:oauth:grant-type:device_code",
        "implicit",
        "CLIENT_CREDENTIALS",
        "client_credentials%20",
        "client_credentials%00",
        "nonsense",
    ] {
        let form = asker.good().replacen("client_credentials", grant, 1);
        answers.push((grant.to_owned(), asker.ask(&form).await));
    }
    assert_alike(&answers, 400, "unsupported_grant_type");
}

#[tokio::test]
async fn rfc_6749_section_3_2_only_post_is_answered_and_allow_says_so() {
    let asker = Asker::new().await;
    for path in TOKEN_PATHS {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let mut request = asker.scene.client.request(method.clone(), path).body(asker.good());
            let form = HeaderValue::from_static(FORM);
            request = request.header(HeaderName::from_static("content-type"), form);
            let answer = asker.scene.client.send(request).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method} {path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
            if method != Method::HEAD {
                assert_refused(&answer, 405, "invalid_request", path);
            }
        }
        let query = format!("{path}?{}", asker.good());
        let answer = asker.scene.client.send(asker.scene.client.request(Method::GET, &query)).await;
        assert_refused(&answer, 405, "invalid_request", "a good request as a query");
    }
}
