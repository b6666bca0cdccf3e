//! Stores that lose things under load: a Redis all it had, a Postgres pair its primary, again and again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};
use tokio_util::sync::CancellationToken;

use super::crowd::{Answered, Budget, Crowd, EFFORT};
use super::{DISTANCE, at_most, none, percentile, run, stage};
use crate::history::{Came, Wants};
use crate::report::Figure;
use crate::runs::number;
use crate::stage::{Fence, Stage};
use crate::workload::Operation;
use crate::workload::asking::made;

/// Who makes load at each instance.
const SUBJECTS: usize = 8;
/// How long load is watched before and after a flush.
const WATCHED: Duration = Duration::from_secs(10);
/// In which answers are compared with those of before.
const WINDOW: Duration = Duration::from_millis(500);

/// FLUSHALL in one region.
pub fn flushed() -> Vec<Figure> {
    let stage = stage(2, DISTANCE, Duration::from_secs(5));
    let region = stage.regions()[0].clone();
    let (load, before, at) = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let stop = CancellationToken::new();
        let (load, asking) = crowd.load(&region.name, Wants::Product, &stop);
        let before = Instant::now();
        tokio::time::sleep(WATCHED).await;
        let at = Instant::now();
        block_in_place(|| region.redis.tell::<()>(&["FLUSHALL"]));
        tokio::time::sleep(2 * WATCHED).await;
        stop.cancel();
        asking.join_all().await;
        (load, before, at)
    });
    let after = load.between(at, at + WATCHED);
    let bad = after.iter().filter(|answered| !answered.good).count();
    let name = "flushed";
    let share = Figure {
        name,
        what: format!("answers not 200 in {WATCHED:?} after FLUSHALL"),
        target: "≤ 1 %".to_owned(),
        measured: format!("{bad} of {}", after.len()),
        reached: bad * 100 <= after.len(),
    };
    let baseline = p95(&load.between(before, at)).unwrap_or(Duration::MAX);
    let back = (0..40_u32).map(|window| at + WINDOW * window).find(|from| {
        let answers = load.between(*from, *from + WINDOW);
        p95(&answers).is_some_and(|p95| p95 <= 2 * baseline) && answers.iter().all(|answered| answered.good)
    });
    let back = back.map_or(Duration::MAX, |from| from + WINDOW - at);
    vec![share, at_most(name, "until p95 is within twice that of before", WATCHED, back)]
}

fn p95(answers: &[Answered]) -> Option<Duration> {
    let mut took: Vec<Duration> = answers.iter().filter(|a| a.good).map(|answered| answered.took).collect();
    (!took.is_empty()).then(|| percentile(&mut took, 95))
}

/// Who writes at once.
const WRITERS: usize = 8;
const LEASE: Duration = Duration::from_secs(30);

/// `KILLS` primaries killed, fifty unless told, over `COMMITS` acknowledged changes, ten thousand unless told.
pub fn primary_killed() -> Vec<Figure> {
    let small = |name, otherwise| usize::try_from(number(name, otherwise)).expect("64 bits");
    let (kills, commits) = (small("KILLS", 50), small("COMMITS", 10_000));
    let stage = stage(2, Duration::ZERO, LEASE);
    let (acknowledged, failures, outages) = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let stop = CancellationToken::new();
        let (load, asking) = crowd.load("", Wants::Product, &stop);
        let (acknowledged, writers) = write(&crowd, commits);
        let mut outages = vec![];
        for kill in 1..=kills {
            while acknowledged.lock().expect("no panic").len() < commits * kill / (kills + 1) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outages.push(block_in_place(|| fail_over(&stage)));
        }
        writers.join_all().await;
        stop.cancel();
        asking.join_all().await;
        let failures = load.all().iter().filter(|answered| !answered.good).count();
        (acknowledged, failures, outages)
    });
    let acknowledged = acknowledged.lock().expect("no panic");
    let there = stage.sql("SELECT coalesce(string_agg(name, ','), '') FROM role WHERE name LIKE 'commit %'");
    let there = there.unwrap_or_default();
    let there: BTreeSet<&str> = there.split(',').collect();
    let lost = acknowledged.iter().filter(|name| !there.contains(name.as_str())).count();
    let longest = outages.iter().max().copied().unwrap_or_default();
    let name = "primary_killed";
    let what = format!("of {} acknowledged changes, with {kills} primaries killed", acknowledged.len());
    let warm = format!("failures of warm clients in outages of at most {longest:.1?}, lease {LEASE:?}");
    vec![none(name, &what, "lost", lost), none(name, &warm, "failures", failures)]
}

/// The standby takes over, and the killed one follows it; how long nobody could write.
fn fail_over(stage: &Stage) -> Duration {
    let began = Instant::now();
    stage.postgres.promote(Fence::Killed);
    stage.lead_to_primary();
    let outage = began.elapsed();
    stage.postgres.take_back();
    outage
}

/// Makes roles until so many are acknowledged; their names.
fn write(crowd: &Crowd, commits: usize) -> (Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let acknowledged = Arc::new(Mutex::new(vec![]));
    let budget = Arc::new(Budget::of(commits));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (asker, subject) =
            (crowd.asker.clone(), Arc::clone(&crowd.subjects[writer % crowd.subjects.len()]));
        let (acknowledged, budget) = (Arc::clone(&acknowledged), Arc::clone(&budget));
        writers.spawn(async move {
            let doors = &asker.site.doors;
            let mut turn = 0;
            while budget.take() {
                // Asked for until it is acknowledged; another try is another change.
                loop {
                    turn += 1;
                    let name = format!("commit {writer} {turn}");
                    let role = json!({ "name": name, "permissions": ["iam.read"] });
                    let (path, door) = (subject.path("roles"), &doors[turn % doors.len()]);
                    let reply = asker.manage(door, Method::POST, &path, Some(&role), EFFORT.question).await;
                    if matches!(made(&reply, "id"), Came::Made { .. }) {
                        acknowledged.lock().expect("no panic").push(name);
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    (acknowledged, writers)
}
