//! The protocol of many regions (feed, lease, floor, epochs, receipts), model-checked with stateright.
//!
//! **Where to begin**: [`state`] is the world, [`step`] everything that can happen in it, [`invariants`]
//! what must hold throughout, [`scenarios`] which worlds are walked. What each step does stands with who
//! does it: [`authority`] (Postgres), [`instance`] (floor, lease, poll), [`serving`] (memory, Redis,
//! read-through), [`warmer`] (acknowledgements, epochs), [`cache`] (Redis), [`faults`].
//!
//! **How close it is to the product.** Key states go through `KeyStatus::after`; entries are judged by
//! `floor::admits` and ordered by `Standing`; [`floor_agrees`] holds the small floor to the product's.
//! What the product says in SQL and Lua stands in [`rules`] and in the file of who does it, in the same
//! words. Each database statement is a step, a poll is three (lease, snapshot, answer), a warming four, a
//! read-through three (snapshot, answer, fill).
//!
//! **What keeps it finite.** One credential with two keys; each write at most once; faults within a
//! budget; times as ticks that are left. A pause or a slow link is no step: every step may be any time
//! late, and what is on its way may be lost. All clocks go at one pace, so there is no drift margin. What
//! a worker does between its look at Redis and its answer is one step; a feed's batch has no end.
//!
//! **What is run.** [`bounded`] and [`twins`] with the ordinary tests: every idea in a small world, and
//! every protection taken away once, so that the checker must find the harm. [`long`] by `make model`.
//! [`replay`] judges the logs of real runs by the same rules.

mod authority;
mod bounded;
mod cache;
mod calm;
mod faults;
mod floor_agrees;
mod instance;
mod invariants;
mod long;
mod protocol;
mod replay;
mod rules;
mod scenario;
mod scenarios;
mod serving;
mod state;
mod step;
mod twin;
mod twins;
mod walk;
mod warmer;
