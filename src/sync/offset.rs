//! The system's own clock, compared with the authority's.
//!
//! Nothing of ours depends on it: everything that has a date follows the authority. But logs do, and the certificates of
//! connections; so an operator is told when it is wrong.

use jiff::{SignedDuration, Timestamp};

use crate::clock::{BootInstant, system};

/// How far it may be off before it is said. Clocks that are kept by anybody are closer by far.
const TOLERATED: SignedDuration = SignedDuration::from_secs(5);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Offset {
    said: Option<SignedDuration>,
}

impl Offset {
    /// Notes what the authority said the time is, in an answer to a question. The error is half of what passed between.
    pub fn note(&mut self, authority: Timestamp, asked: BootInstant, answered: BootInstant) {
        let passed = SignedDuration::try_from(answered.since(asked)).unwrap_or_default();
        let offset = system().duration_since(authority) - passed / 2;
        metrics::gauge!("carnet_clock_offset_seconds").set(offset.as_secs_f64());
        if let Some(news) = self.news(offset) {
            let seconds = offset.as_secs_f64();
            if news {
                tracing::warn!(seconds, "the clock of this machine is not the authority's: set it right");
            } else {
                tracing::info!(seconds, "the clock of this machine is the authority's again");
            }
        }
    }

    /// Whether something is to be said, and whether that is bad.
    fn news(&mut self, offset: SignedDuration) -> Option<bool> {
        let wrong = offset.abs() > TOLERATED;
        let is_new = match self.said {
            Some(said) => !wrong || (offset - said).abs() > TOLERATED,
            None => wrong,
        };
        if is_new {
            self.said = wrong.then_some(offset);
        }
        is_new.then_some(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_again_when_it_changes() {
        let mut offset = Offset::default();
        let said: Vec<_> = [0, 4, 6, 7, 10, 12, -600, -601, 4, 0]
            .into_iter()
            .map(|seconds| offset.news(SignedDuration::from_secs(seconds)))
            .collect();
        let (bad, good) = (Some(true), Some(false));
        assert_eq!(said, [None, None, bad, None, None, bad, bad, None, good, None]);
    }
}
