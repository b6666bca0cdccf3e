//! What the master keys are good for, and nothing that needs to know what is sealed.
//!
//! The master keys live outside the database and outside Redis, so that neither alone is worth
//! stealing. From each of them HKDF-SHA-256 derives keys for separate ends, which never meet:
//!
//! - [`Pepper`]: client secrets are stored as an HMAC under it;
//! - [`Sealer`]: AES-256-GCM for rows that must be recoverable (signing keys) and for what is kept
//!   in a region's cache, each sealed to the place it belongs to;
//! - [`Nonces`]: what proofs show to be fresh;
//! - [`CheckValue`]: tells an instance that was started with another master key, and tells nothing
//!   else.
//!
//! To rotate, add a new master key behind the old one everywhere, then put it first: everything new
//! is made with it, everything old still opens with the one it names. What is old is made anew as
//! soon as nobody makes more of it (`sync`); then the old one may go, and no sooner.
//!
//! Wiped when dropped: the text and the bytes of a master key, and everything that was opened.
//! The keys that *ring* has prepared are not (it offers no way); they live as long as the process.

mod master;
mod nonces;
mod pepper;
mod sealer;

pub use master::{CheckValue, MalformedMasterKeys, MasterKeys, UnknownMaster, generate_master_key};
pub use nonces::{Age, Nonces};
pub use pepper::Pepper;
pub use sealer::{CannotOpen, CannotSeal, Purpose, Sealer};

/// 31 bytes `FB` and one `EF`, for the tests whose answers were computed elsewhere.
#[cfg(test)]
const KNOWN_MASTER: &str = "a:+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7++8=";
