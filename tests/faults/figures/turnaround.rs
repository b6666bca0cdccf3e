//! How long Pending lasts, and how long a revoke takes: near, far, and with a region in trouble.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::crowd::{Crowd, EFFORT};
use super::{DISTANCE, at_most, percentile, run, stage};
use crate::history::{Came, Status};
use crate::report::Figure;
use crate::stage::fault::{Fault, Kind, RegionKind};
use crate::stage::proxy::chance::Chance;
use crate::workload::Operation;
use crate::workload::asking::{Asker, made, withdrawn};
use crate::workload::subject::Subject;

/// Who makes and revokes keys, one after the other; and how many each.
const SUBJECTS: usize = 4;
const ROUNDS: usize = 50;
/// Between two looks at whether it is valid. Those are answered by an instance beside the authority.
const LOOK: Duration = Duration::from_millis(12);
const LEASE: Duration = Duration::from_secs(5);

/// What one key took.
struct Turn {
    pending: Duration,
    revoke: Duration,
}

/// With 80 ms between regions.
pub fn far() -> Vec<Figure> {
    let (mut pending, mut revokes) = turns(DISTANCE, SUBJECTS);
    let revoke = percentile(&mut revokes, 99);
    vec![
        at_most("far", "Pending → Valid, p50", Duration::from_millis(500), percentile(&mut pending, 50)),
        at_most("far", "Pending → Valid, p99", Duration::from_secs(2), percentile(&mut pending, 99)),
        at_most("far", "a revoke returns, p99", Duration::from_secs(1), revoke),
    ]
}

/// With nothing between regions: how long one key takes. With several made and revoked at once it is the wait for one
/// another's commits that is measured, each of which waits for a disk and for the standby's; that is told beside it.
pub fn near() -> Vec<Figure> {
    let (mut crowded, _) = turns(Duration::ZERO, SUBJECTS);
    let (mut pending, _) = turns(Duration::ZERO, 1);
    let (half, crowded) = (percentile(&mut pending, 50), percentile(&mut crowded, 99));
    let what = format!("Pending → Valid, p99 (p50 {half:.0?}; p99 of {SUBJECTS} at once {crowded:.0?})");
    vec![at_most("near", &what, Duration::from_millis(150), percentile(&mut pending, 99))]
}

fn turns(distance: Duration, subjects: usize) -> (Vec<Duration>, Vec<Duration>) {
    let stage = stage(1, distance, LEASE);
    run(async {
        let crowd = Crowd::gather(&stage, subjects, Operation::Create).await;
        let turns = crowd.subjects.iter().map(|subject| {
            let (asker, subject) = (crowd.asker.clone(), Arc::clone(subject));
            async move {
                let mut turns = vec![];
                for _ in 0..ROUNDS {
                    turns.push(turn(&asker, &subject).await);
                }
                turns
            }
        });
        let turns: Vec<Turn> = join_all(turns).await.into_iter().flatten().collect();
        turns.into_iter().map(|turn| (turn.pending, turn.revoke)).unzip()
    })
}

/// Makes a key, waits until it is valid, and revokes it.
async fn turn(asker: &Asker, subject: &Subject) -> Turn {
    let door = &asker.site.doors[0];
    let began = Instant::now();
    let (path, key) = (subject.path("api-keys"), subject.new_key());
    let reply = asker.manage(door, Method::POST, &path, Some(&key), EFFORT.operation).await;
    let Came::Made { made: id } = made(&reply, "api_key_id") else { panic!("no key: {reply:?}") };
    subject.keep_key(id);
    while subject.key_status(asker, door, EFFORT).await != Some(Status::Valid) {
        assert!(began.elapsed() < EFFORT.settle, "still pending");
        tokio::time::sleep(LOOK).await;
    }
    Turn { pending: began.elapsed(), revoke: revoke(asker, subject).await }
}

/// How long a revoke takes until it is proven.
async fn revoke(asker: &Asker, subject: &Subject) -> Duration {
    let path = subject.path(&format!("api-keys/{}/revoke", subject.key().expect("it has a key")));
    let began = Instant::now();
    let body = json!({ "reason": "a figure" });
    let limit = 4 * LEASE;
    let reply = asker.manage(&asker.site.doors[0], Method::POST, &path, Some(&body), limit).await;
    assert_eq!(withdrawn(&reply), Came::Proven, "{reply:?}");
    began.elapsed()
}

pub fn region_cut() -> Vec<Figure> {
    in_trouble("region_cut", RegionKind::Cut)
}

pub fn region_paused() -> Vec<Figure> {
    in_trouble("region_paused", RegionKind::Paused)
}

pub fn region_dead() -> Vec<Figure> {
    in_trouble("region_dead", RegionKind::Killed)
}

/// Revokes at once and a little later, after the last region has got into trouble.
fn in_trouble(name: &'static str, kind: RegionKind) -> Vec<Figure> {
    let stage = stage(1, DISTANCE, LEASE);
    let mut took = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let mut fault = Fault::plan(Kind::Region(kind), &stage, &mut Chance::of(0));
        fault.region.clone_from(&stage.regions().last().expect("there are three").name);
        let begun = tokio::task::block_in_place(|| fault.begin(&stage));
        let revokes = crowd.subjects.iter().enumerate().map(|(number, subject)| {
            let asker = &crowd.asker;
            async move {
                tokio::time::sleep(Duration::from_millis(300) * u32::try_from(number).expect("a few")).await;
                revoke(asker, subject).await
            }
        });
        let took = join_all(revokes).await;
        tokio::task::block_in_place(|| begun.heal(&stage));
        took
    });
    let limit = LEASE + Duration::from_secs(1);
    let what = format!("a revoke returns, the longest of {SUBJECTS}, lease {LEASE:?}");
    vec![at_most(name, &what, limit, percentile(&mut took, 100))]
}
