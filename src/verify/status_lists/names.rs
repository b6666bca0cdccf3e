//! Which lists there are. They are read again when they are old, and when somebody asks for one that may be newer than they
//! are; but not sooner than they were just read, whoever asks for whatever.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

use super::{Verifier, WAIT};
use crate::clock::{BootInstant, Clock};
use crate::directory::{Outage, Served};

/// The shortest time between two readings.
const REST: Duration = Duration::from_millis(200);
/// A list that is not among those that were read is looked for again when its name says that it may be so new, microseconds:
/// the longest that a transaction takes, and what clocks differ by.
const NEW_MICROSECONDS: i64 = 15_000_000;

/// As they were read last.
#[derive(Default)]
pub(super) struct Names {
    read: RwLock<Option<Served<Arc<[i64]>>>>,
    /// Held by who reads them.
    last: Mutex<Option<Reading>>,
}

/// One that has begun.
struct Reading {
    began: BootInstant,
    /// Nothing when who began it has gone away.
    outcome: Option<Result<Arc<[i64]>, Outage>>,
}

impl Names {
    /// Those that were read, if they say enough about this one.
    fn known(&self, wanted: Option<i64>, clock: &Clock) -> Option<Arc<[i64]>> {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        let read = read.as_ref().filter(|read| read.is_fresh(clock))?;
        let newest = read.now.as_microsecond() - NEW_MICROSECONDS;
        let may_be_new = |list: i64| list > newest && read.value.binary_search(&list).is_err();
        (!wanted.is_some_and(may_be_new)).then(|| Arc::clone(&read.value))
    }
}

impl Verifier {
    /// All names, or at least whether this one is among them. Who has to ask for them shares one reading that began after all
    /// of them had come: it knows every list that any of them can have heard of.
    pub(super) async fn names(&self, wanted: Option<i64>) -> Result<Arc<[i64]>, Outage> {
        let (names, clock) = (&self.status_lists.names, self.directory.clock());
        if let Some(known) = names.known(wanted, clock) {
            return Ok(known);
        }
        let came = clock.boot();
        let last = tokio::time::timeout(WAIT, names.last.lock()).await;
        let mut last = last.map_err(|_| Outage::Crowded)?;
        if let Some(Reading { began, outcome }) = last.as_ref() {
            if let Some(outcome) = outcome.as_ref().filter(|_| *began >= came) {
                return outcome.clone();
            }
            tokio::time::sleep(REST.saturating_sub(clock.boot().since(*began))).await;
        }
        // Noted first: who goes away in the middle has asked all the same.
        let reading = last.insert(Reading { began: clock.boot(), outcome: None });
        let outcome = self.read_names().await;
        reading.outcome = Some(outcome.clone());
        outcome
    }

    async fn read_names(&self) -> Result<Arc<[i64]>, Outage> {
        let _permit = self.status_lists.permit().await?;
        let read = self.directory.read(async |store| store.status_lists().await).await?;
        let read = read.map(Arc::from);
        let names = Arc::clone(&read.value);
        *self.status_lists.names.read.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(names)
    }
}
