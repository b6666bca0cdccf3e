//! Whole regions.

use super::{HANGS, instance_of, play, stage};
use crate::stage::fault::{Fault, RegionKind};
use crate::stage::sql::sql_within;
use crate::stage::{Instance, Kind, Stage, ask};

fn reaches_postgres(instance: &Instance) -> Result<(), String> {
    sql_within(HANGS, &instance.database.database_url("carnet"), "SELECT 1").map(drop)
}

fn bites(kind: RegionKind, stage: &Stage, fault: &Fault) {
    let region = stage.region(&fault.region);
    match kind {
        RegionKind::Cut | RegionKind::Blackholed => {
            for instance in &region.instances {
                let refused = reaches_postgres(instance).expect_err("no way out");
                assert_eq!(refused.contains("no answer"), kind == RegionKind::Blackholed, "{refused}");
                ask::get(instance.health, "/livez", HANGS).expect("its clients reach it");
            }
            region.redis.tell::<()>(&["PING"]);
        }
        RegionKind::Paused | RegionKind::Killed => {
            let paused = kind == RegionKind::Paused;
            for instance in &region.instances {
                assert_eq!(instance.runs(), paused);
                ask::get(instance.health, "/livez", HANGS).expect_err("it does not answer");
            }
            region.redis.command::<()>(0, &["PING"]).expect_err("it does not answer");
            region.redis.command::<()>(1, &["PING"]).expect_err("it does not answer");
        }
        RegionKind::Joins => assert_eq!(stage.regions().len(), 2),
        RegionKind::Drained => {
            let is = format!("SELECT state FROM region WHERE region = '{}'", fault.region);
            assert_eq!(stage.sql(&is).as_deref(), Some("draining"));
        }
    }
}

#[test]
fn every_trouble_of_a_region_bites_and_heals() {
    let stage = stage();
    for kind in RegionKind::ALL {
        let regions = stage.regions().len();
        let healed = |stage: &Stage, fault: &Fault| {
            reaches_postgres(&instance_of(stage, fault)).expect("it is reached again");
            assert_eq!(stage.regions().len(), regions);
        };
        play(&stage, Kind::Region(kind), |stage, fault| bites(kind, stage, fault), healed);
    }
}
