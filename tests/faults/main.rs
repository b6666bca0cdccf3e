//! The fault suite: real processes, and everything that can happen to them.

#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "a stage offers more than one suite uses")]
mod stage;

mod stage_works;
