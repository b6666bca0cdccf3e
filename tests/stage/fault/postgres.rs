//! What happens to the authority.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio_postgres::NoTls;

use super::{Fault, Heal, nothing};
use crate::stage::proxy::Trouble;
use crate::stage::sql::on_a_runtime;
use crate::stage::{Fence, Stage};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PostgresKind {
    /// Stopped, and at once there again.
    Restarted,
    /// Killed with all that belongs to it, and started again when healed.
    Killed,
    /// Stopped or killed, and its standby takes its place; rewound and the standby when healed.
    FailedOver,
    /// Its standby takes its place while it goes on running, and some instances go on talking to it until it is healed.
    FailedOverUnfenced,
    /// Stands still.
    Paused,
    /// What it sends to its standby takes 50 to 450 ms, and the answer as long: every commit waits for that.
    StandbySlow,
    /// Its standby stands still, so that nothing is committed.
    StandbyPaused,
    /// Its standby is killed, so that nothing is committed until it is back.
    StandbyKilled,
    /// Somebody's transaction stays open that has changed something.
    TransactionHeld,
    /// Somebody's transaction stays open that is about to append a change: nobody else can.
    AppendHeld,
    /// There are no more connections to be had, and one instance has lost its own.
    ConnectionsExhausted,
}

impl PostgresKind {
    pub const ALL: [Self; 11] = [
        Self::Restarted,
        Self::Killed,
        Self::FailedOver,
        Self::FailedOverUnfenced,
        Self::Paused,
        Self::StandbySlow,
        Self::StandbyPaused,
        Self::StandbyKilled,
        Self::TransactionHeld,
        Self::AppendHeld,
        Self::ConnectionsExhausted,
    ];

    pub(super) fn is_possible(self, stage: &Stage) -> bool {
        self != Self::FailedOverUnfenced || stage.instances().len() > 1
    }
}

pub(super) fn begin(kind: PostgresKind, fault: &Fault, stage: &Stage) -> Heal {
    let primary = stage.postgres.primary();
    let standby = 1 - primary;
    match kind {
        PostgresKind::Restarted => {
            stage.postgres.stop(primary);
            stage.postgres.launch(primary);
            nothing()
        }
        PostgresKind::Killed => {
            stage.postgres.kill(primary);
            Box::new(move |stage| stage.postgres.launch(primary))
        }
        PostgresKind::FailedOver => {
            let fence = if fault.drawn(2) == 0 { Fence::Stopped } else { Fence::Killed };
            stage.postgres.promote(fence);
            stage.lead_to_primary();
            Box::new(|stage| stage.postgres.take_back())
        }
        PostgresKind::FailedOverUnfenced => {
            stage.postgres.promote(Fence::Running);
            lead_some(fault, stage);
            Box::new(|stage| {
                stage.lead_to_primary();
                stage.postgres.take_back();
            })
        }
        PostgresKind::Paused => pause(primary, stage),
        PostgresKind::StandbyPaused => pause(standby, stage),
        PostgresKind::StandbyKilled => {
            stage.postgres.kill(standby);
            Box::new(move |stage| stage.postgres.launch(standby))
        }
        PostgresKind::StandbySlow => {
            let delay = Duration::from_millis(50 + u64::from(fault.drawn(400)));
            let imposed = stage.postgres.replication().impose(Trouble::Delay(delay));
            Box::new(move |stage| stage.postgres.replication().lift(&imposed))
        }
        PostgresKind::TransactionHeld => hold(stage, "CREATE TABLE held_by_the_stage ()"),
        PostgresKind::AppendHeld => hold(stage, "SELECT pg_advisory_xact_lock(7027)"),
        PostgresKind::ConnectionsExhausted => {
            stage.sql("ALTER ROLE carnet CONNECTION LIMIT 0");
            stage.region(&fault.region).instances[fault.number].database.close();
            Box::new(|stage| drop(stage.sql("ALTER ROLE carnet CONNECTION LIMIT -1")))
        }
    }
}

fn pause(number: usize, stage: &Stage) -> Heal {
    stage.postgres.pause(number);
    Box::new(move |stage| stage.postgres.resume(number))
}

/// Leads some instances to the new primary: at least one goes, and the planned one stays with the old.
fn lead_some(fault: &Fault, stage: &Stage) {
    let primary = stage.postgres.address(stage.postgres.primary());
    let mut chance = fault.chance.clone();
    let stays = |instance: &crate::stage::Instance| {
        instance.region == fault.region && instance.number == fault.number
    };
    for (place, instance) in stage.instances().iter().filter(|instance| !stays(instance)).enumerate() {
        if place == 0 || chance.coin() {
            instance.database.lead_to(primary.clone());
            instance.database.close();
        }
    }
}

/// A transaction that has done this stays open until it is healed.
fn hold(stage: &Stage, statement: &'static str) -> Heal {
    let url = stage.database_url();
    let (begun, has_begun) = mpsc::channel();
    let (let_go, held) = mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        on_a_runtime(async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("Postgres answers");
            tokio::spawn(connection);
            client.batch_execute(&format!("BEGIN; {statement}")).await.expect("it is done");
            begun.send(()).expect("somebody waits for it");
            // Nothing else is to be done on this runtime meanwhile.
            let _ = held.recv();
            drop(client.batch_execute("ROLLBACK").await);
        });
    });
    has_begun.recv().expect("the transaction has begun");
    Box::new(move |_| {
        drop(let_go);
        holder.join().expect("the holder does not panic");
    })
}
