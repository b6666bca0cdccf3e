//! Those who ask in a scenario: subjects with keys, and load that never stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::history::{Came, Recorder, Wants};
use crate::play;
use crate::runs::GENTLE;
use crate::stage::Stage;
use crate::workload::asking::Asker;
use crate::workload::subject::Subject;
use crate::workload::{Effort, Operation};

/// Patience with setting up many at once.
pub const EFFORT: Effort = Effort { settle: Duration::from_mins(2), ..GENTLE };

/// Who asks, and about whom.
pub struct Crowd {
    pub asker: Asker,
    pub recorder: Recorder,
    pub subjects: Vec<Arc<Subject>>,
}

impl Crowd {
    /// So many subjects, prepared for this.
    pub async fn gather(stage: &Stage, size: usize, operation: Operation) -> Self {
        let whom = tokio::task::block_in_place(|| play::site(stage));
        let (asker, recorder) = (Asker::new(Arc::new(whom)), Recorder::new());
        let prepare = |number| {
            let (asker, recorder) = (asker.clone(), recorder.clone());
            async move { Arc::new(Subject::prepare(&asker, &recorder, number, operation, EFFORT).await) }
        };
        let subjects = join_all((0..size).map(prepare)).await;
        Self { asker, recorder, subjects }
    }

    /// Everybody asks for tokens at every instance whose name begins so, until told to stop.
    pub fn load(&self, doors: &str, wants: Wants, stop: &CancellationToken) -> (Arc<Load>, JoinSet<()>) {
        let load = Arc::new(Load { began: Instant::now(), answers: std::sync::Mutex::default() });
        let mut asking = JoinSet::new();
        for door in self.asker.site.doors.iter().filter(|door| door.name.starts_with(doors)) {
            for subject in &self.subjects {
                let (asker, load, stop) = (self.asker.clone(), Arc::clone(&load), stop.clone());
                let (door, subject) = (door.clone(), Arc::clone(subject));
                asking.spawn(async move {
                    while !stop.is_cancelled() {
                        let sent = Instant::now();
                        let came = subject.try_token(&asker, &door, wants, EFFORT.question).await;
                        load.note(sent, &came);
                        tokio::time::sleep(PAUSE).await;
                    }
                });
            }
        }
        (load, asking)
    }
}

/// Between two questions of one who makes load.
const PAUSE: Duration = Duration::from_millis(20);

/// What load has brought.
pub struct Load {
    began: Instant,
    answers: std::sync::Mutex<Vec<Answered>>,
}

/// One answer, by the time at which it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub sent: Instant,
    pub took: Duration,
    pub good: bool,
}

impl Load {
    fn note(&self, sent: Instant, came: &Came) {
        let good = matches!(came, Came::ProductToken { .. } | Came::ManagementToken { .. });
        let answered = Answered { sent, took: sent.elapsed(), good };
        self.answers.lock().expect("nobody panics with it").push(answered);
    }

    /// All that were asked for between these moments.
    pub fn between(&self, from: Instant, until: Instant) -> Vec<Answered> {
        let answers = self.answers.lock().expect("nobody panics with it");
        answers.iter().filter(|answered| (from..until).contains(&answered.sent)).copied().collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Answered> {
        self.between(self.began, Instant::now())
    }
}

/// Counts down what is to be done by many.
pub struct Budget(AtomicUsize);

impl Budget {
    pub fn of(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Takes one, if there is one left.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
