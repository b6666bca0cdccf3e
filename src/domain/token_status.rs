//! Where a token's bit is: its place in a status list (draft-ietf-oauth-status-list).
//!
//! One place for each pair of what a client proves itself by and the API key that the token is for. Tokens of one pair share
//! it, so that whoever sees two of them knows that they are of one machine, which `client_id` says anyway: nothing is hidden
//! here, and there are no decoys. Places are given away where pairs are made, never when a token is.

use serde::{Deserialize, Serialize};

/// How many places a list has; the database counts as many.
pub const PLACES: u32 = 32_768;

/// One place, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusPart {
    /// What the client proves itself by, as tokens name it.
    pub credential_id: String,
    /// The key; none for management tokens.
    pub api_key_id: Option<i64>,
    /// Which list.
    pub list: i64,
    /// Which bit of it.
    pub idx: u32,
}

/// The places of one account.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenStatuses(Vec<StatusPart>);

impl TokenStatuses {
    /// Whether it has none: nothing of it was changed since there are lists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place of such a token.
    #[must_use]
    pub fn of(&self, credential_id: &str, api_key_id: Option<i64>) -> Option<&StatusPart> {
        self.0.iter().find(|part| part.api_key_id == api_key_id && part.credential_id == credential_id)
    }
}
