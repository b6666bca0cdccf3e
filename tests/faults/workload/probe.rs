//! The questions that never stop: every secret and token of every subject, at every instance.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asking::Asker;
use super::subject::Subject;
use super::{Effort, Operation};
use crate::history::{Came, Recorder, SecretNumber, Wants};

/// How often the authority is read about each subject.
const READ_EVERY: Duration = Duration::from_millis(120);

/// A question, of those that tell something about an operation.
#[derive(Clone, Copy)]
enum Question {
    Token(SecretNumber, Wants),
    Whoami(SecretNumber, bool),
}

/// Asks about these subjects until told to stop.
pub fn start(
    asker: &Asker,
    recorder: &Recorder,
    subjects: &[Arc<Subject>],
    effort: Effort,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut probers = JoinSet::new();
    for subject in subjects {
        let prober = |door, turn| Prober {
            asker: asker.clone(),
            recorder: recorder.clone(),
            subject: Arc::clone(subject),
            effort,
            door,
            turn,
        };
        for door in 0..asker.site.doors.len() {
            for asker in 0..effort.askers {
                // So that not everybody asks the same at once.
                probers.spawn(until(stop.clone(), prober(door, door + asker).ask_on()));
            }
        }
        probers.spawn(until(stop.clone(), prober(0, 0).read_on()));
    }
    probers
}

/// What is under way when it is told to stop is not waited for, and not written down.
async fn until(stop: CancellationToken, asking: impl Future<Output = ()>) {
    stop.run_until_cancelled(asking).await;
}

/// One that asks about one subject: at one instance, or the authority through all of them in turn.
struct Prober {
    asker: Asker,
    recorder: Recorder,
    subject: Arc<Subject>,
    effort: Effort,
    door: usize,
    /// Which question comes before the first.
    turn: usize,
}

impl Prober {
    async fn ask_on(self) {
        let questions = questions(self.subject.operation);
        // One of many stays with its question, so that none waits behind another that takes long.
        let step = usize::from(self.effort.askers < questions.len());
        let mut turn = self.turn;
        loop {
            turn += step;
            // Nothing is asked with a secret or a token that is not there yet.
            self.ask(questions[turn % questions.len()]).await;
            tokio::time::sleep(self.effort.pace).await;
        }
    }

    async fn ask(&self, question: Question) -> Option<Came> {
        let Self { asker, recorder, subject, effort, .. } = self;
        let door = &asker.site.doors[self.door];
        match question {
            Question::Token(secret, wants) => {
                subject.ask_token(asker, recorder, door, secret, wants, *effort).await
            }
            Question::Whoami(secret, product) => {
                subject.ask_whoami(asker, recorder, door, (secret, product), *effort).await
            }
        }
    }

    async fn read_on(self) {
        let Self { asker, recorder, subject, effort, .. } = &self;
        let doors = &asker.site.doors;
        for turn in 0.. {
            let door = &doors[turn % doors.len()];
            if subject.operation == Operation::Rotate {
                subject.read_secrets(asker, recorder, door, *effort).await;
            } else {
                subject.read_key(asker, recorder, door, *effort).await;
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }
}

fn questions(operation: Operation) -> &'static [Question] {
    use Question::{Token, Whoami};
    match operation {
        Operation::Create | Operation::Revoke | Operation::Expire => {
            &[Token(0, Wants::Product), Whoami(0, true), Token(0, Wants::Unsaid)]
        }
        Operation::Rotate => &[
            Token(0, Wants::Management),
            Token(1, Wants::Management),
            Whoami(0, false),
            Token(0, Wants::Product),
            Token(1, Wants::Product),
            Whoami(1, true),
        ],
        Operation::RoleChange => &[Token(0, Wants::Management), Token(0, Wants::Product)],
    }
}
