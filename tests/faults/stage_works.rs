//! The stage itself: every fault bites, and is healed.

use crate::stage::{Stage, StageOptions};

#[test]
fn it_stands() {
    let stage = Stage::start(StageOptions::default());
    eprintln!("{:?}", stage.faults().len());
}
