//! A plain HTTP client that holds every answer to the contract.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Request, RequestBuilder};
use serde_json::Value;

use super::contract::Contract;

/// Asks one server.
#[derive(Clone)]
pub struct Client {
    /// Where the API is.
    pub url: String,
    http: reqwest::Client,
    contract: Contract,
}

/// An answer that the contract knows.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The stable code of a problem, or the `error` of an OAuth error.
    pub fn code(&self) -> String {
        let json = self.json();
        json["code"].as_str().or(json["error"].as_str()).unwrap_or_default().to_owned()
    }

    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Everything that a client can tell two answers apart by: all but the date.
    pub fn but_the_date(&self) -> (u16, Vec<(String, String)>, String) {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = self.headers.iter().filter(|(name, _)| *name != "date");
        let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        headers.sort();
        (self.status, headers, String::from_utf8_lossy(&self.bytes).into_owned())
    }

    /// A member of the body, as text.
    pub fn text(&self, member: &str) -> String {
        let value = &self.json()[member];
        value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
    }

    /// The status, or the whole answer in the panic's message.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

impl Client {
    pub fn new(url: &str) -> Self {
        Self::over(url, reqwest::Client::builder())
    }

    /// One that connects in its own way.
    pub fn over(url: &str, builder: reqwest::ClientBuilder) -> Self {
        // Whichever of the two comes first; the product itself names its own.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = builder.no_proxy().redirect(Policy::none());
        let http = builder.build().expect("an HTTP client");
        Self { url: url.to_owned(), http, contract: Contract::load() }
    }

    /// A request to be completed and given to [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends, and holds the answer to the contract.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let answer = self.execute(request).await;
        self.hold(&method, &path, answer)
    }

    /// Sends what the contract does not speak of: unknown paths, health.
    pub async fn send_unheld(&self, request: RequestBuilder) -> Answer {
        self.execute(request.build().expect("a request")).await
    }

    async fn execute(&self, request: Request) -> Answer {
        let answer = self.http.execute(request).await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.expect("a body").to_vec();
        Answer { status, headers, bytes }
    }

    /// Holds an answer to the contract.
    pub fn hold(&self, method: &str, path: &str, answer: Answer) -> Answer {
        let Answer { status, headers, bytes } = &answer;
        let listed: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        if let Err(why) = self.contract.check(method, path, *status, &listed, content_type, bytes) {
            panic!(
                "{method} {path} answered {status} against the contract: {why}\n{}",
                String::from_utf8_lossy(bytes)
            );
        }
        answer
    }

    /// Posts to the token endpoint, or wherever, with these headers and no others of its own.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = self.request(Method::POST, path).body(body.to_owned());
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        self.send(request).await
    }

    /// Asks for a token, with credentials in the header.
    pub async fn token(&self, client_id: &str, client_secret: &str, form: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend_from_slice(form);
        let request = self.request(Method::POST, "/oauth2/token").basic_auth(client_id, Some(client_secret));
        self.send(request.form(&parameters)).await
    }

    /// The same, through a proxy that says that the client is at this address.
    pub async fn token_from(&self, address: &str, client_id: &str, client_secret: &str) -> Answer {
        let request = self.request(Method::POST, "/oauth2/token").basic_auth(client_id, Some(client_secret));
        let request = request.header("x-forwarded-for", address);
        self.send(request.form(&[("grant_type", "client_credentials")])).await
    }

    /// Asks who a token belongs to.
    pub async fn whoami(&self, token: &str) -> Answer {
        self.send(self.request(Method::GET, "/v1/whoami").bearer_auth(token)).await
    }

    /// A request with a bearer token and, if there is one, a JSON body.
    pub async fn call(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }
}
