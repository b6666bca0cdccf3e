//! The signing algorithms an audience may choose for its access tokens.
//!
//! A product names one, so the noun lives here; the keys that carry it out live in `token`.
//! There is no `none` and no symmetric algorithm: a verifier never holds what could sign.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A JWS signature algorithm, named as in the registry of RFC 7518 §3.1 and RFC 8037 §3.1.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256. The default: every verifier in the field takes it.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519, the one curve of `EdDSA` that Carnet uses.
    EdDSA,
}

/// The name is none of `RS256`, `ES256`, `EdDSA` (exact spelling).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown signing algorithm")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Every algorithm, the most widely understood first.
    pub const ALL: [Self; 3] = [Self::RS256, Self::ES256, Self::EdDSA];

    /// The registered name, as it stands in a JWS header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_same_in_text_and_in_json() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            let json = format!("\"{algorithm}\"");
            assert_eq!(serde_json::to_string(&algorithm).unwrap(), json);
            assert_eq!(serde_json::from_str::<Algorithm>(&json).unwrap(), algorithm);
        }
    }

    #[test]
    fn near_misses_are_unknown() {
        for name in ["", "none", "rs256", "HS256", "PS256", "EDDSA", "RS256 "] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
