//! What the management API says of itself as a protected resource (RFC 9728): who issues tokens for it, and how they are
//! presented. Products have APIs of their own, at addresses that are not ours to describe.

use serde::Serialize;

use super::discovery::{Offer, names};
use super::dpop;

/// RFC 9728 §2, at `/.well-known/oauth-protected-resource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: Vec<&'static str>,
    resource_name: &'static str,
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
}

impl ProtectedResourceMetadata {
    /// Describes the management API, whose identifier is the issuer: bound tokens are taken as they are issued.
    #[must_use]
    pub fn of_management(issuer: &str, offer: &Offer) -> Self {
        Self {
            resource: issuer.to_owned(),
            authorization_servers: vec![issuer.to_owned()],
            bearer_methods_supported: vec!["header"],
            resource_name: "Carnet management API",
            dpop_signing_alg_values_supported: names(&dpop::ALGORITHMS),
            tls_client_certificate_bound_access_tokens: offer.certificates,
        }
    }
}

/// Where that is, for the challenge of a 401 (RFC 9728 §5.1).
#[must_use]
pub fn address(issuer: &str) -> String {
    format!("{issuer}/.well-known/oauth-protected-resource")
}
