//! What carries the requests that the crate makes: `ureq`, which trusts the authority of the test and nobody else.

use std::time::Duration;

use oauth2::http::{HeaderMap, Method};
use oauth2::{HttpRequest, HttpResponse};
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Connections, with or without a certificate of the client.
pub struct Wire {
    agent: Agent,
}

impl Wire {
    /// `authority` is who has signed the server's certificate, `own` a certificate and its key; both are PEM.
    pub fn new(authority: Option<&[u8]>, own: Option<&[u8]>) -> Self {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = authority {
            let authority = Certificate::from_pem(pem).expect("an authority");
            tls = tls.root_certs(RootCerts::new_with_certs(&[authority]));
        }
        let own = own.map(|pem| {
            let certificate = Certificate::from_pem(pem).expect("a certificate");
            ClientCert::new_with_certs(&[certificate], PrivateKey::from_pem(pem).expect("a key"))
        });
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0);
        let config = config.http_status_as_error(false).tls_config(tls.client_cert(own).build());
        Self { agent: config.build().new_agent() }
    }

    /// Sends whatever the crate has made, and takes every answer for one.
    pub fn send(&self, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
        let mut answer = self.agent.run(request)?;
        let body = answer.body_mut().read_to_vec()?;
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }

    /// What there is for this token, if there is one: the status, and the JSON.
    pub fn get(&self, url: &str, token: Option<&str>) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        }
        self.ask(Method::GET, url, headers, Vec::new())
    }

    /// The same of a request with JSON in it, for whatever is there.
    pub fn write(&self, method: Method, url: &str, token: &str, body: &Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {token}");
        for (name, value) in
            [("authorization", &*bearer), ("content-type", "application/json"), ("if-match", "*")]
        {
            headers.insert(name, value.parse().expect("a header"));
        }
        self.ask(method, url, headers, body.to_string().into_bytes())
    }

    fn ask(&self, method: Method, url: &str, headers: HeaderMap, body: Vec<u8>) -> (u16, Value) {
        let mut request = HttpRequest::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().expect("an address");
        *request.headers_mut() = headers;
        let answer = self.send(request).expect("an answer");
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
    }
}
