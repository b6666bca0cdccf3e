//! What an instance answers: from memory, from Redis, from Postgres.

use carnet::domain::record::Liveness;

use crate::protocol::Protocol;
use crate::rules::{self, Known};
use crate::state::{ENDINGS, EXPIRY, Entry, Fault, Flight, Instance, KEYS, Poll, ROLE, Record, State};
use crate::twin::Twin;

impl Instance {
    fn known(&self) -> Known {
        Known { low_water: self.low_water.into(), newest: self.newest.map(|(version, _)| version.into()) }
    }
}

impl Protocol {
    /// Whether the floor has nothing against an entry.
    pub fn admits(&self, me: &Instance, entry: Entry) -> bool {
        let mut known = me.known();
        if self.scenario.lacks(Twin::NoFloor) {
            known.newest = None;
        }
        if self.scenario.lacks(Twin::LowWaterIgnored) {
            known.low_water = 0;
        }
        self.trusts_redis() || known.admits(entry.record.version.into(), entry.read_seq.into())
    }

    /// The naive designs, in which Redis itself is to enforce revocation.
    fn trusts_redis(&self) -> bool {
        self.scenario.lacks(Twin::DeleteThenReturn) || self.scenario.lacks(Twin::TombstonesInRedis)
    }

    /// The records that this instance would answer from without asking Postgres: its memory's, its
    /// region's.
    pub fn cached(&self, s: &State, i: usize) -> [Option<Entry>; 2] {
        let me = &s.instances[i];
        let cache = &s.caches[self.scenario.homes[i]];
        if !me.runs() || (me.lease == 0 && !self.trusts_redis()) {
            return [None; 2];
        }
        let place = (me.history.into(), me.epoch.into());
        let opens = |e: &Entry| rules::opens((e.history.into(), e.epoch.into()), place);
        let memory = me.memory.filter(|e| self.admits(me, *e));
        let redis = cache.entry.filter(|e| opens(e) && self.admits(me, *e));
        [memory, redis]
    }

    /// Whether a record makes it answer that this key is good.
    pub fn honours(&self, s: &State, record: Record, key: usize) -> bool {
        let armed = self.scenario.lacks(Twin::ArmedServed) && record.keys[key].is_some();
        let over = record.ends && s.ghost.late;
        (armed || record.keys[key] == Some(Liveness::Valid)) && !over
    }

    /// Whether a record makes it grant what this ending takes away.
    pub fn grants(&self, s: &State, record: Record, ending: usize) -> bool {
        match ending {
            ROLE => record.role,
            EXPIRY => s.ghost.late && (0..KEYS).any(|key| self.honours(s, record, key)),
            key => self.honours(s, record, key),
        }
    }

    /// A request is answered from the caches: what was served once is not gone back behind.
    pub fn serve(&self, s: &mut State, i: usize) -> Option<()> {
        self.scenario.serving.then_some(())?;
        let [memory, redis] = self.cached(s, i);
        let entry = memory.filter(|e| !e.is_armed()).or(redis)?;
        let me = &mut s.instances[i];
        let before = (me.seen, me.newest, me.memory);
        self.note_served(me, entry);
        self.remember(me, entry);
        ((me.seen, me.newest, me.memory) != before).then_some(())
    }

    fn note_served(&self, me: &mut Instance, entry: Entry) {
        if !self.scenario.serving {
            return;
        }
        me.seen = me.seen.max(entry.record.version);
        if !self.scenario.lacks(Twin::ServedIsForgotten) {
            me.raise(entry.record.version, entry.read_seq);
        }
    }

    fn remember(&self, me: &mut Instance, entry: Entry) {
        let newer = me.memory.is_none_or(|held| entry.standing() > held.standing());
        if self.scenario.memory && newer && (entry.history, entry.epoch) == (me.history, me.epoch) {
            me.memory = Some(entry);
        }
    }

    /// A request asks Postgres. The flight takes off after the request came.
    pub fn read(&self, s: &mut State, i: usize, from: Option<Entry>) -> Option<()> {
        let me = &s.instances[i];
        let epoch = me.epoch;
        let reading = Entry { epoch, ..from.unwrap_or_else(|| s.authority.reading(epoch)) };
        let flies = self.scenario.readers[i] && me.runs() && me.flight.is_none() && me.epoch > 0;
        // An answer of another history is nobody's answer.
        (flies && reading.history == me.history).then_some(())?;
        let valid = Self::seen_valid(s);
        let (heard, seen, ended) = (me.applied, me.seen, s.ghost.ended);
        s.instances[i].flight = Some(Flight { reading, heard, seen, ended, valid });
        Some(())
    }

    /// The answer of Postgres arrives: served under a lease, remembered, and written into Redis
    /// when nobody waits any more.
    pub fn land(&self, s: &mut State, i: usize) -> Option<()> {
        (!s.instances[i].suspended).then_some(())?;
        let mut flight = s.instances[i].flight.take()?;
        if self.scenario.lacks(Twin::JoinedInTheAir) {
            flight.ended = s.ghost.ended;
        }
        let me = &s.instances[i];
        let ours = flight.reading.history == me.history && flight.reading.read_seq >= flight.heard;
        if !ours || !me.runs() {
            return Some(());
        }
        if me.lease > 0 || self.scenario.lacks(Twin::ReadWithoutLease) {
            s.ghost.fault = s.ghost.fault.or_else(|| self.wrong(s, &flight));
            self.note_served(&mut s.instances[i], flight.reading);
        }
        self.remember(&mut s.instances[i], flight.reading);
        let cache = &mut s.caches[self.scenario.homes[i]];
        cache.fill = cache.fill.or(Some(flight.reading));
        Some(())
    }

    /// What is wrong with serving this.
    fn wrong(&self, s: &State, flight: &Flight) -> Option<Fault> {
        let record = flight.reading.record;
        if (0..ENDINGS).any(|ending| flight.ended[ending] && self.grants(s, record, ending)) {
            return Some(Fault::ServedWhatEnded);
        }
        if record.version < flight.seen {
            return Some(Fault::WentBack);
        }
        let over = record.ends && s.ghost.late;
        let lacking = |key: usize| flight.valid[key] && record.keys[key] != Some(Liveness::Valid);
        (!over && (0..KEYS).any(lacking)).then_some(Fault::ValidButNotHonoured)
    }

    /// Postgres does not answer: that is a 503, whoever asked.
    pub fn lose_flight(&self, s: &mut State, i: usize) -> Option<()> {
        let flight = s.instances[i].flight.take()?;
        if self.scenario.lacks(Twin::OutageRefuses) && flight.valid.contains(&true) {
            s.ghost.fault = Some(Fault::OutageBlamed);
        }
        Some(())
    }

    /// The process ends, and another one may take its place, under another id.
    pub fn crash(s: &mut State, i: usize) -> Option<()> {
        let me = &s.instances[i];
        (s.budget.crashes > 0 && (me.runs() || me.poll != Poll::Idle)).then_some(())?;
        s.budget.crashes -= 1;
        s.instances[i] = Instance::default();
        Some(())
    }
}
