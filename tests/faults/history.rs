//! What was asked and what was answered: the only thing that the checker believes.
//!
//! Everything is written down by the one who asks, on one monotonic clock, with the moment before a request was
//! sent and the moment after its answer had come. Nothing of what the server says of itself is in here, apart from
//! what any client is told.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Nanoseconds since the history began.
pub type Moment = u64;

/// Whom the questions are about: an account of a tenant of its own, with its secrets, its one key and one role.
pub type Subject = usize;

/// One request, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub subject: Subject,
    /// The instance that was asked.
    pub instance: String,
    pub sent: Moment,
    pub returned: Moment,
    pub ask: Ask,
    pub came: Came,
}

/// The secrets of a subject, in the order of their making.
pub type SecretNumber = u8;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// A token, with one of the secrets.
    Token { secret: SecretNumber, wants: Wants },
    /// Who the bearer of a token is, which was got with this secret; `product` when it is one of the key's.
    Whoami { secret: SecretNumber, product: bool },
    /// An account, with its first secret.
    CreateAccount,
    /// The key.
    CreateKey,
    /// Another secret instead of this one; it gets the number `next`.
    Rotate { secret: SecretNumber, next: SecretNumber },
    /// The end of the key.
    Revoke,
    /// The end of the key, at this moment.
    Expire { at: Moment },
    /// The end of the role.
    CutRole,
    /// The state of the key in the authority.
    ReadKey,
    /// The state of a secret in the authority.
    ReadSecret { secret: SecretNumber },
    /// Whether the key's withdrawal is proven.
    ReadReceipt,
}

/// Which token was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// The product's own.
    Product,
    /// Whatever the key makes of it.
    Unsaid,
    /// The management API's.
    Management,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "came", rename_all = "snake_case")]
pub enum Came {
    /// A product token; whether it names the role.
    ProductToken { role: bool },
    /// A management token; likewise.
    ManagementToken { role: bool },
    /// The bearer was told who it is.
    Known,
    /// A refusal of the caller or of what it asked for: the status is 400, 401, 403, 404 or 409.
    Refused { code: String },
    /// 503: not yet valid in every region.
    Pending,
    /// 503 for another reason.
    Unavailable,
    /// No answer, or half of one: whatever was asked for may have happened.
    NoAnswer,
    /// Written down; `made` names it.
    Made { made: String },
    /// Withdrawn, with a receipt that is complete.
    Proven,
    /// Withdrawn; some instance may not have heard.
    Promised,
    /// The status that was read.
    Status { status: Status },
    /// What no request should ever get.
    Odd { status: u16, body: String },
}

/// The status of a key or secret, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Unmigrated,
    Pending,
    Valid,
    Inactive,
    Revoking,
    Revoked,
    Expired,
}

impl Came {
    /// Whether the request may have done what it asked for.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: Moment| Duration::from_nanos(at).as_secs_f64();
        write!(
            f,
            "{:9.4}–{:9.4} s  subject {} at {}: {:?} → {:?}",
            seconds(self.sent),
            seconds(self.returned),
            self.subject,
            self.instance,
            self.ask,
            self.came
        )
    }
}

/// Writes events down. Clones write into the same history.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    /// An empty history, which begins now.
    pub fn new() -> Self {
        Self { began: Instant::now(), events: Arc::default() }
    }

    /// Now, on the history's clock.
    pub fn now(&self) -> Moment {
        self.moment_of(Instant::now())
    }

    /// An instant on the history's clock; its beginning, when it was before that.
    pub fn moment_of(&self, instant: Instant) -> Moment {
        let elapsed = instant.saturating_duration_since(self.began);
        Moment::try_from(elapsed.as_nanos()).unwrap_or(Moment::MAX)
    }

    /// Writes down what has come of a request that was sent at `sent`.
    pub fn record(&self, subject: Subject, instance: &str, sent: Moment, ask: Ask, came: Came) {
        let event = Event { subject, instance: instance.to_owned(), sent, returned: self.now(), ask, came };
        self.events.lock().expect("nobody panics with it").push(event);
    }

    /// All of it so far, in the order of answers.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("nobody panics with it").clone()
    }
}

/// Writes a history as JSON lines.
pub fn save(events: &[Event], path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for event in events {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// Reads what [`save`] wrote.
pub fn load(path: &Path) -> std::io::Result<Vec<Event>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| serde_json::from_str(&line?).map_err(std::io::Error::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_is_kept_is_read_again_as_it_was() {
        let recorder = Recorder::new();
        let sent = recorder.now();
        let wants = Wants::Product;
        recorder.record(1, "r1-i2", sent, Ask::Token { secret: 0, wants }, Came::ProductToken { role: true });
        recorder.record(1, "r1-i2", sent, Ask::ReadKey, Came::Status { status: Status::Revoking });
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("history.jsonl");
        save(&recorder.events(), &path).expect("written");
        assert_eq!(load(&path).expect("read"), recorder.events());
    }

    #[test]
    fn an_answer_never_comes_before_its_question() {
        let recorder = Recorder::new();
        let sent = recorder.now();
        recorder.record(0, "here", sent, Ask::ReadKey, Came::NoAnswer);
        assert!(recorder.events()[0].returned >= sent);
    }
}
