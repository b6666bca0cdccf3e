//! The authority's statements: writes, flips, receipts, regions, pruning. Each is atomic.

use carnet::domain::key::{KeyEvent, KeyStatus};
use carnet::domain::record::Liveness;

use crate::protocol::Protocol;
use crate::rules;
use crate::scenario::{LAG, QUARANTINE, Write};
use crate::state::{Authority, ENDINGS, EXPIRY, Entry, Fault, KEYS, ROLE, Record, RegionState, State};
use crate::twin::Twin;

impl Authority {
    /// The record as the view gives it: only what may authenticate, or soon will.
    pub fn record(&self) -> Record {
        let live = |status: Option<KeyStatus>| match status {
            Some(KeyStatus::Pending) => Some(Liveness::Pending),
            Some(KeyStatus::Valid) => Some(Liveness::Valid),
            _ => None,
        };
        Record { version: self.version, keys: self.keys.map(live), role: self.role, ends: self.ends }
    }

    /// A reading, for an instance that believes in this epoch.
    pub fn reading(&self, epoch: u8) -> Entry {
        Entry { record: self.record(), read_seq: self.head, history: self.history, epoch }
    }

    /// Leases of another history are over for certain.
    pub fn is_settled(&self) -> bool {
        self.noted && self.unsettled == 0
    }

    fn pending(&self) -> Option<usize> {
        self.keys.iter().position(|status| *status == Some(KeyStatus::Pending))
    }

    /// `append_changes`: the last statement of a transaction.
    fn append(&mut self) -> u8 {
        let seq = if self.drawn > 0 { std::mem::take(&mut self.drawn) } else { self.head + 1 };
        self.head = self.head.max(seq);
        (self.version, self.seq, self.last, self.age) = (self.version + 1, seq, seq, 0);
        seq
    }

    fn turn(&mut self, key: usize, event: KeyEvent) -> bool {
        let next = self.keys[key].and_then(|status| status.after(event));
        if next.is_some() {
            self.keys[key] = next;
            self.changes += 1;
        }
        next.is_some()
    }

    fn acknowledged(&self, region: usize, any_epoch: bool) -> bool {
        let row = &self.regions[region];
        let epoch = if any_epoch { row.acknowledged.map_or(0, |(_, epoch)| epoch) } else { row.epoch };
        let acknowledged = row.acknowledged.map(|(version, epoch)| (version.into(), epoch.into()));
        rules::counts(acknowledged, self.version.into(), epoch.into())
    }

    fn is_required(&self, region: usize) -> bool {
        self.regions[region].state == Some(RegionState::Required)
    }

    /// The regions that keys wait for.
    pub fn required(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.regions.len()).filter(|region| self.is_required(*region))
    }
}

impl Protocol {
    /// One write of the administrator, if the rules let it happen now.
    pub fn write(&self, s: &mut State, number: usize) -> Option<()> {
        if s.budget.written & (1 << number) != 0 {
            return None;
        }
        let write = self.scenario.writes[number];
        match write {
            Write::Drain(region) | Write::Rejoin(region) => move_region(&mut s.authority, region, write)?,
            Write::CutRole | Write::Shorten => cut(&mut s.authority, write)?,
            _ => change_key(&mut s.authority, write)?,
        }
        if let Some(ending) = ending(write) {
            self.open_receipt(s, ending);
        }
        if let Write::Activate(key) = write {
            (s.authority.receipts[key], s.ghost.ended[key]) = (0, false);
        }
        self.audit(s);
        s.budget.written |= 1 << number;
        Some(())
    }

    fn audit(&self, s: &mut State) {
        if !self.scenario.lacks(Twin::AuditAfterwards) {
            s.authority.audited = s.authority.changes;
        }
    }

    fn open_receipt(&self, s: &mut State, ending: usize) {
        let seq = s.authority.seq;
        s.authority.receipts[ending] = seq;
        s.ghost.waiting = s.ghost.waiting.or(Some((seq, 0)));
        if self.scenario.lacks(Twin::ReturnAtCommit) {
            s.ghost.ended[ending] = true;
        }
    }

    /// `flip_ready`: what is pending becomes valid; with an older key in its place, that one goes.
    pub fn flip(&self, s: &mut State) -> Option<()> {
        let key = s.authority.pending()?;
        self.may_flip(s).then_some(())?;
        let older = (0..KEYS).find(|other| s.authority.keys[*other] == Some(KeyStatus::Valid));
        let in_two = self.scenario.lacks(Twin::RotatedInTwo);
        if older.is_none() || !in_two {
            if s.authority.required().any(|region| !Self::holds(s, region)) {
                s.ghost.fault = Some(Fault::ValidButNotHeld);
            }
            s.authority.turn(key, KeyEvent::Settled);
            (s.ghost.ever_valid[key], s.ghost.seen_valid[key]) = (true, true);
        }
        if let Some(older) = older {
            s.authority.turn(older, KeyEvent::Revoke);
            s.authority.append();
            self.open_receipt(s, older);
        } else {
            s.authority.head += 1;
            s.authority.last = s.authority.head;
        }
        self.audit(s);
        Some(())
    }

    fn may_flip(&self, s: &State) -> bool {
        let (a, lacks) = (&s.authority, |twin| self.scenario.lacks(twin));
        let required = a.required().map(|region| {
            lacks(Twin::FlipUnacknowledged) || a.acknowledged(region, lacks(Twin::FlipOfAnyEpoch))
        });
        let passed = a.rows.iter().filter(|row| row.registered).map(|row| {
            let alive = row.believed > 0 || lacks(Twin::FlipWaitsForTheDead);
            rules::has_passed(row.applied.into(), a.seq.into(), alive) || lacks(Twin::FlipBeforeApplied)
        });
        rules::may_flip(required, passed, a.is_settled() || lacks(Twin::FlipUnsettled))
    }

    /// Whether this region really can serve the present version from its Redis; or has lost it in a
    /// way that will be noticed, or that nobody could notice.
    pub fn holds(s: &State, region: usize) -> bool {
        let (cache, row) = (&s.caches[region], &s.authority.regions[region]);
        let noticed = (cache.run, cache.mark) != (row.run, row.life);
        let place = (s.authority.history, row.epoch);
        let held = cache
            .entry
            .is_some_and(|e| (e.history, e.epoch) == place && e.record.version == s.authority.version);
        held || noticed || s.ghost.evicted
    }

    /// `revocation_finish`: receipts are complete whose change everybody has passed.
    pub fn finish(&self, s: &mut State) -> Option<()> {
        let mut finished = false;
        for ending in 0..ENDINGS {
            let seq = s.authority.receipts[ending];
            if seq == 0 || !self.is_finished(s, seq) {
                continue;
            }
            finished = true;
            s.authority.receipts[ending] = 0;
            s.ghost.ended[ending] = true;
            if ending < KEYS && s.authority.turn(ending, KeyEvent::Withdrawn) {
                self.audit(s);
            }
        }
        let oldest = s.authority.receipts.into_iter().filter(|seq| *seq > 0).min();
        s.ghost.waiting =
            s.ghost.waiting.filter(|(seq, _)| oldest == Some(*seq)).or(oldest.map(|seq| (seq, 0)));
        finished.then_some(())
    }

    /// Nobody can serve what was true before this change any more.
    pub fn is_finished(&self, s: &State, seq: u8) -> bool {
        let lacks = |twin| self.scenario.lacks(twin);
        if lacks(Twin::DeleteThenReturn) {
            return s.caches.iter().take(self.scenario.regions).all(|cache| cache.entry.is_none());
        }
        if lacks(Twin::TombstonesInRedis) {
            let told = |e: Entry| e.record.version >= s.authority.version;
            return s.caches.iter().take(self.scenario.regions).all(|cache| cache.entry.is_some_and(told));
        }
        let settled = s.authority.is_settled() || lacks(Twin::ReturnUnsettled);
        let mut rows = s.authority.rows.iter().filter(|row| row.registered);
        settled && rows.all(|row| rules::has_passed(row.applied.into(), seq.into(), row.believed > 0))
    }

    /// `tend_regions`, for one region.
    pub fn tend(&self, s: &mut State, region: usize) -> Option<()> {
        use RegionState as R;
        let a = &s.authority;
        let leased = self.homes(region).any(|i| a.rows[i].registered && a.rows[i].believed > 0);
        let elsewhere = a.required().any(|other| other != region && a.acknowledged(other, false));
        let holds_up = a.pending().is_some() && a.age >= QUARANTINE && elsewhere;
        let acknowledged = a.acknowledged(region, false);
        let caught_up = acknowledged || a.age < LAG || self.scenario.lacks(Twin::RequiredBehind);
        let last = a.required().all(|other| other == region) && !self.scenario.lacks(Twin::LastIsQuarantined);
        let next = match a.regions[region].state? {
            R::Required if !last && (!leased || (holds_up && !acknowledged)) => R::Quarantined,
            R::Rejoining if !leased => R::Quarantined,
            R::Quarantined if leased => R::Rejoining,
            R::Rejoining | R::Joining if leased && caught_up => R::Required,
            _ => return None,
        };
        if next == R::Required && a.age >= LAG && !Self::holds(s, region) {
            s.ghost.fault = Some(Fault::RequiredButBehind);
        }
        s.authority.regions[region].state = Some(next);
        Some(())
    }

    /// `change_prune`: below everybody's low water, and never the newest.
    pub fn prune(&self, s: &mut State) -> Option<()> {
        let a = &mut s.authority;
        let unheard = self.scenario.lacks(Twin::PrunedUnheard);
        let low = a.rows.iter().filter(|row| row.registered).map(|row| row.low_water).min();
        let kept = a.head.saturating_sub(self.scenario.floor_limit);
        let upto = if unheard { a.head } else { low.unwrap_or(kept).min(kept) };
        (upto > a.pruned).then(|| a.pruned = upto)
    }

    /// The time comes that the keys' expiry was brought forward to.
    pub fn time_comes(s: &mut State) -> Option<()> {
        if !s.authority.ends || s.ghost.late {
            return None;
        }
        s.ghost.late = true;
        for key in 0..KEYS {
            // Computed from the clock, not written: no change, and no audit event.
            let expired = s.authority.keys[key].and_then(|status| status.after(KeyEvent::Expire));
            s.authority.keys[key] = expired.or(s.authority.keys[key]);
        }
        Some(())
    }
}

fn ending(write: Write) -> Option<usize> {
    match write {
        Write::Revoke(key) | Write::Deactivate(key) => Some(key),
        Write::CutRole => Some(ROLE),
        Write::Shorten => Some(EXPIRY),
        _ => None,
    }
}

fn change_key(a: &mut Authority, write: Write) -> Option<()> {
    let (key, event) = match write {
        Write::Create(key) => {
            // One at a time, unless it is to take the other's place.
            let free = key == 0 || a.keys[0] == Some(KeyStatus::Valid);
            (a.keys[key].is_none() && free).then_some(())?;
            a.keys[key] = Some(KeyStatus::Pending);
            a.changes += 1;
            a.append();
            return Some(());
        }
        Write::Revoke(key) => (key, KeyEvent::Revoke),
        Write::Deactivate(key) => (key, KeyEvent::Deactivate),
        Write::Activate(key) => (key, KeyEvent::Activate),
        _ => return None,
    };
    a.turn(key, event).then_some(())?;
    a.append();
    Some(())
}

fn cut(a: &mut Authority, write: Write) -> Option<()> {
    let part = if write == Write::CutRole { &mut a.role } else { &mut a.ends };
    let cut = write != Write::CutRole;
    (*part != cut).then_some(())?;
    *part = cut;
    a.changes += 1;
    a.append();
    Some(())
}

fn move_region(a: &mut Authority, region: usize, write: Write) -> Option<()> {
    use RegionState as R;
    let others = a.required().any(|other| other != region);
    let next = match (write, a.regions[region].state?) {
        (Write::Drain(_), R::Draining) => return None,
        (Write::Drain(_), _) => others.then_some(R::Draining)?,
        (Write::Rejoin(_), R::Draining) => R::Rejoining,
        _ => return None,
    };
    a.regions[region].state = Some(next);
    Some(())
}
