//! A region's Redis: what it forgets, refuses, and who it is.

use std::thread;
use std::time::{Duration, Instant};

use super::{HANGS, instance_of, play, stage};
use crate::stage::fault::{Fault, RedisKind};
use crate::stage::{Kind, Stage};

fn run_id(stage: &Stage, fault: &Fault) -> String {
    let info: String = stage.region(&fault.region).redis.tell(&["INFO", "server"]);
    info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("an id").to_owned()
}

fn has_mark(stage: &Stage, fault: &Fault) -> bool {
    stage.region(&fault.region).redis.tell(&["EXISTS", "mark"])
}

/// One command by an instance's own link.
fn by_link(stage: &Stage, fault: &Fault, words: &[&str]) -> redis::RedisResult<String> {
    let port = instance_of(stage, fault).redis.port();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_connection_with_timeout(HANGS)?;
    connection.set_read_timeout(Some(HANGS))?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
}

fn bites(kind: RedisKind, was: &str, stage: &Stage, fault: &Fault) {
    let redis = &stage.region(&fault.region).redis;
    match kind {
        RedisKind::Flushed => {
            assert!(!has_mark(stage, fault));
            assert_eq!(run_id(stage, fault), was);
        }
        RedisKind::RestartedEmpty => {
            assert!(!has_mark(stage, fault));
            assert_ne!(run_id(stage, fault), was);
        }
        RedisKind::Killed => assert!(by_link(stage, fault, &["PING"]).is_err()),
        RedisKind::FailedOver => {
            assert_ne!(run_id(stage, fault), was);
            assert_eq!(by_link(stage, fault, &["GET", "mark"]).expect("the replica had it"), "here");
            by_link(stage, fault, &["SET", "mark", "written"]).expect("it takes writes");
        }
        RedisKind::Paused => assert!(by_link(stage, fault, &["PING"]).expect_err("it hangs").is_timeout()),
        RedisKind::Evicting => {
            drop(by_link(stage, fault, &["SET", "other", "thing"]));
            assert!(!has_mark(stage, fault));
        }
        RedisKind::OutOfMemory => {
            let refused = by_link(stage, fault, &["SET", "other", "thing"]).expect_err("refused");
            assert_eq!(refused.code(), Some("OOM"));
            assert!(has_mark(stage, fault));
        }
    }
    assert!(kind == RedisKind::FailedOver || redis.primary() == 0);
}

#[test]
fn every_trouble_of_a_redis_bites_and_heals() {
    let stage = stage();
    for kind in RedisKind::ALL {
        let redis = &stage.region("eu").redis;
        redis.tell::<()>(&["SET", "mark", "here"]);
        let (copy, started) = (1 - redis.primary(), Instant::now());
        // Not by WAIT, which counts a replica that is about to load everything anew as well.
        while redis.command::<Option<String>>(copy, &["GET", "mark"]).ok().flatten().as_deref()
            != Some("here")
        {
            assert!(started.elapsed() < HANGS * 10, "the replica has not got it");
            thread::sleep(Duration::from_millis(10));
        }
        let info: String = redis.tell(&["INFO", "server"]);
        let was = info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("an id").to_owned();
        let primary = redis.primary();
        let healed = |stage: &Stage, fault: &Fault| {
            by_link(stage, fault, &["SET", "other", "thing"]).expect("it takes writes again");
            let now = stage.region(&fault.region).redis.primary();
            assert_eq!(now != primary, kind == RedisKind::FailedOver);
        };
        play(&stage, Kind::Redis(kind), |stage, fault| bites(kind, &was, stage, fault), healed);
        if kind == RedisKind::FailedOver {
            // The next ones begin as this one did.
            play(&stage, Kind::Redis(kind), |_, _| (), |_, _| ());
        }
    }
}
