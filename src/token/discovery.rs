//! The metadata documents: how a client that knows only the issuer finds everything else.
//!
//! Two of them, because many clients know only the second: RFC 8414's, and the one of `OpenID`
//! Connect Discovery. They name what is really there. Two members of the second are demanded by
//! its readers though nobody logs in here: `authorization_endpoint` answers an OAuth error, and
//! `id_token_signing_alg_values_supported` is where verifiers look for the algorithms of access
//! tokens.

use serde::{Deserialize, Serialize};

use super::dpop;
use crate::domain::algorithm::Algorithm;
use crate::domain::assertion::AssertionAlgorithm;

mod offer;

pub use offer::Offer;
mod telling;

use telling::Telling;

/// Scopes without a meaning here, which clients send by habit. (`tsg_id:<n>`, which has one,
/// cannot be listed: there are as many as tenants.)
pub const HABITUAL_SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// The grant of RFC 8693.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// A token for what another issuer says (RFC 7523 §2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How clients may authenticate, at every endpoint where they do.
fn auth_methods() -> Vec<&'static str> {
    vec!["client_secret_basic", "client_secret_post", "private_key_jwt"]
}

/// By all of their names, for clients look for the one that they know.
pub(super) fn names(algorithms: &[AssertionAlgorithm]) -> Vec<&'static str> {
    algorithms.iter().flat_map(|algorithm| algorithm.names()).copied().collect()
}

/// RFC 8414 §2, at `/.well-known/oauth-authorization-server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(flatten)]
    telling: Telling,
    /// Demanded by both documents, and empty lists "MUST be omitted" (RFC 8414 §3.2; some readers
    /// do refuse one). `none` is the registered value that promises neither code nor token.
    response_types_supported: Vec<&'static str>,
    scopes_supported: Vec<&'static str>,
    /// RFC 9449 §5.1.
    dpop_signing_alg_values_supported: Vec<&'static str>,
    /// RFC 8705 §3.3.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
}

/// `OpenID` Connect Discovery 1.0 §3, at `/.well-known/openid-configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenIdConfiguration {
    #[serde(flatten)]
    server: AuthorizationServerMetadata,
    authorization_endpoint: String,
    subject_types_supported: Vec<&'static str>,
    id_token_signing_alg_values_supported: Vec<Algorithm>,
}

impl AuthorizationServerMetadata {
    /// Describes the server at this issuer URL, which has no trailing slash.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{issuer}/oauth2/token"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            grant_types_supported: vec!["client_credentials", TOKEN_EXCHANGE, JWT_BEARER],
            token_endpoint_auth_methods_supported: auth_methods(),
            token_endpoint_auth_signing_alg_values_supported: names(&AssertionAlgorithm::ALL),
            telling: Telling::new(issuer),
            response_types_supported: vec!["none"],
            scopes_supported: HABITUAL_SCOPES.to_vec(),
            dpop_signing_alg_values_supported: names(&dpop::ALGORITHMS),
            tls_client_certificate_bound_access_tokens: false,
        }
    }
}

impl OpenIdConfiguration {
    /// Describes the server at this issuer URL, which has no trailing slash, and *every* algorithm
    /// that its access tokens may be signed with: verifiers refuse one that is not listed.
    #[must_use]
    pub fn new(issuer: &str, algorithms: &[Algorithm]) -> Self {
        Self {
            server: AuthorizationServerMetadata::new(issuer),
            authorization_endpoint: format!("{issuer}/oauth2/authorize"),
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: algorithms.to_vec(),
        }
    }
}

/// Where the keys of another issuer are, as its own document says: about itself, and nobody else (`OpenID` Connect Discovery 1.0
/// §4.3, RFC 8414 §3.3).
#[must_use]
pub fn read_jwks_uri(document: &[u8], issuer: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let Document { issuer: named, jwks_uri } = serde_json::from_slice(document).ok()?;
    (named == issuer).then_some(jwks_uri)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    const EVERYTHING: [&str; 10] =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];

    /// RFC 8414 §2 and §3.2
    #[test]
    fn the_oauth_document_names_what_is_there() {
        let document = AuthorizationServerMetadata::new("https://id.example");
        let expected = json!({
            "issuer": "https://id.example",
            "token_endpoint": "https://id.example/oauth2/token",
            "jwks_uri": "https://id.example/.well-known/jwks.json",
            "grant_types_supported": [
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:token-exchange",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": EVERYTHING,
            "introspection_endpoint": "https://id.example/oauth2/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": EVERYTHING,
            "introspection_signing_alg_values_supported": ["RS256"],
            "revocation_endpoint": "https://id.example/oauth2/revoke",
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": EVERYTHING,
            "protected_resources": ["https://id.example"],
            "status_list_aggregation_endpoint": "https://id.example/status-lists",
            "response_types_supported": ["none"],
            "scopes_supported": ["openid", "email", "profile"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256"],
        });
        assert_eq!(to_value(document).unwrap(), expected);
    }

    #[test]
    fn openid_discovery_section_4_3_a_document_speaks_of_its_own_issuer() {
        let document = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": "https://a.example/k", "x": 1 });
        let read = |issuer: &str| read_jwks_uri(document(issuer).to_string().as_bytes(), "https://a.example");
        assert_eq!(read("https://a.example").as_deref(), Some("https://a.example/k"));
        for other in ["https://a.example/", "https://A.example", "https://b.example", ""] {
            assert_eq!(read(other), None, "{other}");
        }
        for none in ["", "[]", "{}", r#"{"issuer":"https://a.example"}"#] {
            assert_eq!(read_jwks_uri(none.as_bytes(), "https://a.example"), None, "{none}");
        }
    }

    #[test]
    fn the_openid_document_adds_what_its_readers_demand() {
        let algorithms = [Algorithm::RS256, Algorithm::EdDSA];
        let document = to_value(OpenIdConfiguration::new("https://id.example", &algorithms));
        let mut expected = to_value(AuthorizationServerMetadata::new("https://id.example")).unwrap();
        expected["authorization_endpoint"] = json!("https://id.example/oauth2/authorize");
        expected["subject_types_supported"] = json!(["public"]);
        expected["id_token_signing_alg_values_supported"] = json!(["RS256", "EdDSA"]);
        assert_eq!(document.unwrap(), expected);
    }
}
