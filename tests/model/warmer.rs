//! The warmer of an instance, and its look at Redis.

use crate::instance::EPOCHS;
use crate::protocol::Protocol;
use crate::rules;
use crate::scenario::Warms;
use crate::state::{Entry, Look, RegionRow, State, Warm};
use crate::twin::Twin;

/// Two that look at the same moment each find the other's mark and may outdo each other again and
/// again. Between processes their different pace ends that; here this number of epochs does.
const MOST_EPOCHS: u8 = 4;

impl Protocol {
    /// Reads what its region has not acknowledged, or does not hold any more.
    pub fn warm_read(&self, s: &mut State, i: usize) -> Option<()> {
        let (me, region) = (&s.instances[i], self.scenario.homes[i]);
        let busy = |other: usize| s.instances[other].warm != Warm::Idle;
        let free = me.warm == Warm::Idle && (self.scenario.many_warmers || !self.homes(region).any(busy));
        let place = me.epoch > 0 && me.history == s.authority.history;
        (me.runs() && free && place && self.lacks_present(s, region)).then_some(())?;
        let reading = s.authority.reading(me.epoch);
        s.instances[i].warm = Warm::Read(reading);
        Some(())
    }

    fn lacks_present(&self, s: &State, region: usize) -> bool {
        let (a, row) = (&s.authority, &s.authority.regions[region]);
        let acknowledged = row.acknowledged == Some((a.version, row.epoch));
        let fresh = s.caches[region].entry.is_some_and(|e| e.record == a.record());
        match self.scenario.warms {
            Warms::Nothing => false,
            Warms::Pending => a.record().is_armed() && (!acknowledged || !fresh),
            Warms::Everything => !acknowledged || !fresh,
        }
    }

    /// Writes it; or the write is lost, and nobody is told.
    pub fn warm_write(&self, s: &mut State, i: usize, lost: bool) -> Option<()> {
        let me = &s.instances[i];
        let Warm::Read(entry) = me.warm else { return None };
        me.runs().then_some(())?;
        if lost {
            s.budget.lost_writes = s.budget.lost_writes.checked_sub(1)?;
        } else {
            self.fill(s, self.scenario.homes[i], entry);
        }
        s.instances[i].warm = Warm::Written(entry);
        Some(())
    }

    /// Reads it back, through the decoding that serves.
    pub fn warm_read_back(&self, s: &mut State, i: usize) -> Option<()> {
        let me = &s.instances[i];
        let Warm::Written(written) = me.warm else { return None };
        me.runs().then_some(())?;
        let place = (written.history.into(), written.epoch.into());
        let proof = |found: &Entry| {
            rules::opens((found.history.into(), found.epoch.into()), place)
                && found.record.version >= written.record.version
                && self.admits(me, *found)
        };
        let unread = self.scenario.lacks(Twin::AcknowledgedUnread).then_some(written);
        let found = s.caches[self.scenario.homes[i]].entry.filter(proof).or(unread);
        s.instances[i].warm = match found {
            Some(found) => Warm::ReadBack { version: found.record.version, epoch: written.epoch },
            None => Warm::Idle,
        };
        Some(())
    }

    /// Acknowledges; never back to an earlier epoch or version.
    pub fn acknowledge(&self, s: &mut State, i: usize) -> Option<()> {
        let Warm::ReadBack { version, epoch } = s.instances[i].warm else { return None };
        s.instances[i].runs().then_some(())?;
        s.instances[i].warm = Warm::Idle;
        let row = &mut s.authority.regions[self.scenario.homes[i]];
        if row.acknowledged.is_none_or(|(before, of)| (of, before) < (epoch, version)) {
            row.acknowledged = Some((version, epoch));
        }
        Some(())
    }

    /// Finds another life in Redis than the row says: the new mark goes into Redis first, so that
    /// the row names a mark which was there before the epoch began, and is lost with its entries.
    pub fn look(&self, s: &mut State, i: usize) -> Option<()> {
        let (me, region) = (&s.instances[i], self.scenario.homes[i]);
        let (row, cache) = (s.authority.regions[region], s.caches[region]);
        let differs = (row.run, row.life) != (cache.run, cache.mark) && row.state.is_some();
        let bounded = row.epoch % EPOCHS < MOST_EPOCHS;
        (me.runs() && me.look.is_none() && differs && bounded).then_some(())?;
        let number = u8::try_from(i).ok()?;
        let look = Look { known: row.epoch, run: cache.run, mark: row.epoch * 4 + number + 2 };
        if self.scenario.lacks(Twin::MarkAfterEpoch) {
            raise(&mut s.authority.regions[region], look);
        } else {
            s.caches[region].mark = look.mark;
        }
        s.instances[i].look = Some(look);
        Some(())
    }

    /// Raises the epoch, unless somebody else did.
    pub fn raise_epoch(&self, s: &mut State, i: usize) -> Option<()> {
        s.instances[i].runs().then_some(())?;
        let (look, region) = (s.instances[i].look.take()?, self.scenario.homes[i]);
        if self.scenario.lacks(Twin::MarkAfterEpoch) {
            s.caches[region].mark = look.mark;
        } else {
            raise(&mut s.authority.regions[region], look);
        }
        Some(())
    }
}

fn raise(row: &mut RegionRow, look: Look) {
    if row.epoch == look.known {
        (row.epoch, row.run, row.life) = (row.epoch + 1, look.run, look.mark);
    }
}
