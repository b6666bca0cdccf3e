//! Nouns and rules: what the words of the field mean here, and which sentences they allow.
//!
//! No I/O, no async, no wire formats beyond what serde derives.

pub mod advanced;
pub mod algorithm;
pub mod assertion;
pub mod certificate;
pub mod claim_rule;
pub mod credential_id;
pub mod ids;
pub mod key;
pub mod key_policy;
pub mod last_use;
pub mod network;
pub mod numbering;
pub mod origin;
pub mod profile;
pub mod public_key;
pub mod quota;
pub mod record;
pub mod region;
pub mod region_name;
pub mod revoked_token;
pub mod rights;
pub mod secret;
pub mod signing_key;
pub mod tenant;
pub mod token_status;
pub mod trust;
