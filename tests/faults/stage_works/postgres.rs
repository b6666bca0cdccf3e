//! The authority: killed, replaced, slowed, and what is in it afterwards.

use std::time::{Duration, Instant};

use super::{HANGS, instance_of, play, stage};
use crate::stage::fault::{Fault, PostgresKind};
use crate::stage::sql::{Value, sql_within};
use crate::stage::{Kind, Stage};

/// Statements on the present primary, which is not waited for as long as the stage itself would.
fn at_primary(stage: &Stage, statements: &str) -> Result<Value, String> {
    sql_within(HANGS, &stage.database_url(), statements)
}

/// Statements by each instance's own link.
fn by_links(stage: &Stage, statements: &str) -> Vec<Result<Value, String>> {
    let url = |database: &crate::stage::proxy::Proxy| database.database_url("carnet");
    stage.instances().iter().map(|i| sql_within(HANGS, &url(&i.database), statements)).collect()
}

fn hangs(answer: &Result<Value, String>) -> bool {
    answer.as_ref().is_err_and(|error| error.contains("no answer"))
}

/// What a server is called.
const NAME: &str = "SELECT current_setting('cluster_name')";
const COUNT: &str = "SELECT count(*) FROM acknowledged";

fn bites(kind: PostgresKind, former: usize, started: &Value, stage: &Stage, fault: &Fault) {
    let write = "INSERT INTO acknowledged DEFAULT VALUES";
    match kind {
        PostgresKind::Restarted => {
            assert_ne!(&stage.sql("SELECT pg_postmaster_start_time()"), started);
        }
        PostgresKind::Killed => {
            let refused = by_links(stage, "SELECT 1");
            assert!(refused.iter().all(|answer| answer.is_err() && !hangs(answer)), "{refused:?}");
        }
        PostgresKind::FailedOver => {
            let new = Ok(Some(format!("pg{}", 1 - former)));
            assert!(by_links(stage, NAME).iter().all(|name| *name == new));
            assert!(by_links(stage, write).iter().all(Result::is_ok), "a write goes to the new primary");
        }
        PostgresKind::FailedOverUnfenced => unfenced(former, stage, fault),
        PostgresKind::Paused => assert!(by_links(stage, "SELECT 1").iter().all(hangs)),
        PostgresKind::StandbySlow => {
            let began = Instant::now();
            stage.sql(write);
            assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
        }
        PostgresKind::StandbyPaused | PostgresKind::StandbyKilled => {
            assert!(hangs(&at_primary(stage, write)), "a commit waits for the standby");
            at_primary(stage, "SELECT 1").expect("a look does not");
        }
        PostgresKind::TransactionHeld => {
            let open = "SELECT count(*) FROM pg_stat_activity
                        WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL";
            assert_eq!(stage.sql(open).as_deref(), Some("1"));
        }
        PostgresKind::AppendHeld => {
            let free = stage.sql("SELECT pg_try_advisory_xact_lock(7027)");
            assert_eq!(free.as_deref(), Some("f"));
        }
        PostgresKind::ConnectionsExhausted => {
            let url =
                instance_of(stage, fault).database.database_url("carnet").replace("postgres@", "carnet@");
            let refused = sql_within(HANGS, &url, "SELECT 1").expect_err("refused");
            assert!(refused.contains("too many connections"), "{refused}");
        }
    }
}

/// The planned instance still talks to the former primary, which looks well but commits nothing.
fn unfenced(former: usize, stage: &Stage, fault: &Fault) {
    let names = by_links(stage, NAME);
    let (old, new) = (Ok(Some(format!("pg{former}"))), Ok(Some(format!("pg{}", 1 - former))));
    assert_eq!(names[fault.number], old);
    assert!(names.contains(&new), "{names:?}");
    let url = instance_of(stage, fault).database.database_url("carnet");
    assert_eq!(sql_within(HANGS, &url, "SELECT pg_is_in_recovery()"), Ok(Some("f".to_owned())));
    let lost = sql_within(HANGS, &url, "INSERT INTO acknowledged SELECT FROM generate_series(1, 1000)");
    assert!(hangs(&lost), "it was never acknowledged: {lost:?}");
    at_primary(stage, "INSERT INTO acknowledged DEFAULT VALUES").expect("the new one commits");
}

#[test]
fn every_trouble_of_postgres_bites_and_heals_and_nothing_acknowledged_is_lost() {
    let stage = stage();
    stage.sql("CREATE TABLE acknowledged (at timestamptz DEFAULT clock_timestamp())");
    for kind in PostgresKind::ALL {
        stage.sql("INSERT INTO acknowledged DEFAULT VALUES");
        let before: u32 = stage.sql(COUNT).expect("a number").parse().expect("a number");
        let (former, started) = (stage.postgres.primary(), stage.sql("SELECT pg_postmaster_start_time()"));
        let healed = |stage: &Stage, _: &Fault| {
            let now: u32 = stage.sql(COUNT).expect("a number").parse().expect("a number");
            assert!((before..before + 100).contains(&now), "{kind:?}: {now} after {before}");
            let primary = stage.postgres.primary();
            let over = matches!(kind, PostgresKind::FailedOver | PostgresKind::FailedOverUnfenced);
            assert_eq!(primary != former, over);
            let standby = |what: &str| stage.postgres.sql_on(1 - primary, what).expect("it answers");
            assert_eq!(standby("SELECT pg_is_in_recovery()").as_deref(), Some("t"));
            stage.sql("CREATE TABLE seen_by_the_standby ()");
            crate::stage::until("the standby sees it", HANGS, || {
                standby("SELECT to_regclass('seen_by_the_standby')").is_some()
            });
            stage.sql("DROP TABLE seen_by_the_standby");
        };
        let bites = |stage: &Stage, fault: &Fault| bites(kind, former, &started, stage, fault);
        play(&stage, Kind::Postgres(kind), bites, healed);
    }
    assert_eq!(stage.postgres.copies(), 1, "former primaries were rewound");
}

#[test]
fn an_old_backup_brings_back_what_was_and_nothing_since() {
    let stage = stage();
    stage.sql("CREATE TABLE before_the_backup ()");
    let backup = stage.postgres.backup("backup");
    stage.sql("CREATE TABLE since_the_backup ()");
    stage.postgres.restore(&backup);
    stage.await_whole();
    let exists = |table: &str| stage.sql(&format!("SELECT to_regclass('{table}')")).is_some();
    assert_eq!([exists("before_the_backup"), exists("since_the_backup")], [true, false]);
}
