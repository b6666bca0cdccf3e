//! What may be served: the rules of DESIGN §3.4, on a line of the log.

use super::log::{Event, From};
use super::replayer::{Broken, Replayer};
use crate::rules;

impl Replayer<'_> {
    pub(super) fn served(&mut self, at_ms: i64, event: &Event) -> Result<(), Broken> {
        let Event::Served { instance, credential, version, read_seq, epoch, from, .. } = event else {
            return Ok(());
        };
        let Event::Served { armed, asked_ms, judged_ms, .. } = event else { return Ok(()) };
        let ended = self.returned.get(credential.as_str()).into_iter().flatten();
        let ended = ended.filter(|(at, _)| at < asked_ms).map(|(_, version)| *version).max();

        let process = self.process(instance)?;
        if process.until_ms <= *judged_ms {
            return Err(Broken::ServedWithoutLease);
        }
        if *from == From::Redis && !rules::opens((0, *epoch), (0, process.epoch)) {
            return Err(Broken::ServedFromElsewhere);
        }
        if *armed {
            return Err(Broken::ServedArmed);
        }
        if ended.is_some_and(|ended| *version < ended) {
            return Err(Broken::ServedEnded);
        }
        if *from != From::Postgres && !process.known(credential, *asked_ms).admits(*version, *read_seq) {
            return Err(Broken::ServedBelowFloor);
        }
        if process.served_before(credential, *asked_ms).is_some_and(|before| *version < before) {
            return Err(Broken::ServedOlder);
        }
        process.note_served(at_ms, credential, *version);
        Ok(())
    }
}
