//! Processes: killed, stopped, paused, and under another clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{HANGS, instance_of, leases, play, stage};
use crate::stage::fault::{Fault, InstanceKind};
use crate::stage::{Instance, Kind, Stage, ask, until};

/// Whether it takes the question and does not answer.
fn hangs(instance: &Instance) -> bool {
    let asked = ask::get(instance.health, "/livez", HANGS);
    asked.is_err_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    })
}

fn bites(kind: InstanceKind, stage: &Stage, fault: &Fault) {
    let instance = instance_of(stage, fault);
    match kind {
        InstanceKind::Killed => {
            assert!(!instance.runs());
            assert_eq!(stage.token_status(&instance), None);
            assert_eq!(leases(stage), "3", "nobody knows yet");
        }
        InstanceKind::Stopped => {
            assert_eq!(stage.token_status(&instance), None);
            assert_eq!(leases(stage), "2", "it gave its lease back");
        }
        InstanceKind::PausedBriefly => {
            assert!(hangs(&instance));
            assert_eq!(leases(stage), "3");
        }
        InstanceKind::PausedBeyondLease => {
            std::thread::sleep(fault.holds_for());
            assert!(hangs(&instance));
            assert_eq!(leases(stage), "2");
        }
        InstanceKind::ClockAhead => assert_clock(stage, &instance, 600),
        InstanceKind::ClockBehind => assert_clock(stage, &instance, -600),
    }
}

/// The dates in its log are so many seconds off, and it works all the same.
fn assert_clock(stage: &Stage, instance: &Instance, seconds: i64) {
    until("it is ready under that clock", Duration::from_secs(10), || instance.is_ready());
    let log = std::fs::read_to_string(&instance.log).expect("a log");
    let last = log.lines().next_back().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("JSON: {last}"));
    let said: Timestamp = last["timestamp"].as_str().expect("a date").parse().expect("a date");
    let now = stage.sql("SELECT extract(epoch FROM clock_timestamp())::bigint").expect("a date");
    let now = Timestamp::from_second(now.parse().expect("a number")).expect("a date");
    let off = said.duration_since(now) - SignedDuration::from_secs(seconds);
    assert!(off.abs() < SignedDuration::from_secs(10), "{said} at {now}");
}

#[test]
fn every_trouble_of_a_process_bites_and_heals() {
    let stage = stage();
    until("three leases", Duration::from_secs(5), || leases(&stage) == "3");
    for kind in InstanceKind::ALL {
        let process = stage.instances().iter().map(|instance| instance.id()).collect::<Vec<_>>();
        let is_another = |stage: &Stage, fault: &Fault| {
            let same = instance_of(stage, fault).id() == process[fault.number];
            assert_eq!(same, matches!(kind, InstanceKind::PausedBriefly | InstanceKind::PausedBeyondLease));
            let lapsed = Duration::from_secs(stage.options.lease_seconds + 3);
            until("who was killed is believed dead", lapsed, || leases(stage) == "3");
        };
        play(&stage, Kind::Instance(kind), |stage, fault| bites(kind, stage, fault), is_another);
    }
    for instance in stage.instances() {
        assert_eq!(
            instance.ended_by_itself(),
            0,
            "{}",
            std::fs::read_to_string(&instance.log).expect("a log")
        );
    }
}
