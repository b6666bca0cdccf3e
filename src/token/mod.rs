//! Access tokens: made, signed, verified, and described to those who verify them elsewhere.
//!
//! One line runs through this room: *signing* is done by `aws-lc-rs` (twice as fast), with keys
//! parsed once; *verifying* by `ring`. What one library signs the other has checked, always.
//!
//! - [`claims`]: what a token says (RFC 9068 §2.2), and whether it still holds; [`act`]: who acts with it (RFC 8693 §4.1);
//! - [`signer`] and [`verifying`]: the two halves of a key;
//! - [`jws`]: the strict reading of a compact signature (RFC 7515);
//! - [`keyring`]: the keys of one moment, and their JWKS;
//! - [`client_jwks`] and [`assertion`]: clients' own keys, and what they sign with them (RFC 7523);
//! - [`certificate`]: clients' certificates, and what they are named by (RFC 8705);
//! - [`dpop`]: proofs that a token's holder has its key (RFC 9449);
//! - [`workload`]: tokens of other issuers that say who a workload is;
//! - [`accepted`]: tokens that have passed before need not be verified twice;
//! - [`introspection`]: what is told of a token to who asks;
//! - [`status_list`]: what those hear of it who do not ask;
//! - [`discovery`] and [`protected_resource`]: the metadata documents.
//!
//! There is no I/O here, and no clock: keys and times are arguments. Whether the credential
//! *behind* a token is still good is not this room's question but `directory`'s; both must say yes.

pub mod accepted;
pub mod act;
pub mod assertion;
pub mod certificate;
pub mod claims;
pub mod client_jwks;
pub mod discovery;
pub mod dpop;
pub mod introspection;
pub mod jws;
pub mod keyring;
pub mod protected_resource;
pub mod rejected;
pub mod signer;
pub mod status_list;
pub mod verifying;
pub mod workload;

#[cfg(test)]
mod tests;

/// The `typ` of an access token's header (RFC 9068 §2.1): no other kind of JWT passes for one.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// A longer token is neither issued nor read.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
