//! The fault suite: real processes, real faults, and a checker that believes only what was answered.

mod check;
mod figures;
mod history;
mod long;
mod plan;
mod play;
mod report;
mod runs;
mod sabotage;
#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "a stage offers more than one suite uses")]
mod stage;
mod stage_works;
mod workload;
