//! Three regions of three instances, at a distance.

use std::time::{Duration, Instant};

use super::{HANGS, play};
use crate::stage::fault::{Fault, RegionKind};
use crate::stage::sql::sql_within;
use crate::stage::{Instance, Kind, Stage, StageOptions};

/// What a question takes longer from one region to another, and its answer.
const DISTANCE: Duration = Duration::from_millis(80);

fn asks_postgres(instance: &Instance) -> Result<Duration, String> {
    let began = Instant::now();
    let asked = sql_within(2 * HANGS, &instance.database.database_url("carnet"), "SELECT 1");
    asked.map(|_| began.elapsed())
}

/// The others go on, however it goes for one.
fn others_go_on(stage: &Stage, fault: &Fault) {
    for region in stage.regions().iter().filter(|region| region.name != fault.region) {
        for instance in &region.instances {
            assert!(instance.is_ready(), "{} under {fault}", instance.name());
            asks_postgres(instance).expect("no other region is touched");
        }
    }
}

#[test]
fn three_regions_stand_apart_and_what_befalls_one_is_not_felt_in_the_others() {
    let world = StageOptions {
        regions: 3,
        delay_between_regions: DISTANCE,
        lease_seconds: 3,
        ..StageOptions::default()
    };
    let stage = Stage::start(world);
    assert_eq!(stage.instances().len(), 9);
    for (place, region) in stage.regions().iter().enumerate() {
        for instance in &region.instances {
            // One round trip to connect, one to ask.
            let took = asks_postgres(instance).expect("it answers");
            assert_eq!(took >= 2 * DISTANCE, place > 0, "{}: {took:?}", instance.name());
        }
    }
    for kind in [RegionKind::Cut, RegionKind::Killed] {
        play(&stage, Kind::Region(kind), others_go_on, |_, _| ());
    }
}
