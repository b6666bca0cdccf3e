//! The five operations, asked for until somebody says that they are done.
//!
//! Who gets no answer asks elsewhere. Every try is written down, because each may be the one that worked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;

use super::asking::{Asker, made, refusal, withdrawn};
use super::subject::Subject;
use super::{Door, Effort, Operation};
use crate::history::{Ask, Came, Recorder, Status};

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(150);
/// How far ahead an end is put: far enough to be asked for in time.
const ENDS_IN: Duration = Duration::from_millis(1_500);

/// How an operation went: how long it took from the first question until it was settled everywhere, as far as an
/// administrator can see; or what kept it from that.
pub type Went = Result<Duration, String>;

/// Does its subject's operation, beginning at one of the doors.
pub struct Operator {
    pub asker: Asker,
    pub recorder: Recorder,
    pub subject: Arc<Subject>,
    pub effort: Effort,
    /// The door that is asked first.
    pub first: usize,
}

impl Operator {
    /// Asks until it is done and settled, for as long as faults go on and `settle` after the last was healed.
    pub async fn run(&self, healed: &watch::Receiver<Option<Instant>>) -> Went {
        let began = Instant::now();
        let mut said = self.ask(0).await;
        for attempt in 1.. {
            match &said {
                Came::Made { .. } | Came::Proven | Came::Promised => break,
                // Nobody else withdraws, so what is refused now was done by a try whose answer was lost.
                Came::Refused { .. } if attempt > 1 => break,
                Came::Refused { .. } | Came::Odd { .. } => return Err(format!("{said:?}")),
                _ => self.wait(healed, || format!("still {said:?}")).await?,
            }
            said = self.ask(attempt).await;
        }
        self.settle(healed).await?;
        Ok(began.elapsed())
    }

    /// Waits until it has taken effect everywhere.
    pub async fn settle(&self, healed: &watch::Receiver<Option<Instant>>) -> Result<(), String> {
        for attempt in 0.. {
            if self.is_settled(attempt).await {
                break;
            }
            self.wait(healed, || "not settled".to_owned()).await?;
        }
        Ok(())
    }

    /// Waits for the next try, if there is one.
    async fn wait(
        &self,
        healed: &watch::Receiver<Option<Instant>>,
        for_what: impl Fn() -> String,
    ) -> Result<(), String> {
        let healed = *healed.borrow();
        if healed.is_some_and(|healed| healed.elapsed() > self.effort.settle) {
            return Err(format!("{}, {:?} after everything was whole", for_what(), self.effort.settle));
        }
        tokio::time::sleep(AGAIN).await;
        Ok(())
    }

    fn door(&self, attempt: usize) -> &Door {
        let doors = &self.asker.site.doors;
        &doors[(self.first + attempt) % doors.len()]
    }

    async fn ask(&self, attempt: usize) -> Came {
        let door = self.door(attempt);
        let sent = self.recorder.now();
        let (ask, came) = match self.subject.operation {
            Operation::Create => (Ask::CreateKey, self.create(door).await),
            Operation::Rotate => (Ask::Rotate { secret: 0, next: 1 }, {
                let Self { asker, subject, effort, .. } = self;
                rotate(asker, subject, door, "the-rotation", *effort).await
            }),
            Operation::Revoke => (Ask::Revoke, self.revoke(door).await),
            Operation::Expire => self.expire(door).await,
            Operation::RoleChange => (Ask::CutRole, self.cut_role(door).await),
        };
        self.recorder.record(self.subject.number, &door.name, sent, ask, came.clone());
        came
    }

    async fn create(&self, door: &Door) -> Came {
        let (path, key) = (self.subject.path("api-keys"), self.subject.new_key());
        let reply = self.asker.make(door, &path, &key, "the-key", self.effort.operation).await;
        if let Some(id) = reply.text("api_key_id") {
            self.subject.keep_key(id);
        }
        made(&reply, "api_key_id")
    }

    async fn revoke(&self, door: &Door) -> Came {
        let path = self.subject.path(&format!("api-keys/{}/revoke", self.key()));
        let body = json!({ "reason": "a run" });
        withdrawn(&self.asker.manage(door, Method::POST, &path, Some(&body), self.effort.operation).await)
    }

    async fn expire(&self, door: &Door) -> (Ask, Came) {
        let instant = Instant::now() + ENDS_IN;
        // To the millisecond, and never earlier than what is written down.
        let at = self.asker.site.authority.at(instant) + SignedDuration::from_millis(1);
        let body = json!({ "expires_at": format!("{at:.3}") });
        let path = self.subject.path(&format!("api-keys/{}", self.key()));
        let reply = self.asker.manage(door, Method::PATCH, &path, Some(&body), self.effort.operation).await;
        (Ask::Expire { at: self.recorder.moment_of(instant) }, withdrawn(&reply))
    }

    async fn cut_role(&self, door: &Door) -> Came {
        let path = self.subject.path(&format!("access-policies/{}", self.subject.grant_id));
        let reply = self.asker.manage(door, Method::DELETE, &path, None, self.effort.operation).await;
        match refusal(&reply, "code") {
            Came::Refused { code } => Came::Refused { code },
            _ => withdrawn(&reply),
        }
    }

    fn key(&self) -> String {
        self.subject.key().expect("it has a key")
    }

    /// Whether an administrator can see that it has taken effect everywhere.
    async fn is_settled(&self, attempt: usize) -> bool {
        let (door, effort) = (self.door(attempt), self.effort);
        let (asker, recorder) = (&self.asker, &self.recorder);
        match self.subject.operation {
            Operation::Create => {
                let valid = Came::Status { status: Status::Valid };
                self.subject.read_key(asker, recorder, door, effort).await == Some(valid)
            }
            Operation::Rotate => {
                let read = self.subject.read_secrets(asker, recorder, door, effort).await;
                let has = |number, status| read.contains(&(number, Came::Status { status }));
                has(1, Status::Valid) && has(0, Status::Revoked)
            }
            Operation::Revoke => {
                let revoked = Came::Status { status: Status::Revoked };
                self.subject.read_key(asker, recorder, door, effort).await == Some(revoked)
            }
            Operation::Expire => self.has_receipt(door).await,
            // Its answer was the receipt.
            Operation::RoleChange => true,
        }
    }

    async fn has_receipt(&self, door: &Door) -> bool {
        let path = self.subject.path(&format!("api-keys/{}/receipt", self.key()));
        let sent = self.recorder.now();
        let reply = self.asker.manage(door, Method::GET, &path, None, self.effort.question).await;
        let came = withdrawn(&reply);
        if matches!(came, Came::Proven | Came::Promised) {
            self.recorder.record(self.subject.number, &door.name, sent, Ask::ReadReceipt, came.clone());
        }
        came == Came::Proven
    }
}

/// Asks for another secret instead of the first. The same `once` is the same rotation.
pub async fn rotate(asker: &Asker, subject: &Subject, door: &Door, once: &str, effort: Effort) -> Came {
    let old = subject.credential_id(0).expect("it has a secret");
    let path = subject.path(&format!("service-accounts/{}/secrets/{old}/rotate", subject.account_id));
    let reply = asker.make(door, &path, &json!({}), once, effort.operation).await;
    if let Some(id) = reply.text("credential_id") {
        subject.keep_secret(1, id, reply.text("client_secret"));
    }
    made(&reply, "credential_id")
}
