//! The crate `oauth2` as a client: get tokens, use them, be told of them, take them back, be refused. It knows no discovery, so
//! the addresses are read from the metadata for it.

mod certificate;
mod telling;
mod wire;

use std::time::Duration;

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenType};
use oauth2::{AuthType, ClientId, ClientSecret, RequestTokenError, Scope, TokenResponse as _, TokenUrl};
use serde_json::Value;

use crate::wire::Wire;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn file(name: &str) -> Option<Vec<u8>> {
    let path = std::env::var(name).ok()?;
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn address(metadata: &Value, endpoint: &str) -> String {
    metadata[endpoint].as_str().expect("an address").to_owned()
}

#[derive(Clone)]
struct Test {
    url: String,
    tsg_id: String,
    metadata: Value,
    id: String,
    secret: String,
}

impl Test {
    fn new(wire: &Wire) -> Self {
        let url = variable("CARNET_URL");
        let (_, metadata) = wire.get(&format!("{url}/.well-known/oauth-authorization-server"), None);
        assert_eq!(metadata["issuer"], *url);
        Self {
            url,
            tsg_id: variable("CARNET_TSG_ID"),
            metadata,
            id: variable("CARNET_CLIENT_ID"),
            secret: variable("CARNET_CLIENT_SECRET"),
        }
    }

    fn client(&self, auth: &AuthType, secret: Option<&str>) -> BasicClient {
        let client = BasicClient::new(ClientId::new(self.id.clone())).set_auth_type(auth.clone());
        match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
            None => client,
        }
    }

    /// A token and its scopes, or the error that the crate has read.
    fn ask(
        &self,
        wire: &Wire,
        auth: &AuthType,
        secret: Option<&str>,
        scopes: &[&str],
        more: &[(&'static str, &str)],
    ) -> Result<(String, Vec<String>), BasicErrorResponseType> {
        let url = TokenUrl::new(address(&self.metadata, "token_endpoint")).expect("an address");
        let client = self.client(auth, secret).set_token_uri(url);
        let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
        let mut request = client.exchange_client_credentials().add_scopes(scopes);
        for &(name, value) in more {
            request = request.add_extra_param(name, value.to_owned());
        }
        match request.request(&|request| wire.send(request)) {
            Ok(token) => {
                assert_eq!(token.token_type(), &BasicTokenType::Bearer);
                assert!(token.expires_in().is_some_and(|left| left <= Duration::from_mins(15)));
                assert!(token.refresh_token().is_none());
                let granted = token.scopes().expect("scopes").iter().map(|scope| scope.to_string());
                Ok((token.access_token().secret().clone(), granted.collect()))
            }
            Err(RequestTokenError::ServerResponse(error)) => Err(error.error().clone()),
            Err(other) => panic!("{other}"),
        }
    }

    fn walk(&self, wire: &Wire, auth: &AuthType, scopes: &[&str]) {
        let (token, granted) = self.ask(wire, auth, Some(&self.secret), scopes, &[]).expect("a token");
        let own = format!("tsg_id:{}", self.tsg_id);
        assert_eq!(granted, if scopes.is_empty() { vec![&*own] } else { scopes.to_vec() });
        let (status, caller) = wire.get(&format!("{}/v1/whoami", self.url), Some(&token));
        assert_eq!(
            (status, &caller["client_id"], &caller["tsg_id"]),
            (200, &Value::from(&*self.id), &Value::from(&*self.tsg_id))
        );
    }
}

fn main() {
    let authority = file("CARNET_CA_FILE");
    let wire = Wire::new(authority.as_deref(), None);
    let test = Test::new(&wire);
    let named = format!("tsg_id:{}", test.tsg_id);
    let last = if test.secret.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &test.secret[..test.secret.len() - 1]);
    for auth in [AuthType::BasicAuth, AuthType::RequestBody] {
        test.walk(&wire, &auth, &[]);
        test.walk(&wire, &auth, &[&named]);
        test.walk(&wire, &auth, &[&named, "email", "profile"]);
        let refused = test.ask(&wire, &auth, Some(&wrong), &[], &[]);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidClient));
        let right = Some(&*test.secret);
        let refused = test.ask(&wire, &auth, right, &["admin"], &[]);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidScope));
        let refused = test.ask(&wire, &auth, right, &[], &[("resource", "urn:nobody")]);
        assert_eq!(refused, Err(BasicErrorResponseType::Extension("invalid_target".to_owned())));
        let refused = test.ask(&wire, &auth, right, &[], &[("grant_type", "client_credentials")]);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidRequest), "it is there twice");
    }
    telling::walk(&test, &wire, &wrong);
    if let Some(own) = file("CARNET_CLIENT_CERTIFICATE_FILE") {
        certificate::walk(&test, &wire, &Wire::new(authority.as_deref(), Some(&own)));
    }
}
