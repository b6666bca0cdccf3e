//! The fault suite: real processes, real faults, and a checker that believes only what was answered. Beside it, what the
//! processes say that they did is replayed against the rules of the model ([`trail`]).

mod check;
mod figures;
mod history;
mod long;
mod plan;
mod play;
#[path = "../model/replay/mod.rs"]
mod replay;
mod report;
#[path = "../model/rules.rs"]
#[allow(dead_code, reason = "the model steps by more rules than a log can break")]
mod rules;
mod runs;
mod sabotage;
#[path = "../stage/mod.rs"]
#[allow(dead_code, reason = "a stage offers more than one suite uses")]
mod stage;
mod stage_works;
mod trail;
mod workload;
