//! What happens to a whole region.

use super::{Fault, Heal};
use crate::stage::Stage;
use crate::stage::proxy::Trouble;

/// The region that comes late.
pub(super) const LATE: &str = "late";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RegionKind {
    /// Its links to the authority are closed, and nothing gets in.
    Cut,
    /// Its links to the authority carry nothing, and nobody is told.
    Blackholed,
    /// All of it stands still.
    Paused,
    /// All of it is killed, its Redis, too, and started again when healed.
    Killed,
    /// A new one joins, and is drained and removed when healed.
    Joins,
    /// Drained by an operator, and taken back when healed.
    Drained,
}

impl RegionKind {
    pub const ALL: [Self; 6] =
        [Self::Cut, Self::Blackholed, Self::Paused, Self::Killed, Self::Joins, Self::Drained];

    pub(super) fn is_possible(self, stage: &Stage) -> bool {
        let commands = || stage.carnet(&["regions", "--help"]).is_ok();
        match self {
            Self::Cut | Self::Blackholed | Self::Paused | Self::Killed => true,
            Self::Joins => commands(),
            Self::Drained => stage.regions().len() > 1 && commands(),
        }
    }
}

pub(super) fn begin(kind: RegionKind, fault: &Fault, stage: &Stage) -> Heal {
    match kind {
        RegionKind::Cut => trouble(Trouble::Cut, fault, stage),
        RegionKind::Blackholed => trouble(Trouble::Blackhole, fault, stage),
        RegionKind::Paused => {
            let region = stage.region(&fault.region);
            region.pause();
            Box::new(move |_| region.resume())
        }
        RegionKind::Killed => {
            let region = stage.region(&fault.region);
            region.kill();
            Box::new(move |_| region.launch())
        }
        RegionKind::Joins => {
            stage.add_region(LATE);
            Box::new(|stage| {
                operate(stage, "drain", LATE);
                stage.remove_region(LATE);
                operate(stage, "remove", LATE);
            })
        }
        RegionKind::Drained => {
            operate(stage, "drain", &fault.region);
            let region = fault.region.clone();
            Box::new(move |stage| operate(stage, "rejoin", &region))
        }
    }
}

fn trouble(trouble: Trouble, fault: &Fault, stage: &Stage) -> Heal {
    let region = stage.region(&fault.region);
    let imposed = region.impose(trouble);
    Box::new(move |_| region.lift(&imposed))
}

/// What an operator does, tried again while another fault is in the way.
fn operate(stage: &Stage, verb: &str, region: &str) {
    let mut said = String::new();
    for _ in 0..20 {
        match stage.carnet_as_admin(&["regions", verb, region]) {
            Ok(_) => return,
            Err(error) => said = error,
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    panic!("carnet regions {verb} {region}: {said}");
}
