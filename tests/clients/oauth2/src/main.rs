//! The crate `oauth2` as a client: get tokens, use them, be refused. It knows no discovery, so the addresses are read from the
//! metadata for it; the requests themselves are made by `ureq`, without TLS, for the server of the test has none.

use std::time::Duration;

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenType};
use oauth2::http::{HeaderMap, Method};
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenResponse as _, TokenUrl,
};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(10);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Sends whatever the crate has made, and takes every answer for one.
fn send(request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0);
    let agent = config.http_status_as_error(false).build().new_agent();
    let mut answer = agent.run(request)?;
    let body = answer.body_mut().read_to_vec()?;
    let mut response = HttpResponse::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}

fn get(url: &str, headers: HeaderMap) -> Value {
    let mut request = HttpRequest::new(Vec::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url.parse().expect("an address");
    *request.headers_mut() = headers;
    let answer = send(request).expect("an answer");
    assert_eq!(answer.status(), 200, "{url}");
    serde_json::from_slice(answer.body()).expect("JSON")
}

struct Test {
    url: String,
    tsg_id: String,
    token_url: TokenUrl,
    id: String,
    secret: String,
}

impl Test {
    fn new() -> Self {
        let url = variable("CARNET_URL");
        let metadata = get(&format!("{url}/.well-known/oauth-authorization-server"), HeaderMap::new());
        assert_eq!(metadata["issuer"], *url);
        let token_url = metadata["token_endpoint"].as_str().expect("an address").to_owned();
        Self {
            url,
            tsg_id: variable("CARNET_TSG_ID"),
            token_url: TokenUrl::new(token_url).expect("an address"),
            id: variable("CARNET_CLIENT_ID"),
            secret: variable("CARNET_CLIENT_SECRET"),
        }
    }

    /// A token and its scopes, or the error that the crate has read.
    fn ask(
        &self,
        auth: &AuthType,
        secret: &str,
        scopes: &[&str],
        more: &[(&'static str, &str)],
    ) -> Result<(String, Vec<String>), BasicErrorResponseType> {
        let client = BasicClient::new(ClientId::new(self.id.clone()))
            .set_client_secret(ClientSecret::new(secret.to_owned()))
            .set_auth_type(auth.clone())
            .set_token_uri(self.token_url.clone());
        let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
        let mut request = client.exchange_client_credentials().add_scopes(scopes);
        for &(name, value) in more {
            request = request.add_extra_param(name, value.to_owned());
        }
        match request.request(&send) {
            Ok(token) => {
                assert_eq!(token.token_type(), &BasicTokenType::Bearer);
                assert!(token.expires_in().is_some_and(|left| left <= Duration::from_secs(900)));
                assert!(token.refresh_token().is_none());
                let granted = token.scopes().expect("scopes").iter().map(|scope| scope.to_string());
                Ok((token.access_token().secret().clone(), granted.collect()))
            }
            Err(RequestTokenError::ServerResponse(error)) => Err(error.error().clone()),
            Err(other) => panic!("{other}"),
        }
    }

    fn walk(&self, auth: &AuthType, scopes: &[&str]) {
        let (token, granted) = self.ask(auth, &self.secret, scopes, &[]).expect("a token");
        let own = format!("tsg_id:{}", self.tsg_id);
        assert_eq!(granted, if scopes.is_empty() { vec![&*own] } else { scopes.to_vec() });
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        let caller = get(&format!("{}/v1/whoami", self.url), headers);
        assert_eq!(
            (&caller["client_id"], &caller["tsg_id"]),
            (&Value::from(&*self.id), &Value::from(&*self.tsg_id))
        );
    }
}

fn main() {
    let test = Test::new();
    let named = format!("tsg_id:{}", test.tsg_id);
    let last = if test.secret.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &test.secret[..test.secret.len() - 1]);
    for auth in [AuthType::BasicAuth, AuthType::RequestBody] {
        test.walk(&auth, &[]);
        test.walk(&auth, &[&named]);
        test.walk(&auth, &[&named, "email", "profile"]);
        let refused = test.ask(&auth, &wrong, &[], &[]);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidClient));
        let refused = test.ask(&auth, &test.secret, &["admin"], &[]);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidScope));
        let refused = test.ask(&auth, &test.secret, &[], &[("resource", "urn:nobody")]);
        assert_eq!(refused, Err(BasicErrorResponseType::Extension("invalid_target".to_owned())));
        let twice = [("grant_type", "client_credentials")];
        let refused = test.ask(&auth, &test.secret, &[], &twice);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidRequest));
    }
}
