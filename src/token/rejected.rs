//! Why a token was not accepted: for the log and the metrics, never for the caller, who hears
//! `invalid_token` whatever it was (RFC 6750 §3.1).

/// The first thing that was wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// More than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is too long")]
    TooLong,
    /// Not `header.payload.signature` (RFC 7515 §7.1).
    #[error("the token has not exactly three parts")]
    NotThreeParts,
    /// A part is not base64url without padding, in its one canonical spelling.
    #[error("a part of the token is not canonical base64url")]
    NotBase64Url,
    /// Not a JSON object of exactly `typ`, `alg` and `kid`, each once.
    #[error("the token's header is not one of ours")]
    Header,
    /// Another kind of JWT.
    #[error("the token is not an access token")]
    WrongType,
    /// No key of ours has this `kid` now.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The header names another algorithm than the key's.
    #[error("the token names an algorithm that is not its key's")]
    WrongAlgorithm,
    /// The key did not sign this.
    #[error("the signature is wrong")]
    BadSignature,
    /// Not the JSON object that [`AccessClaims`](super::claims::AccessClaims) describes.
    #[error("the token's claims are not those of an access token")]
    Claims,
    /// Another issuer's.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Issued later than now, by more than clocks may differ.
    #[error("the token was issued in the future")]
    IssuedInFuture,
}

impl Rejected {
    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotThreeParts => "not_three_parts",
            Self::NotBase64Url => "not_base64url",
            Self::Header => "header",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::Claims => "claims",
            Self::WrongIssuer => "wrong_issuer",
            Self::Expired => "expired",
            Self::IssuedInFuture => "issued_in_future",
        }
    }
}
