//! The part of the metadata that says where one is told of tokens, and by what one proves oneself there: the same as at
//! the token endpoint.

use serde::Serialize;

use super::{auth_methods, names};
use crate::domain::algorithm::Algorithm;
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::profile::Profile;

/// RFC 8414 §2, RFC 9701 §7, RFC 9728 §4, draft-ietf-oauth-status-list §9.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Telling {
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_signing_alg_values_supported: Vec<Algorithm>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    protected_resources: Vec<String>,
    status_list_aggregation_endpoint: String,
}

impl Telling {
    /// The same by this profile, with the ways to prove oneself of the token endpoint.
    pub fn proving(
        mut self,
        profile: Profile,
        methods: &[&'static str],
        algorithms: &[&'static str],
    ) -> Self {
        self.introspection_signing_alg_values_supported = vec![profile.own_algorithm()];
        self.introspection_endpoint_auth_methods_supported = methods.to_vec();
        self.introspection_endpoint_auth_signing_alg_values_supported = algorithms.to_vec();
        self.revocation_endpoint_auth_methods_supported = methods.to_vec();
        self.revocation_endpoint_auth_signing_alg_values_supported = algorithms.to_vec();
        self
    }

    pub fn new(issuer: &str) -> Self {
        Self {
            introspection_endpoint: format!("{issuer}/oauth2/introspect"),
            introspection_endpoint_auth_methods_supported: auth_methods(),
            introspection_endpoint_auth_signing_alg_values_supported: names(&AssertionAlgorithm::ALL),
            introspection_signing_alg_values_supported: vec![Profile::default().own_algorithm()],
            revocation_endpoint: format!("{issuer}/oauth2/revoke"),
            revocation_endpoint_auth_methods_supported: auth_methods(),
            revocation_endpoint_auth_signing_alg_values_supported: names(&AssertionAlgorithm::ALL),
            protected_resources: vec![issuer.to_owned()],
            status_list_aggregation_endpoint: format!("{issuer}/status-lists"),
        }
    }
}
