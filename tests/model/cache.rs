//! Redis: compare-and-set, and everything that can go wrong with it.

use crate::protocol::Protocol;
use crate::state::{Cache, Entry, State};
use crate::twin::Twin;

impl Protocol {
    /// `compare_and_set.lua`: not over a newer reading of the same place, nor over one of a later epoch.
    pub fn fill(&self, s: &mut State, region: usize, entry: Entry) {
        let cache = &mut s.caches[region];
        let earlier = !self.scenario.lacks(Twin::FillOfEarlierEpoch);
        let keeps = |held: Entry| {
            let same = (held.history, held.epoch) == (entry.history, entry.epoch);
            let newer = held.record.version > entry.record.version
                || held.record.version == entry.record.version && !held.is_armed() && entry.is_armed();
            (same && newer) || (earlier && held.epoch > entry.epoch)
        };
        if self.scenario.lacks(Twin::FillWithoutCompare) || !cache.entry.is_some_and(keeps) {
            cache.entry = Some(entry);
        }
    }

    /// A fill arrives, however late.
    pub fn fill_lands(&self, s: &mut State, region: usize) -> Option<()> {
        let entry = s.caches[region].fill.take()?;
        self.fill(s, region, entry);
        Some(())
    }

    /// It never arrives.
    pub fn fill_lost(s: &mut State, region: usize) -> Option<()> {
        s.caches[region].fill.take().map(drop)
    }

    /// `FLUSHALL`: the same process, without its entries and its mark.
    pub fn flush(s: &mut State, region: usize) -> Option<()> {
        s.budget.flushes = s.budget.flushes.checked_sub(1)?;
        let cache = &mut s.caches[region];
        *cache = Cache { run: cache.run, fill: cache.fill, ..Cache::default() };
        Some(())
    }

    /// The replica catches up.
    pub fn replicate(s: &mut State, region: usize) -> Option<()> {
        let (cache, may) = (&mut s.caches[region], s.budget.cache_failovers > 0);
        (may && cache.replica != (cache.entry, cache.mark)).then(|| cache.replica = (cache.entry, cache.mark))
    }

    /// The replica takes over, with what it has.
    pub fn cache_failover(s: &mut State, region: usize) -> Option<()> {
        s.budget.cache_failovers = s.budget.cache_failovers.checked_sub(1)?;
        let cache = &mut s.caches[region];
        (cache.entry, cache.mark) = cache.replica;
        cache.run += 1;
        Some(())
    }

    /// One entry is gone, and nothing tells.
    pub fn evict(s: &mut State, region: usize) -> Option<()> {
        s.caches[region].entry?;
        s.budget.evictions = s.budget.evictions.checked_sub(1)?;
        s.caches[region].entry = None;
        s.ghost.evicted = true;
        Some(())
    }

    /// A revoke that trusts Redis deletes there.
    pub fn delete(&self, s: &mut State, region: usize) -> Option<()> {
        let naive =
            self.scenario.lacks(Twin::DeleteThenReturn) && s.authority.receipts.iter().any(|r| *r > 0);
        (naive && s.caches[region].entry.is_some()).then(|| s.caches[region].entry = None)
    }
}
