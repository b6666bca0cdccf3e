//! The errors of RFC 6749 §5.2 and its relatives.

use std::time::Duration;

use crate::limits::TooMany;

/// What whoever asks hears of any outage.
pub(super) const OUTAGE: &str = "the service cannot reach its authority";
/// When to try again what will be worth another try, if nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why there is no token. What a client can learn from it is only what it may know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// A parameter is missing, repeated or malformed, or there are two ways to authenticate.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// Unknown, wrong, disabled and expired alike.
    #[error("Client authentication failed")]
    InvalidClient,
    /// A way to authenticate that is not served here, whoever tries it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// RFC 9449 §5: whatever is wrong with the proof of possession.
    #[error("The DPoP proof is malformed, for another request or time, or was used before")]
    InvalidDpopProof,
    /// RFC 9449 §8: the same with this nonce would do.
    #[error("The DPoP proof needs the nonce of the DPoP-Nonce header")]
    UseDpopNonce(String),
    /// Not a scope that this client may have.
    #[error("The scope is unknown, malformed, or beyond what this client may have")]
    InvalidScope,
    /// RFC 8707 §2: no valid API key of this client opens that resource, or the token to be exchanged is not for it.
    #[error("No valid API key of this client, and no token that it exchanges, opens that resource")]
    InvalidTarget,
    /// RFC 7009 §2.1: another client's token, and no right to take it away.
    #[error("The token was issued to another client, whose tokens are not this client's to revoke")]
    UnauthorizedClient,
    /// RFC 7521 §4.1.1: not an assertion that lets anybody in, whatever is wrong with it.
    #[error("The assertion is not valid, or not one that the account trusts")]
    InvalidGrant,
    /// None of those that are served.
    #[error("The grant type is none of those that are served")]
    UnsupportedGrantType,
    /// As many as may be asked for were.
    #[error(transparent)]
    TooManyRequests(#[from] TooMany),
    /// Not the client's fault; worth another try.
    #[error("{reason}")]
    TemporarilyUnavailable {
        /// What a person should know.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// Keys that are elsewhere cannot be fetched: for whoever asks an outage like any other. It is told apart because by it
    /// addresses can be tried, as by failures.
    #[error("{OUTAGE}")]
    KeysUnavailable,
    /// Our own mistake.
    #[error("An internal error")]
    ServerError,
}

impl TokenError {
    pub(super) fn temporarily_unavailable(reason: &'static str) -> Self {
        Self::TemporarilyUnavailable { reason, retry_after: RETRY_AFTER }
    }

    /// When to try again, where time is all that it takes.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TemporarilyUnavailable { retry_after, .. } => Some(*retry_after),
            Self::KeysUnavailable => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The value of `error`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient | Self::Unsupported(_) => "invalid_client",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce(_) => "use_dpop_nonce",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            // RFC 6749 has no code for it; the status says more.
            Self::TooManyRequests(_) | Self::TemporarilyUnavailable { .. } | Self::KeysUnavailable => {
                "temporarily_unavailable"
            }
            Self::ServerError => "server_error",
        }
    }

    /// What answers are counted by.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        if let Self::TooManyRequests(_) = self { "too_many_requests" } else { self.code() }
    }
}
