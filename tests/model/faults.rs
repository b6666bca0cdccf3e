//! What befalls machines and databases, within a budget.

use crate::protocol::Protocol;
use crate::scenario::Write;
use crate::state::{Authority, ENDINGS, Fault, KEYS, ROLE, Row, State};
use crate::step::Step;
use crate::twin::Twin;

impl Protocol {
    /// The faults that may happen now, and what only some twins do.
    pub fn faults(&self, s: &State, steps: &mut Vec<Step>) {
        let b = &s.budget;
        for i in 0..self.scenario.instances() {
            let me = &s.instances[i];
            let some = [
                (b.crashes > 0, Step::Crash(i)),
                (b.suspends > 0, Step::Suspend(i)),
                (me.suspended, Step::Resume(i)),
                (b.lost_writes > 0, Step::WarmWriteLost(i)),
                (me.stray.is_some(), Step::StrayLands(i)),
                (s.former.is_some(), Step::ReadFormer(i)),
                (s.former.is_some(), Step::PollFormer(i)),
                (self.scenario.faults.prunes > 0, Step::Forget(i)),
            ];
            steps.extend(some.into_iter().filter(|(may, _)| *may).map(|(_, step)| step));
        }
        for region in 0..self.scenario.regions {
            let some = [
                (b.flushes > 0, Step::Flush(region)),
                (b.cache_failovers > 0, Step::Replicate(region)),
                (b.cache_failovers > 0, Step::CacheFailover(region)),
                (b.evictions > 0, Step::Evict(region)),
                (self.scenario.lacks(Twin::DeleteThenReturn), Step::Delete(region)),
            ];
            steps.extend(some.into_iter().filter(|(may, _)| *may).map(|(_, step)| step));
        }
        let some = [
            (b.promotions > 0, Step::Promote),
            (b.restores > 0 || self.scenario.lacks(Twin::AsynchronousStandby), Step::Backup),
            (b.restores > 0, Step::Restore),
            (b.prunes > 0, Step::Prune),
            (b.others > 0, Step::Other),
            (self.scenario.lacks(Twin::UnorderedSequence), Step::Draw),
            (self.scenario.lacks(Twin::AuditAfterwards), Step::Audit),
        ];
        steps.extend(some.into_iter().filter(|(may, _)| *may).map(|(_, step)| step));
    }

    /// Another credential changes: a place in the feed is taken.
    pub fn other(s: &mut State) -> Option<()> {
        s.budget.others = s.budget.others.checked_sub(1)?;
        s.authority.head = s.authority.head.max(s.authority.drawn) + 1;
        Some(())
    }

    /// A number is drawn for a change that is committed later.
    pub fn draw(&self, s: &mut State) -> Option<()> {
        let revokes = self.scenario.writes.iter().any(|w| matches!(w, Write::Revoke(_)));
        (revokes && s.authority.drawn == 0).then(|| s.authority.drawn = s.authority.head + 1)
    }

    /// The audit events that were left for later.
    pub fn audit_late(s: &mut State) -> Option<()> {
        let a = &mut s.authority;
        (a.audited != a.changes).then(|| a.audited = a.changes)
    }

    /// `instance_delete_gone`.
    pub fn forget(s: &mut State, i: usize) -> Option<()> {
        let row = &mut s.authority.rows[i];
        (row.registered && row.believed == 0).then(|| *row = Row::default())
    }

    pub fn suspend(s: &mut State, i: usize) -> Option<()> {
        (!s.instances[i].suspended).then_some(())?;
        s.budget.suspends = s.budget.suspends.checked_sub(1)?;
        s.instances[i].suspended = true;
        Some(())
    }

    pub fn resume(s: &mut State, i: usize) -> Option<()> {
        std::mem::take(&mut s.instances[i].suspended).then_some(())
    }

    /// The standby becomes the primary. Whatever was acknowledged, it has. The old one goes on
    /// answering reads, and cannot commit.
    pub fn promote(&self, s: &mut State) -> Option<()> {
        s.budget.promotions = s.budget.promotions.checked_sub(1)?;
        if self.scenario.lacks(Twin::AsynchronousStandby) {
            let before = s.authority.changes;
            s.budget.restores = 1;
            Self::restore(s)?;
            if s.authority.changes < before {
                s.ghost.fault = Some(Fault::AcknowledgedAndLost);
            }
            return Some(());
        }
        s.former = Some(s.authority.reading(0));
        s.authority.history += 1;
        s.authority.noted = false;
        s.ghost.waiting = None;
        Some(())
    }

    pub fn back_up(s: &mut State) -> Option<()> {
        s.backup.is_none().then(|| s.backup = Some(s.authority))
    }

    /// An operator restores what was backed up, under running instances. Later changes are undone;
    /// leases that were given since are not known to it.
    pub fn restore(s: &mut State) -> Option<()> {
        let backup = s.backup?;
        s.budget.restores = s.budget.restores.checked_sub(1)?;
        let rows = backup.rows.map(|row| Row { believed: 0, ..row });
        s.authority = Authority { history: s.authority.history + 1, noted: false, rows, ..backup };
        s.former = None;
        (s.ghost.waiting, s.ghost.seen_valid) = (None, [false; KEYS]);
        for ending in 0..ENDINGS {
            // What was ended since lives again; that is what the operator asked for.
            let undone = match ending {
                ROLE => backup.role,
                key if key < KEYS => backup.receipts[key] > 0 || backup.record().keys[key].is_some(),
                _ => !backup.ends,
            };
            s.ghost.ended[ending] &= !undone;
        }
        Some(())
    }
}
