//! What is noted of clients and written down beside the answers: what they have proved themselves by and from where; and of the
//! tokens that were got, how many for each tenant, and which clients seem to get one for each of their requests.
//!
//! Noted in memory by each instance, under a lock that nobody holds for longer than it takes to write a number, and flushed in
//! batches. Never on the way of a token: while Postgres is away it gathers, within bounds; a process that dies takes with it what
//! it had noted since its last flush.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::credential_id::CredentialId;
use crate::store::usage::{Counted, Hurried, Used};

mod counts;
pub mod flushing;
mod last_uses;
mod pace;

use counts::Counts;
use last_uses::LastUses;
use pace::Paces;

/// Somebody who has proved itself, for whatever it asks.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    /// Which account; none where it is a key that is presented by itself.
    pub account: Option<Uuid>,
    /// By what.
    pub credential_id: CredentialId,
    /// From where.
    pub from: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
}

/// A token that was got.
#[derive(Clone, Copy, Debug)]
pub struct Got<'a> {
    /// By which account; none where it was got for a key that is presented by itself.
    pub account: Option<Uuid>,
    /// Of which tenant.
    pub tsg_id: &'a str,
    /// From where.
    pub from: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
}

/// What an instance has noted and not yet written down.
pub struct Usage {
    uses: LastUses,
    counts: Counts,
    paces: Option<Paces>,
}

impl Usage {
    /// `token_per_request_per_minute`: from how many tokens a minute on, from one address, a client is taken to get one for
    /// each request; 0 for never.
    #[must_use]
    pub fn new(token_per_request_per_minute: u32, clock: &Arc<Clock>) -> Self {
        let paces = Paces::new(token_per_request_per_minute, clock);
        Self { uses: LastUses::default(), counts: Counts::default(), paces }
    }

    /// Notes a use of a proof, which counts for no limit and no quota.
    pub fn note(&self, proved: &Proved) {
        let Proved { account, credential_id, from, now } = *proved;
        self.uses.note((account, credential_id), now, from);
    }

    /// Counts a token.
    pub fn count(&self, got: &Got<'_>) {
        let Got { account, tsg_id, from, now } = *got;
        self.counts.note(tsg_id, now);
        if let (Some(paces), Some(account), Some(from)) = (&self.paces, account, from) {
            paces.note(account, from, now);
        }
    }

    /// At most so many last uses, which are forgotten here.
    fn take_uses(&self, most: usize) -> Vec<Used> {
        self.uses.take(most)
    }

    /// At most so many counts, which are forgotten here.
    fn take_counts(&self, most: usize) -> Vec<Counted> {
        self.counts.take(most)
    }

    /// Clients in a hurry, which are forgotten here.
    fn take_hurried(&self) -> Vec<Hurried> {
        self.paces.as_ref().map(Paces::take).unwrap_or_default()
    }
}
