//! Commands for operators: clients of the HTTP API like any other, with the rights of the account that they use.
//!
//! They print what they are asked for on standard output and everything else on standard error; each error names
//! what to do next. Nothing here knows of stores: what an operator can do, a program of theirs can do as well.

mod api;
mod error;
mod key_table;
pub mod keys;
pub mod regions;
mod secret_table;
mod secret_waiting;
pub mod secrets;
mod table;
mod waiting;

pub use api::Account;
pub use error::CliError;

/// How the result is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}
