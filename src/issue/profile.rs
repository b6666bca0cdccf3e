//! What FAPI 2.0 forbids at the token endpoint. Who is refused hears what is missing: all of it is about how a request is
//! made, which nobody needs to be known for.

use super::authenticate::Proof;
use super::{Grant, Presented, TokenError};
use crate::domain::profile::Profile;

/// No grant does without client authentication (FAPI 2.0 §5.3.2.1, 3).
pub(super) fn admit_grant(profile: Profile, grant: &Grant<'_>) -> Result<(), TokenError> {
    match grant {
        Grant::JwtBearer(_) if profile == Profile::Fapi2 => Err(TokenError::UnsupportedGrantType),
        _ => Ok(()),
    }
}

/// Clients prove themselves by keys or by certificates (FAPI 2.0 §5.3.2.1, 6).
pub(super) fn admit_method(profile: Profile, client: &Presented) -> Result<(), TokenError> {
    match client {
        Presented::Secret { .. } if profile == Profile::Fapi2 => Err(TokenError::Unsupported(
            "FAPI 2.0 is in force here: authenticate by private_key_jwt or by a certificate, not by a secret",
        )),
        _ => Ok(()),
    }
}

/// By keys of their own (FAPI 2.0 §5.3.2.1, 6), which sign with what is strong enough (FAPI 2.0 §5.4.1), for us alone and nobody
/// else (FAPI 2.0 §5.3.2.1, 8).
pub(super) fn admit_proof(profile: Profile, proof: &Proof) -> Result<(), TokenError> {
    match proof {
        Proof::Workload(_) if profile == Profile::Fapi2 => Err(TokenError::Unsupported(
            "FAPI 2.0 is in force here: sign assertions with the client's own key; tokens of other issuers are none",
        )),
        Proof::Assertion(assertion) if profile == Profile::Fapi2 && !assertion.audience_is_text() => {
            Err(TokenError::Unsupported(
                "FAPI 2.0 is in force here: the aud of an assertion is the issuer as a text, and not in a list",
            ))
        }
        Proof::Assertion(assertion) if !profile.allows_assertion(assertion.algorithm()) => Err(
            TokenError::Unsupported("FAPI 2.0 is in force here: sign assertions with PS256, ES256 or EdDSA"),
        ),
        _ => Ok(()),
    }
}
