//! The algorithms that a client's assertion may be signed with.
//!
//! Others than those that access tokens are signed with: here the client chooses, from what its key is good for. There is
//! no `none` and no symmetric algorithm, whose key would be ours to lose.

use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::public_key::PublicKey;

/// What RFC 9864 §2.2 calls `EdDSA` with a key on this curve. It is kept and shown as `EdDSA`, which every version reads.
const ED25519: &str = "Ed25519";

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssertionAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// The same with SHA-384.
    RS384,
    /// The same with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// The same with SHA-384.
    PS384,
    /// The same with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl AssertionAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// All names that it goes by.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::RS256 => &["RS256"],
            Self::RS384 => &["RS384"],
            Self::RS512 => &["RS512"],
            Self::PS256 => &["PS256"],
            Self::PS384 => &["PS384"],
            Self::PS512 => &["PS512"],
            Self::ES256 => &["ES256"],
            Self::ES384 => &["ES384"],
            Self::EdDSA => &["EdDSA", ED25519],
        }
    }

    /// The algorithm of this name, in its exact spelling.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.names().contains(&name))
    }

    /// Whether a key of this kind signs with it.
    #[must_use]
    pub fn suits(self, key: &PublicKey) -> bool {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => {
                matches!(key, PublicKey::Rsa { .. })
            }
            Self::ES256 => matches!(key, PublicKey::P256(_)),
            // RFC 7518 §3.4: the curve and the hash belong together.
            Self::ES384 => matches!(key, PublicKey::P384(_)),
            Self::EdDSA => matches!(key, PublicKey::Ed25519(_)),
        }
    }
}

/// What we sign with others may as well.
impl From<Algorithm> for AssertionAlgorithm {
    fn from(ours: Algorithm) -> Self {
        match ours {
            Algorithm::RS256 => Self::RS256,
            Algorithm::ES256 => Self::ES256,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}
