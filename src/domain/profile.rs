//! What an installation demands of its clients: what the standards do, or the FAPI 2.0 security profile as well.

use serde::Deserialize;

use super::algorithm::Algorithm;
use super::assertion::AssertionAlgorithm;

/// A profile.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Everything that is served.
    #[default]
    Standard,
    /// FAPI 2.0 (final, 2025), as far as it speaks of clients that act for themselves: keys or certificates and no secrets, no token
    /// without a proof of possession, PS256, ES256 and `EdDSA`.
    Fapi2,
}

impl Profile {
    /// Whether a client's assertion may be signed with it (FAPI 2.0 §5.4.1).
    #[must_use]
    pub fn allows_assertion(self, algorithm: AssertionAlgorithm) -> bool {
        use AssertionAlgorithm::{ES256, EdDSA, PS256};
        self == Self::Standard || matches!(algorithm, PS256 | ES256 | EdDSA)
    }

    /// Whether access tokens may be signed with it (FAPI 2.0 §5.4.1).
    #[must_use]
    pub fn allows_signature(self, algorithm: Algorithm) -> bool {
        self == Self::Standard || algorithm != Algorithm::RS256
    }

    /// What is signed with that is for no product: tokens for the management API, answers about tokens, status lists.
    #[must_use]
    pub fn own_algorithm(self) -> Algorithm {
        match self {
            Self::Standard => Algorithm::RS256,
            Self::Fapi2 => Algorithm::ES256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fapi_2_section_5_4_1_only_ps256_es256_and_eddsa() {
        let all = AssertionAlgorithm::ALL.into_iter();
        let allowed: Vec<_> = all.filter(|algorithm| Profile::Fapi2.allows_assertion(*algorithm)).collect();
        assert_eq!(
            allowed,
            [AssertionAlgorithm::PS256, AssertionAlgorithm::ES256, AssertionAlgorithm::EdDSA]
        );
        let signatures = Algorithm::ALL.map(|algorithm| Profile::Fapi2.allows_signature(algorithm));
        assert_eq!(signatures, [false, true, true]);
        assert!(Profile::Fapi2.allows_signature(Profile::Fapi2.own_algorithm()));
        assert!(AssertionAlgorithm::ALL.into_iter().all(|any| Profile::Standard.allows_assertion(any)));
    }
}
