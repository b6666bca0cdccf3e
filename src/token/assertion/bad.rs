//! What can be wrong with an assertion before anybody's key is looked at.

#[cfg(doc)]
use super::MAX_ASSERTION_BYTES;

/// Why an assertion is none: for metrics. Its sender hears `invalid_client` whatever it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadAssertion {
    /// More than [`MAX_ASSERTION_BYTES`].
    #[error("too long")]
    TooLong,
    /// Not three parts of canonical base64url.
    #[error("not a compact JWS")]
    NotCompact,
    /// Not a header that means only what it seems to.
    #[error("its header is refused")]
    Header,
    /// Another kind of JWT.
    #[error("not a client's assertion by its typ")]
    Type,
    /// Not one of ours.
    #[error("its algorithm is refused")]
    Algorithm,
    /// Not a JSON object with the claims that it must have, each once.
    #[error("its claims are refused")]
    Claims,
    /// `iss` and `sub` are both the client.
    #[error("iss is not sub")]
    Issuer,
    /// Not the kind of token that its issuer is trusted for.
    #[error("it is another kind of token")]
    Kind,
    /// Not for this server, or not for it alone.
    #[error("its audience is another one")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It ends later than it may.
    #[error("it lives too long")]
    TooLongLived,
    /// It is from later than now.
    #[error("its time has not come")]
    NotYet,
}

impl BadAssertion {
    /// A label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotCompact => "not_compact",
            Self::Header => "header",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Kind => "kind",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::TooLongLived => "too_long_lived",
            Self::NotYet => "not_yet",
        }
    }
}
