//! What may be served: the rules of DESIGN §3.4, on a line of the log.

use super::log::{Event, From};
use super::replayer::{Broken, Replayer};

impl<'a> Replayer<'a> {
    pub(super) fn served(&mut self, at_ms: i64, event: &'a Event) -> Result<(), Broken> {
        let Event::Served { instance, credential, version, read_seq, epoch, from, .. } = event else {
            return Ok(());
        };
        let Event::Served { armed, asked_ms, judged_ms, .. } = event else { return Ok(()) };
        let process = self.processes.get_mut(instance.as_str()).ok_or(Broken::Unregistered)?;
        // What was judged before it stopped may be written after.
        if process.ended_ms.is_some_and(|ended| ended < *judged_ms) {
            return Err(Broken::Unregistered);
        }
        if !process.may_judge(*judged_ms) {
            return Err(Broken::ServedWithoutLease);
        }
        if *from == From::Redis && !process.opens(*epoch, *asked_ms) {
            return Err(Broken::ServedFromElsewhere);
        }
        if *armed {
            return Err(Broken::ServedArmed);
        }
        // What is known of another era is about other changes.
        if process.era == self.era {
            let returned = self.returned.before(*asked_ms);
            let ended = returned.and_then(|seq| self.changes.newest(credential, seq));
            if ended.is_some_and(|ended| *version < ended) {
                return Err(Broken::ServedEnded);
            }
            let known = process.known(credential, *asked_ms, &self.changes);
            if *from != From::Postgres && !known.admits(*version, *read_seq) {
                return Err(Broken::ServedBelowFloor);
            }
        }
        if process.served_before(credential, *asked_ms).is_some_and(|before| *version < before) {
            return Err(Broken::ServedOlder);
        }
        process.note_served(at_ms, credential, *version);
        Ok(())
    }
}
