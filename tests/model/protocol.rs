//! The model that the checker walks: which steps there are, and what each does.

use stateright::{Model, Property};

use carnet::domain::key::KeyStatus;

use crate::invariants;
use crate::scenario::{QUARANTINE, Scenario, Start};
use crate::state::{
    Authority, Cache, Ghost, INSTANCES, Instance, KEYS, Poll, REGIONS, RegionRow, RegionState, State,
};
use crate::step::Step;
use crate::twin::Twin;

/// The longest that a receipt's age is counted.
const WAITED: u8 = 8;

/// The protocol in one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    pub scenario: Scenario,
}

impl Protocol {
    /// The instances of a region.
    pub fn homes(&self, region: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.scenario.instances()).filter(move |i| self.scenario.homes[*i] == region)
    }

    /// The keys that are valid.
    pub fn valid(s: &State) -> [bool; KEYS] {
        s.authority.keys.map(|status| status == Some(KeyStatus::Valid))
    }

    /// The keys that are valid and that anyone may have seen so. (Of an older history that was restored
    /// nobody has, until it has come to rest.)
    pub fn seen_valid(s: &State) -> [bool; KEYS] {
        let valid = Self::valid(s);
        std::array::from_fn(|key| valid[key] && (s.ghost.seen_valid[key] || s.authority.is_settled()))
    }

    /// A region that is new joins; the very first is required at once.
    pub fn register_region(s: &mut State, region: usize) {
        let first = s.authority.regions.iter().all(|row| row.state.is_none());
        let state = if first { RegionState::Required } else { RegionState::Joining };
        let row = &mut s.authority.regions[region];
        row.state = row.state.or(Some(state));
    }

    /// One step, if it can happen.
    pub fn step(&self, last: &State, step: Step) -> Option<State> {
        let mut next = *last;
        let s = &mut next;
        match step {
            Step::Tick => {
                self.tick(s);
                Some(())
            }
            Step::TimeComes => Self::time_comes(s),
            Step::Write(number) => self.write(s, number),
            Step::Other => Self::other(s),
            Step::Draw => self.draw(s),
            Step::Audit => Self::audit_late(s),
            Step::Flip => self.flip(s),
            Step::Return => self.finish(s),
            Step::Tend(region) => self.tend(s, region),
            Step::Prune => self.prune(s),
            Step::Forget(i) => Self::forget(s, i),
            Step::Load(i) => self.load(s, i),
            Step::Register(i) => self.register(s, i),
            Step::PollAsk(i) => self.ask(s, i),
            Step::PollLease(i) => self.renew(s, i),
            Step::PollSnapshot(i) => self.snapshot(s, i),
            Step::PollAnswer(i) => self.hear(s, i),
            Step::PollLost(i) => Self::lose_poll(s, i),
            Step::StrayLands(i) => self.stray_lands(s, i),
            Step::PollFormer(i) => self.poll_former(s, i),
            Step::Serve(i) => self.serve(s, i),
            Step::Read(i) => self.read(s, i, None),
            Step::ReadFormer(i) => s.former.and_then(|former| self.read(s, i, Some(former))),
            Step::Land(i) => self.land(s, i),
            Step::FlightLost(i) => self.lose_flight(s, i),
            Step::FillLands(region) => self.fill_lands(s, region),
            Step::FillLost(region) => Self::fill_lost(s, region),
            Step::WarmRead(i) => self.warm_read(s, i),
            Step::WarmWrite(i) => self.warm_write(s, i, false),
            Step::WarmWriteLost(i) => self.warm_write(s, i, true),
            Step::WarmReadBack(i) => self.warm_read_back(s, i),
            Step::WarmAcknowledge(i) => self.acknowledge(s, i),
            Step::Look(i) => self.look(s, i),
            Step::RaiseEpoch(i) => self.raise_epoch(s, i),
            Step::Crash(i) => Self::crash(s, i),
            Step::Suspend(i) => Self::suspend(s, i),
            Step::Resume(i) => Self::resume(s, i),
            Step::Flush(region) => Self::flush(s, region),
            Step::Replicate(region) => Self::replicate(s, region),
            Step::CacheFailover(region) => Self::cache_failover(s, region),
            Step::Evict(region) => Self::evict(s, region),
            Step::Delete(region) => self.delete(s, region),
            Step::Promote => self.promote(s),
            Step::Backup => Self::back_up(s),
            Step::Restore => Self::restore(s),
        }?;
        if self.scenario.symmetric {
            self.canonicalise(s);
        }
        (next != *last).then_some(next)
    }

    /// A tick of all clocks: they go at one pace, and are read at different moments.
    fn tick(&self, s: &mut State) {
        let a = &mut s.authority;
        let asleep = self.scenario.lacks(Twin::ClockSleeps);
        a.rows.iter_mut().for_each(|row| row.believed = row.believed.saturating_sub(1));
        for me in &mut s.instances {
            if !(me.suspended && asleep) {
                me.lease = me.lease.saturating_sub(1);
            }
            if let Poll::Asked { left }
            | Poll::Early { left, .. }
            | Poll::Leased { left, .. }
            | Poll::Answered { left, .. } = &mut me.poll
            {
                *left = left.saturating_sub(1);
            }
        }
        a.unsettled = a.unsettled.saturating_sub(1);
        (a.stale, a.age) = (a.head, (a.age + 1).min(QUARANTINE));
        s.ghost.waiting = s.ghost.waiting.map(|(seq, age)| (seq, (age + 1).min(WAITED)));
    }

    /// Puts instances of one region in an order of their own: which of them is in which state makes
    /// no difference to any rule.
    fn canonicalise(&self, s: &mut State) {
        let count = self.scenario.instances();
        for left in 0..count {
            for right in left + 1..count {
                let one_home = self.scenario.homes[left] == self.scenario.homes[right];
                let whole = |i: usize| (s.instances[i], s.authority.rows[i]);
                if one_home && whole(left) > whole(right) {
                    s.instances.swap(left, right);
                    s.authority.rows.swap(left, right);
                    if let Some(backup) = &mut s.backup {
                        backup.rows.swap(left, right);
                    }
                }
            }
        }
    }

    fn new_authority(&self) -> Authority {
        let row = |region: usize| RegionRow {
            state: (region < self.scenario.regions).then_some(RegionState::Required),
            epoch: 1,
            run: 1,
            life: 1,
            acknowledged: None,
        };
        let valid = self.scenario.start == Start::Valid;
        let regions = [row(0), row(1)]
            .map(|row| RegionRow { acknowledged: row.state.filter(|_| valid).map(|_| (1, 1)), ..row });
        Authority {
            history: 0,
            noted: true,
            unsettled: 0,
            head: 1,
            stale: 1,
            pruned: 0,
            drawn: 0,
            version: 1,
            seq: 1,
            last: 1,
            age: QUARANTINE,
            keys: [valid.then_some(KeyStatus::Valid), None],
            role: true,
            ends: false,
            receipts: [0; 4],
            regions,
            rows: [crate::state::Row::default(); INSTANCES],
            changes: 0,
            audited: 0,
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let authority = self.new_authority();
        let valid = self.scenario.start == Start::Valid;
        let entry = valid.then(|| authority.reading(1));
        let cache = |region: usize| Cache {
            entry: entry.filter(|_| region < self.scenario.regions),
            run: 1,
            mark: 1,
            ..Cache::default()
        };
        let mut s = State {
            authority,
            former: None,
            backup: None,
            caches: [cache(0), cache(1)],
            instances: [Instance::default(); INSTANCES],
            budget: self.scenario.faults,
            ghost: Ghost { ever_valid: [valid, false], seen_valid: [valid, false], ..Ghost::default() },
        };
        // They run, each with its first lease; those of regions that join later do not.
        for i in (0..self.scenario.instances()).filter(|i| self.scenario.homes[*i] < self.scenario.regions) {
            for step in [Step::Load(i), Step::Register(i), Step::PollAsk(i), Step::PollLease(i)] {
                s = self.step(&s, step).unwrap_or(s);
            }
            for step in [Step::PollSnapshot(i), Step::PollAnswer(i)] {
                s = self.step(&s, step).unwrap_or(s);
            }
        }
        for step in self.scenario.before {
            s = self.step(&s, *step).expect("what has happened can happen");
        }
        vec![s]
    }

    fn actions(&self, s: &State, steps: &mut Vec<Step>) {
        let writes = (0..self.scenario.writes.len()).filter(|n| s.budget.written & (1 << n) == 0);
        steps.extend(writes.map(Step::Write));
        if !self.scenario.still {
            steps.push(Step::Tick);
        }
        steps.extend([Step::Flip, Step::Return, Step::TimeComes]);
        self.faults(s, steps);
        for i in 0..self.scenario.instances() {
            steps.extend([Step::Load(i), Step::Register(i)]);
            steps.extend([Step::PollAsk(i), Step::PollLease(i), Step::PollSnapshot(i), Step::PollAnswer(i)]);
            steps.extend([
                Step::PollLost(i),
                Step::Serve(i),
                Step::Read(i),
                Step::Land(i),
                Step::FlightLost(i),
            ]);
            steps.extend([Step::WarmRead(i), Step::WarmWrite(i), Step::WarmReadBack(i)]);
            steps.extend([Step::WarmAcknowledge(i), Step::Look(i), Step::RaiseEpoch(i)]);
        }
        for region in 0..REGIONS {
            steps.extend([Step::FillLands(region), Step::FillLost(region)]);
            if self.scenario.tending {
                steps.push(Step::Tend(region));
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        self.step(last, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::all(&self.scenario)
    }
}
