//! Carnet, an identity service for machines.
//!
//! **Reading order.** [`domain`] has the nouns and rules; [`sync`] the promise (*Valid means
//! everywhere*); [`directory`] who may be served from a cache; [`issue`] the token endpoint;
//! [`http`] the wire.
//!
//! **Arrows.** A module may use those left of it, never the reverse; modules in one brace do not
//! know each other:
//!
//! `domain ← { seal, clock, outgoing } ← { store, region, limits } ← { token, directory } ← { once, sync, usage } ← verify ← { issue, manage }
//! ← http ← app ← { dev, cli } ← main`
//!
//! Beside them all are `sabotage`, switches that take a protection away, in builds for tests only, and
//! `protocol_log`, lines that tell every step of the protocol (target `carnet::protocol`, level DEBUG), to be
//! replayed against the rules.
//!
//! **Invariants** (each has a test):
//! - Redis never enforces revocation; the floor in memory does ([`directory::floor`]).
//! - Pending, absent and known-bad are never answered from a cache while Postgres answers.
//! - A change is appended to the outbox by the last statement of its transaction
//!   ([`store::tx`]), so that the order of `seq` is the order of commits.
//! - Nothing is answered without a lease, not even what was read from Postgres ([`directory`]).
//! - A key signs only when every instance that may answer has it (`sync`).
//! - What is taken away is answered with a receipt, by [`manage::receipts`] and nobody else.
//! - An outage is a 503 with `Retry-After`, never the client's fault ([`http`]).
//! - Only [`http`] says `StatusCode`.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod directory;
pub mod domain;
pub mod http;
pub mod issue;
pub mod limits;
pub mod manage;
pub mod once;
pub mod outgoing;
mod protocol_log;
pub mod region;
mod sabotage;
pub mod seal;
pub mod store;
pub mod sync;
pub mod token;
pub mod usage;
pub mod verify;
