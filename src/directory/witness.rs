//! Who watches what a request is answered from, for the protocol log; nobody, while that is off.

use super::Knowledge;
use crate::clock::BootInstant;
use crate::domain::record::Entry;
use crate::protocol_log::{self, Served};

/// Watches one request.
pub(super) struct Witness<'a> {
    knowledge: &'a Knowledge,
    asked: BootInstant,
}

/// A record is judged, and believed if there is a lease.
pub(super) struct Judged<'a> {
    witness: &'a Witness<'a>,
    instance: uuid::Uuid,
    at: BootInstant,
}

impl<'a> Witness<'a> {
    /// From now on, where a request begins to look.
    pub fn new(knowledge: &'a Knowledge) -> Option<Self> {
        protocol_log::is_on().then(|| Self { knowledge, asked: knowledge.clock.boot() })
    }

    /// Before the lease is looked at.
    pub fn judges(&self) -> Judged<'_> {
        Judged { witness: self, instance: self.knowledge.instance(), at: self.knowledge.clock.boot() }
    }
}

impl Judged<'_> {
    /// It is answered from this.
    pub fn saw(&self, entry: &Entry, from: &'static str, epoch: i64, armed: bool) {
        let (credential, version, read_seq) =
            (entry.record.credential.as_str(), entry.version, entry.read_seq);
        let served = Served { credential, version, read_seq, epoch, from, armed };
        protocol_log::served(self.instance, &served, self.witness.asked, self.at);
    }
}
