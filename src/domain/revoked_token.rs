//! Single tokens that were taken back before their time (RFC 7009), as a record lists them.
//!
//! By a hash of their `jti`: short, of one length, and sorted, so that a request looks one up in a moment. How many there
//! may be is bounded where they are written; when they have expired they are nobody's business any more.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a token is listed by.
#[must_use]
pub fn name_of(jti: &str) -> Uuid {
    let mut name = [0; 16];
    name.copy_from_slice(&digest(&SHA256, jti.as_bytes()).as_ref()[..16]);
    Uuid::from_bytes(name)
}

/// The tokens of one account that were taken back, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevokedTokens(Vec<Uuid>);

impl RevokedTokens {
    /// Whether there are none, as nearly always.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the token of this `jti` is among them.
    #[must_use]
    pub fn contain(&self, jti: &str) -> bool {
        !self.is_empty() && self.0.binary_search(&name_of(jti)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_jti_and_no_other_is() {
        let mut names: Vec<Uuid> = (0..100).map(|n| name_of(&n.to_string())).collect();
        // As Postgres orders them: byte by byte.
        names.sort_unstable();
        let json = serde_json::to_string(&names).expect("JSON");
        let revoked: RevokedTokens = serde_json::from_str(&json).expect("a list");
        assert!((0..100).all(|n| revoked.contain(&n.to_string())));
        assert!((100..200).all(|n| !revoked.contain(&n.to_string())));
        assert!(!RevokedTokens::default().contain("0"));
    }
}
