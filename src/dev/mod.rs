//! `carnet dev`: private stores, a demo tenant and a server, all of which go when it goes.
//!
//! One idea: whoever has the binaries needs no set-up. [`Stores::start`] makes a database cluster of its own in one
//! directory, listens on Unix sockets that only we can reach, and takes every process down again, even when we are
//! killed: each child is started by `setpriv --pdeathsig`, so the kernel tells it when we are gone. As root the servers
//! run as an unprivileged user, because Postgres insists.
//!
//! The parts that it is built of ([`Place`], [`Postgres`], [`Redis`], [`child`]) are public for one more user: the fault
//! suite, which starts two of a server, and kills and promotes them.
//!
//! The stores never touch a server that they did not start and listen on no network address. What is kept in them is
//! the business of `store` and `region`; [`run`] puts the two together, as an operator would.

mod binaries;
mod certificate;
pub mod child;
mod demo;
mod error;
mod exec;
mod place;
mod postgres;
mod redis;
mod run;
mod servers;
mod stores;

#[cfg(test)]
mod tests;

pub use binaries::{PostgresBinaries, Search};
pub use error::DevError;
pub use exec::Foreground;
pub use place::Place;
pub use postgres::Postgres;
pub use redis::Redis;
pub use run::{DevOptions, run};
pub use stores::{StoreOptions, Stores};
