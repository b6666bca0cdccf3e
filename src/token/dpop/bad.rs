//! What can be wrong with a proof of possession.

/// Why a proof is none: for metrics. Its sender hears `invalid_dpop_proof` whatever it was, but for the nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadProof {
    /// None was sent, or more than one (RFC 9449 §4.3, 1).
    #[error("there is not exactly one DPoP header")]
    NotOne,
    /// Not a compact JWS of a bearable length.
    #[error("not a compact JWS")]
    NotCompact,
    /// Another type, or something in the header that changes its meaning.
    #[error("its header is refused")]
    Header,
    /// None of ours, or one with a shared key.
    #[error("its algorithm is refused")]
    Algorithm,
    /// Not a public key of the kind that its algorithm wants.
    #[error("its jwk is refused")]
    Key,
    /// It is not signed with the key that it brings.
    #[error("its signature is wrong")]
    Signature,
    /// Not a JSON object with the claims that it must have, each once.
    #[error("its claims are refused")]
    Claims,
    /// It is for another request.
    #[error("its htm or htu is that of another request")]
    Request,
    /// It is from another time.
    #[error("its iat is not now")]
    Time,
    /// It goes with another token.
    #[error("its ath is that of another token")]
    Token,
    /// The token is bound to another key.
    #[error("its key is another one")]
    OtherKey,
    /// It was used before.
    #[error("it was used before")]
    UsedBefore,
    /// It shows no nonce, or one that is too old (RFC 9449 §8).
    #[error("its nonce is missing, or too old")]
    Nonce,
}

impl BadProof {
    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotOne => "not_one",
            Self::NotCompact => "not_compact",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Request => "request",
            Self::Time => "time",
            Self::Token => "token",
            Self::OtherKey => "other_key",
            Self::UsedBefore => "used_before",
            Self::Nonce => "nonce",
        }
    }
}
