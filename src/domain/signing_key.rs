//! The life of a signing key, and what it is called.
//!
//! A key is published before it signs, so that every verifier has it by then, and stays published after it has signed, until
//! the last token that it signed has expired. As with API keys it is the SQL that moves it, guarded and one step at a time
//! (`sql/migrations/V10__signing_keys.sql`); the table of steps is here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a signing key is right now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningKeyState {
    /// In the JWKS, and does not sign yet.
    Published,
    /// In the JWKS, and signs: one of each algorithm.
    Signing,
    /// Signs no more, and is in the JWKS until the last token that it signed has expired.
    Retiring,
    /// Gone from the JWKS after a whole life.
    Retired,
    /// Taken out at once: it is compromised. What it signed is refused.
    Revoked,
}

/// What may happen to a signing key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// Every verifier had the time to hear of it: it signs from now on.
    Promote,
    /// Another one signs in its place.
    Supersede,
    /// The last token that it signed has expired.
    Retire,
    /// Somebody says that it is compromised.
    Revoke,
}

impl SigningKeyState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Published, Self::Signing, Self::Retiring, Self::Retired, Self::Revoked];

    /// What becomes of it; nothing when there is no such step from here. None is skipped.
    #[must_use]
    pub fn after(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Published, Step::Promote) => Some(Self::Signing),
            (Self::Signing, Step::Supersede) => Some(Self::Retiring),
            (Self::Retiring, Step::Retire) => Some(Self::Retired),
            (Self::Published | Self::Signing | Self::Retiring, Step::Revoke) => Some(Self::Revoked),
            _ => None,
        }
    }

    /// Whether its public half is in the JWKS.
    #[must_use]
    pub fn is_published(self) -> bool {
        matches!(self, Self::Published | Self::Signing | Self::Retiring)
    }
}

/// A signing key's name: its RFC 7638 thumbprint, SHA-256 as 43 characters of base64url.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

/// Not 43 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kid is 43 characters of base64url")]
pub struct NotAKid;

impl Kid {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NotAKid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotAKid> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() == 43 && text.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(NotAKid) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = NotAKid;
    fn try_from(text: String) -> Result<Self, NotAKid> {
        Self::parse(&text)
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_skipped_and_none_leads_back() {
        use SigningKeyState as S;
        let steps = [Step::Promote, Step::Supersede, Step::Retire, Step::Revoke];
        let table = [
            (S::Published, [Some(S::Signing), None, None, Some(S::Revoked)]),
            (S::Signing, [None, Some(S::Retiring), None, Some(S::Revoked)]),
            (S::Retiring, [None, None, Some(S::Retired), Some(S::Revoked)]),
            (S::Retired, [None; 4]),
            (S::Revoked, [None; 4]),
        ];
        for (state, expected) in table {
            assert_eq!(steps.map(|step| state.after(step)), expected, "{state:?}");
            assert_eq!(state.is_published(), expected[3].is_some(), "{state:?}");
        }
    }

    /// RFC 7638 §3.1
    #[test]
    fn a_kid_is_a_thumbprint() {
        assert!(Kid::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").is_ok());
        for bad in
            ["", "NzbL", "NzbLsXh8uDCcd+6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", &"é".repeat(43), &"x".repeat(44)]
        {
            assert_eq!(Kid::parse(bad), Err(NotAKid), "{bad}");
        }
    }
}
