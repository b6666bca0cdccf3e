//! What callers and administrators do all the time: five operations, and questions about everything everywhere.
//!
//! Nothing here knows of faults. Who asks waits for a bounded time, writes down what came of it, and asks again.

use std::time::{Duration, Instant};

use jiff::Timestamp;

pub mod asking;
pub mod operate;
pub mod probe;
pub mod subject;

/// The product that keys are for.
pub const PRODUCT: &str = "advanced_wildfire";
/// What its tokens are for.
pub const AUDIENCE: &str = "urn:carnet:product:advanced_wildfire";
/// The role that is taken back.
pub const ROLE: &str = "auditor";

/// What administrators do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Create,
    Rotate,
    Revoke,
    Expire,
    RoleChange,
}

impl Operation {
    pub const ALL: [Self; 5] = [Self::Create, Self::Rotate, Self::Revoke, Self::Expire, Self::RoleChange];

    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
            Self::Expire => "expire",
            Self::RoleChange => "role change",
        }
    }
}

/// An instance, as its clients know it.
#[derive(Clone, Debug)]
pub struct Door {
    pub name: String,
    /// Without a trailing slash.
    pub url: String,
}

/// An installation, and an administrator of it.
#[derive(Clone, Debug)]
pub struct Site {
    pub doors: Vec<Door>,
    pub issuer: String,
    pub tsg_id: String,
    pub client_id: String,
    pub client_secret: String,
    pub authority: AuthorityTime,
}

/// What time it is in the authority, as it was asked once: all of it is one machine.
#[derive(Clone, Copy, Debug)]
pub struct AuthorityTime {
    pub said: Timestamp,
    pub heard: Instant,
}

impl AuthorityTime {
    /// The authority's time at an instant.
    pub fn at(self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.heard);
        self.said + jiff::SignedDuration::try_from(since).expect("a run is not that long")
    }
}

/// How hard and how long is asked.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Between an answer and the next question of the same asker about the same subject at the same instance.
    pub pace: Duration,
    /// How many ask about one subject at one instance. One who waits for an answer asks nothing else.
    pub askers: usize,
    /// The longest that a question may take.
    pub question: Duration,
    /// The longest that an operation's answer may take. One that waits for a lease takes its time.
    pub operation: Duration,
    /// The longest that anything may take to settle when nothing is broken any more.
    pub settle: Duration,
}
