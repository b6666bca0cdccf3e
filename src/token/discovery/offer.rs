//! What an installation serves by its settings, and so what its documents name.
//!
//! There are no `mtls_endpoint_aliases` (RFC 8705 §5): they are for servers that ask for certificates at other addresses. Here
//! the one endpoint takes a certificate from whoever has one, and everybody else as before.

use super::{AuthorizationServerMetadata, JWT_BEARER, OpenIdConfiguration, names};
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::profile::Profile;

/// What is served.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Offer {
    /// What is demanded of clients.
    pub profile: Profile,
    /// Certificates of clients get here: TLS asks for them, or a proxy hands them on.
    pub certificates: bool,
    /// And there are authorities to believe.
    pub authorities: bool,
}

impl AuthorizationServerMetadata {
    /// The same with what is offered besides, and without what is not.
    #[must_use]
    pub fn offering(mut self, offer: &Offer) -> Self {
        let methods = &mut self.token_endpoint_auth_methods_supported;
        if offer.profile == Profile::Fapi2 {
            self.grant_types_supported.retain(|grant| *grant != JWT_BEARER);
            methods.retain(|method| *method == "private_key_jwt");
            let allowed =
                AssertionAlgorithm::ALL.into_iter().filter(|any| offer.profile.allows_assertion(*any));
            self.token_endpoint_auth_signing_alg_values_supported = names(&allowed.collect::<Vec<_>>());
        }
        if offer.certificates && offer.authorities {
            methods.push("tls_client_auth");
        }
        if offer.certificates {
            methods.push("self_signed_tls_client_auth");
        }
        self.telling = self.telling.proving(
            offer.profile,
            methods,
            &self.token_endpoint_auth_signing_alg_values_supported,
        );
        self.tls_client_certificate_bound_access_tokens = offer.certificates;
        self
    }
}

impl OpenIdConfiguration {
    /// The same with what is offered besides, and without what is not.
    #[must_use]
    pub fn offering(mut self, offer: &Offer) -> Self {
        self.server = self.server.offering(offer);
        self.id_token_signing_alg_values_supported
            .retain(|algorithm| offer.profile.allows_signature(*algorithm));
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    fn document(offer: Offer) -> Value {
        to_value(AuthorizationServerMetadata::new("https://id.example").offering(&offer)).expect("JSON")
    }

    #[test]
    fn rfc_8705_section_3_3_certificates_are_named_where_they_get_here() {
        let plain = document(Offer::default());
        assert_eq!(plain.get("tls_client_certificate_bound_access_tokens"), None);
        let own = document(Offer { certificates: true, ..Offer::default() });
        assert_eq!(own["tls_client_certificate_bound_access_tokens"], json!(true));
        let methods = own["token_endpoint_auth_methods_supported"].as_array().expect("a list");
        assert_eq!(methods.last(), Some(&json!("self_signed_tls_client_auth")));
        assert!(!methods.contains(&json!("tls_client_auth")), "there is no authority to believe");
    }

    #[test]
    fn fapi_2_section_5_3_2_1_names_no_secret_and_no_weak_algorithm() {
        let document = document(Offer { profile: Profile::Fapi2, certificates: true, authorities: true });
        assert_eq!(
            document["grant_types_supported"],
            json!(["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"])
        );
        assert_eq!(
            document["token_endpoint_auth_methods_supported"],
            json!(["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"])
        );
        assert_eq!(
            document["token_endpoint_auth_signing_alg_values_supported"],
            json!(["PS256", "ES256", "EdDSA", "Ed25519"])
        );
        assert_eq!(document["introspection_signing_alg_values_supported"], json!(["ES256"]));
        for at in ["introspection", "revocation"] {
            let methods = &document[format!("{at}_endpoint_auth_methods_supported")];
            assert_eq!(*methods, document["token_endpoint_auth_methods_supported"], "{at}");
        }
    }
}
