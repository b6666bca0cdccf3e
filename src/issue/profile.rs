//! What FAPI 2.0 forbids at the token endpoint. Who is refused hears what is missing: all of it is about how a request is
//! made, which nobody needs to be known for.

use super::authenticate::Proof;
use super::{Presented, TokenError};
use crate::domain::profile::Profile;

/// Clients prove themselves by keys or by certificates (FAPI 2.0 §5.3.2.1, 6).
pub(super) fn admit_method(profile: Profile, client: &Presented) -> Result<(), TokenError> {
    let asymmetric = matches!(client, Presented::Assertion { .. } | Presented::Certificate { .. });
    if profile == Profile::Standard || asymmetric {
        return Ok(());
    }
    Err(TokenError::Unsupported(
        "FAPI 2.0 is in force here: authenticate by private_key_jwt or by a certificate, not by a secret",
    ))
}

/// And sign with what is strong enough (FAPI 2.0 §5.4.1), for us alone and nobody else (FAPI 2.0 §5.3.2.1, 8).
pub(super) fn admit_proof(profile: Profile, proof: &Proof) -> Result<(), TokenError> {
    match proof {
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
