//! An instance's life and its feed: floor, lease, poll.

use crate::protocol::Protocol;
use crate::rules;
use crate::state::{Authority, Heard, Instance, Life, Poll, Renewal, Row, State};
use crate::twin::Twin;

/// The first number of an epoch in the next history is this much higher.
pub const EPOCHS: u8 = 8;

impl Instance {
    /// Whether it does anything at all.
    pub fn runs(&self) -> bool {
        self.life == Life::Running && !self.suspended
    }

    /// Notes a version of the credential that must not be gone back behind.
    pub fn raise(&mut self, version: u8, seq: u8) {
        let (known, at) = self.newest.unwrap_or((0, 0));
        self.newest = Some((known.max(version), at.max(seq)));
    }

    /// Stops serving and begins anew; what was remembered belonged to another history, or may have
    /// changed unseen.
    fn start_over(&mut self) {
        let kept = Self { flight: self.flight, warm: self.warm, look: self.look, ..Self::default() };
        *self = Self { stray: self.stray, history: self.history, seen: self.seen, ..kept };
    }

    /// Forgets the oldest changes when there are too many.
    pub fn bound_floor(&mut self, limit: u8) {
        self.low_water = self.low_water.max(self.applied.saturating_sub(limit));
        let low_water = self.low_water;
        self.newest = self.newest.filter(|(_, seq)| *seq > low_water);
    }
}

impl Authority {
    /// What a poll's snapshot tells who has applied everything up to `applied`.
    fn heard(&self, applied: u8, region: usize) -> Heard {
        let told = self.last > applied && self.last > self.pruned;
        Heard {
            history: self.history,
            epoch: self.regions[region].epoch,
            head: self.head,
            change: told.then_some((self.version, self.last)),
        }
    }
}

impl Protocol {
    /// Loads the floor; writes down that the history is another one, if it is.
    pub fn load(&self, s: &mut State, i: usize) -> Option<()> {
        (s.instances[i].life == Life::Down && !s.instances[i].suspended).then_some(())?;
        self.note_history(&mut s.authority);
        let (a, me) = (&s.authority, &mut s.instances[i]);
        let seen = if me.history == a.history { me.seen } else { 0 };
        let low_water = a.pruned.max(a.head.saturating_sub(self.scenario.floor_limit));
        me.life = Life::Loaded;
        (me.history, me.applied, me.low_water, me.seen) = (a.history, a.head, low_water, seen);
        me.newest = (a.last > low_water).then_some((a.version, a.last));
        if !self.scenario.lacks(Twin::SameIdAgain) {
            me.stray = None;
        }
        Some(())
    }

    /// Of another history all epochs are new, so that nothing acknowledged before counts; and no
    /// revoke is proven before all leases of the old one are over.
    fn note_history(&self, a: &mut Authority) {
        if a.noted {
            return;
        }
        (a.noted, a.unsettled) = (true, self.scenario.believed());
        if !self.scenario.lacks(Twin::HistoryKeepsEpochs) {
            // Numbers that no epoch ever had.
            a.regions.iter_mut().for_each(|row| row.epoch = a.history * EPOCHS + 1);
        }
    }

    /// Registers with a lapsed lease: until it renews it, it is nobody's concern.
    pub fn register(&self, s: &mut State, i: usize) -> Option<()> {
        let me = &mut s.instances[i];
        (me.life == Life::Loaded && !me.suspended).then_some(())?;
        me.life = Life::Running;
        s.authority.rows[i] =
            Row { registered: true, applied: me.applied, low_water: me.low_water, believed: 0 };
        Self::register_region(s, self.scenario.homes[i]);
        Some(())
    }

    /// Asks, when there is anything to hear, to say or to renew. The lease counts from here.
    pub fn ask(&self, s: &mut State, i: usize) -> Option<()> {
        let (a, me) = (&s.authority, &s.instances[i]);
        let row = a.rows[i];
        let due = me.lease < self.scenario.lease || row.believed < self.scenario.believed();
        let epoch = a.regions[self.scenario.homes[i]].epoch;
        let news = me.applied != a.head || row.applied != me.applied || me.epoch != epoch;
        let asks = me.runs() && me.poll == Poll::Idle && (due || news || me.history != a.history);
        asks.then_some(())?;
        s.instances[i].poll = Poll::Asked { left: self.scenario.lease };
        if self.scenario.strays { Some(()) } else { self.renew(s, i) }
    }

    /// The lease is committed. (A question that is merely slow only makes the instance's own lease
    /// shorter; without stray renewals the two are one step.)
    pub fn renew(&self, s: &mut State, i: usize) -> Option<()> {
        let applied = s.instances[i].applied;
        s.instances[i].poll = match s.instances[i].poll {
            Poll::Asked { left } if self.scenario.lacks(Twin::SnapshotBeforeLease) => {
                Poll::Early { left, heard: s.authority.heard(applied, self.scenario.homes[i]) }
            }
            Poll::Asked { left } => Poll::Leased { left, renewal: self.commit_lease(s, i, applied) },
            _ => return None,
        };
        Some(())
    }

    fn commit_lease(&self, s: &mut State, i: usize, applied: u8) -> Renewal {
        let (a, low_water) = (&mut s.authority, s.instances[i].low_water);
        let row = &mut a.rows[i];
        if !row.registered {
            return Renewal::Unknown;
        }
        // What was said once stays said, whichever renewal comes last.
        (row.applied, row.low_water) = (row.applied.max(applied), row.low_water.max(low_water));
        let extends = rules::extends(applied.into(), a.stale.into());
        if !extends && !self.scenario.lacks(Twin::RenewedWithoutCondition) {
            return Renewal::Stale;
        }
        row.believed = self.scenario.believed();
        Renewal::Extended
    }

    /// The snapshot from which changes are read.
    pub fn snapshot(&self, s: &mut State, i: usize) -> Option<()> {
        let applied = s.instances[i].applied;
        s.instances[i].poll = match s.instances[i].poll {
            Poll::Leased { left, renewal } => {
                let heard = s.authority.heard(applied, self.scenario.homes[i]);
                Poll::Answered { left, renewal, heard }
            }
            Poll::Early { left, heard } => {
                Poll::Answered { left, renewal: self.commit_lease(s, i, applied), heard }
            }
            _ => return None,
        };
        Some(())
    }

    /// The answer arrives.
    pub fn hear(&self, s: &mut State, i: usize) -> Option<()> {
        let me = &mut s.instances[i];
        let Poll::Answered { left, renewal, heard } = me.poll else { return None };
        (!me.suspended).then_some(())?;
        me.poll = Poll::Idle;
        let unheeding = self.scenario.lacks(Twin::HistoryUnheeded);
        let another = heard.history != me.history || heard.head < me.applied;
        if renewal == Renewal::Unknown || (another && !unheeding) {
            me.start_over();
            return Some(());
        }
        if let Some((version, seq)) = heard.change {
            me.raise(version, seq);
        }
        me.applied = me.applied.max(heard.head);
        if heard.history == me.history {
            me.epoch = heard.epoch;
        }
        me.bound_floor(self.scenario.floor_limit);
        if renewal == Renewal::Extended {
            let left = if self.scenario.lacks(Twin::LeaseFromAnswer) { self.scenario.lease } else { left };
            me.lease = me.lease.max(left);
        }
        Some(())
    }

    /// Question or answer is lost, and with it the connection.
    pub fn lose_poll(s: &mut State, i: usize) -> Option<()> {
        let me = &mut s.instances[i];
        if me.poll == Poll::Idle {
            return None;
        }
        if matches!(me.poll, Poll::Asked { .. }) {
            me.stray = Some(me.applied);
        }
        me.poll = Poll::Idle;
        Some(())
    }

    /// A renewal is executed whose connection was given up.
    pub fn stray_lands(&self, s: &mut State, i: usize) -> Option<()> {
        let applied = s.instances[i].stray.take()?;
        self.commit_lease(s, i, applied);
        Some(())
    }

    /// The former primary gives a lease, which replication would not let it commit.
    pub fn poll_former(&self, s: &mut State, i: usize) -> Option<()> {
        let former = s.former.filter(|_| self.scenario.lacks(Twin::FormerGivesLeases))?;
        let me = &mut s.instances[i];
        (me.runs() && me.history == former.history && me.poll == Poll::Idle).then_some(())?;
        me.lease = self.scenario.lease;
        Some(())
    }
}
