//! A region that was away for an hour, and one that comes to a full house.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use super::crowd::{Crowd, EFFORT};
use super::{DISTANCE, at_most, none, run, stage};
use crate::history::{Came, Wants};
use crate::report::Figure;
use crate::runs::number;
use crate::stage::fault::{Fault, Kind, RegionKind};
use crate::stage::proxy::chance::Chance;
use crate::stage::{Stage, until};
use crate::workload::Operation;
use crate::workload::asking::withdrawn;

const LEASE: Duration = Duration::from_secs(5);
/// Whose keys are revoked while the region is away.
const SUBJECTS: usize = 4;
/// How long anything is waited for before it is said that it did not come.
const PATIENCE: Duration = Duration::from_mins(3);

/// All of a region is killed, an hour passes, ten thousand changes are made, and it comes back. The hour is
/// simulated: whatever the authority has noted about leases and changes is put back by an hour while the region is
/// away, so that the region has lapsed, and its changes are old, as after a real hour.
pub fn region_down() -> Vec<Figure> {
    let stage = stage(2, DISTANCE, LEASE);
    let away = stage.regions().last().expect("there are three").clone();
    insert(&stage, 10_000);
    let (caught_up, accepted) = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let mut fault = Fault::plan(Kind::Region(RegionKind::Killed), &stage, &mut Chance::of(0));
        fault.region.clone_from(&away.name);
        let killed = block_in_place(|| fault.begin(&stage));
        let mut tokens = vec![];
        for subject in &crowd.subjects {
            let door = &crowd.asker.site.doors[0];
            tokens.extend(subject.token(&crowd.asker, door, Wants::Product, EFFORT.question).await);
            let path = subject.path(&format!("api-keys/{}/revoke", subject.key().expect("it has a key")));
            let reply = crowd.asker.manage(door, Method::POST, &path, None, 4 * LEASE).await;
            assert_eq!(withdrawn(&reply), Came::Proven);
        }
        block_in_place(|| {
            miss(&stage, &away.name);
            killed.heal(&stage);
        });
        let began = Instant::now();
        let doors: Vec<_> =
            crowd.asker.site.doors.iter().filter(|door| door.name.starts_with(&away.name)).collect();
        let (mut accepted, mut caught_up) = (0, None);
        while caught_up.is_none() && began.elapsed() < PATIENCE {
            for (door, token) in doors.iter().flat_map(|door| tokens.iter().map(move |token| (door, token))) {
                let came = crowd.asker.whoami(door, token, EFFORT.question).await;
                accepted += usize::from(came == Came::Known);
            }
            if block_in_place(|| has_caught_up(&stage, &away.name)) {
                caught_up = Some(began.elapsed());
            }
        }
        (caught_up.unwrap_or(Duration::MAX), accepted)
    });
    let name = "region_down";
    vec![
        at_most(name, "until 10 000 missed changes are applied", Duration::from_secs(30), caught_up),
        none(name, "stale accepts of the region on its return", "accepted", accepted),
    ]
}

/// An hour, and a change of each of ten thousand accounts.
fn miss(stage: &Stage, region: &str) {
    stage.sql(&format!(
        "UPDATE instance SET lease_until = lease_until - interval '1 hour' WHERE region = '{region}'"
    ));
    stage.sql("SELECT append_changes(array_agg(credential)) FROM credential WHERE credential LIKE 'many-%'");
    stage.sql("UPDATE change SET at = at - interval '1 hour'");
}

/// Its instances hold leases and have applied everything.
fn has_caught_up(stage: &Stage, region: &str) -> bool {
    let question = format!(
        "SELECT coalesce(bool_and(applied >= (SELECT max(seq) FROM change)), false) AND count(*) = 2
         FROM instance WHERE region = '{region}' AND lease_until > clock_timestamp()"
    );
    stage.sql(&question).as_deref() == Some("t")
}

/// One more region, while a hundred thousand accounts are there (`CREDENTIALS`) and are asked for.
pub fn region_added() -> Vec<Figure> {
    let stage = stage(1, DISTANCE, LEASE);
    let credentials = number("CREDENTIALS", 100_000);
    insert(&stage, credentials);
    until("all of them are in every region", PATIENCE, || is_warm(&stage));
    let (took, failures) = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let stop = CancellationToken::new();
        let (load, asking) = crowd.load("", Wants::Product, &stop);
        let began = Instant::now();
        let took = block_in_place(|| {
            stage.add_region("late");
            let required =
                || stage.sql("SELECT state FROM region WHERE region = 'late'").as_deref() == Some("required");
            until("it is required", PATIENCE, required);
            began.elapsed()
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        asking.join_all().await;
        (took, load.all().iter().filter(|answered| !answered.good).count())
    });
    let name = "region_added";
    let what = format!("until it is warm with {credentials} credentials, and required");
    vec![
        at_most(name, &what, Duration::from_mins(1), took),
        none(name, "authentications meanwhile", "failed", failures),
    ]
}

/// Accounts with a secret each that nobody knows.
fn insert(stage: &Stage, count: u64) {
    let tsg_id = &stage.admin.tsg_id;
    stage.sql(&format!(
        "INSERT INTO credential (credential, tsg_id, version)
         SELECT 'many-' || n || '@{tsg_id}.iam.carnet.local', '{tsg_id}', 1 FROM generate_series(1, {count}) n;
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), tsg_id, 'many', credential, 'a figure' FROM credential WHERE credential LIKE 'many-%';
         INSERT INTO client_secret (credential_id, tsg_id, service_account_id, credential, name, status, pepper, hash)
         SELECT lpad(row_number() OVER ()::text, 16, '0'), tsg_id, id, client_id, 'default', 'valid', 'stage',
                sha256(client_id::bytea)
         FROM service_account WHERE name = 'many'"
    ));
}

fn is_warm(stage: &Stage) -> bool {
    let lacking =
        "SELECT EXISTS (SELECT 1 FROM live_credential c CROSS JOIN region r WHERE r.state = 'required'
        AND NOT EXISTS (SELECT 1 FROM acknowledgement a WHERE a.credential = c.credential
            AND a.region = r.region AND a.version = c.version AND a.epoch = r.epoch))";
    stage.sql(lacking).as_deref() == Some("f")
}
