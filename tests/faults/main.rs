//! The fault suite: real processes, real faults, and a checker that believes only what was answered.

mod check;
mod history;
