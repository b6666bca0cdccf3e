//! A thousand rotate one secret at once: one wins, and of old and new one is always accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crowd::{Crowd, EFFORT};
use super::{DISTANCE, none, run, stage};
use crate::check::{self, Rule};
use crate::history::{Ask, Came};
use crate::report::Figure;
use crate::workload::operate::{Operator, rotate};
use crate::workload::{Operation, probe};

/// How many rotate.
const ROTATIONS: usize = 1_000;

/// All at once, and everybody else goes on asking.
pub fn rotations() -> Vec<Figure> {
    let stage = stage(3, DISTANCE, Duration::from_secs(5));
    let (won, violations) = run(async {
        let crowd = Crowd::gather(&stage, 1, Operation::Rotate).await;
        let subject = &crowd.subjects[0];
        let stop = CancellationToken::new();
        let probers = probe::start(&crowd.asker, &crowd.recorder, &crowd.subjects, EFFORT, &stop);
        let mut rotating = JoinSet::new();
        for number in 0..ROTATIONS {
            let (asker, recorder, subject) =
                (crowd.asker.clone(), crowd.recorder.clone(), Arc::clone(subject));
            rotating.spawn(async move {
                let door = &asker.site.doors[number % asker.site.doors.len()];
                let sent = recorder.now();
                // Each is a rotation of its own, not a replay of another.
                let came = rotate(&asker, &subject, door, &format!("rotation-{number}"), EFFORT).await;
                let ask = Ask::Rotate { secret: 0, next: 1 };
                recorder.record(subject.number, &door.name, sent, ask, came.clone());
                usize::from(matches!(came, Came::Made { .. }))
            });
        }
        let won: usize = rotating.join_all().await.into_iter().sum();
        let (asker, recorder) = (crowd.asker.clone(), crowd.recorder.clone());
        let operator = Operator { asker, recorder, subject: Arc::clone(subject), effort: EFFORT, first: 0 };
        let (_healed, healed) = watch::channel(Some(Instant::now()));
        operator.settle(&healed).await.expect("the new one turns valid");
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        probers.join_all().await;
        let judgement = check::judge(&crowd.recorder.events(), Duration::ZERO, &check::Troubles::default());
        // Who was not let in among a thousand has been told so: that is no violation.
        let broken = judgement.violations.iter().filter(|violation| violation.rule != Rule::I7);
        (won, broken.count())
    });
    let name = "rotations";
    let winners = Figure {
        name,
        what: format!("winners of {ROTATIONS} concurrent rotations"),
        target: "1".to_owned(),
        measured: won.to_string(),
        reached: won == 1,
    };
    vec![winners, none(name, "moments without old or new (I4), and all else", "violations", violations)]
}
