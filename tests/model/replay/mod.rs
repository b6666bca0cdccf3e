//! Logs of real runs, replayed as traces against the rules that the checker steps by.
//!
//! Every process writes what it does in the protocol as JSON lines (target `carnet::protocol`, level
//! DEBUG; [`log`] lists them). The lines of all processes of one machine are merged by that machine's
//! boot clock, the one that leases are counted on, and stepped through; the first line that the rules
//! forbid is reported, with the rule. Logs of several machines have no common clock and cannot be
//! replayed together.

mod facts;
pub mod log;
pub mod replayer;
mod served;
mod tests;
mod world;
