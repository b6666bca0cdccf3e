//! The status lists of an instance: made when somebody asks, of what the authority says then, and kept for as long as an
//! answer of the authority may be acted on (five seconds, and never beyond the lease).
//!
//! Anybody may ask, so what a crowd costs the authority is bounded, whatever it asks for: a list is made once for all who wait
//! for it, few at once, by one question whose answer is of bounded size; and which lists there are is read a few times a second at
//! most. While the authority is slow the list of before is shown for a minute, under a lease as every answer.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Verifier;
use crate::clock::BootInstant;
use crate::directory::knowledge::Life;
use crate::directory::{Outage, Served};
use crate::domain::algorithm::Algorithm;
use crate::token::status_list::NoList;

mod making;
mod names;

use making::Making;
use names::Names;

/// The most lists that are kept; 16 KiB each at most.
const KEPT: u64 = 256;
/// The longest wait for others who ask the authority.
const WAIT: Duration = Duration::from_secs(3);
/// How long whoever could be shown the list of before waits for a new one.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long after it was read a list may be shown while a new one is made. Half of the time in which verifiers may believe it.
const SHOWN: Duration = Duration::from_mins(1);

/// What was made of late, shared by all workers.
pub struct StatusLists {
    names: Names,
    made: Cache<i64, Arc<Kept>>,
    making: Making,
    /// For whoever asks the authority.
    permits: Semaphore,
    algorithm: Algorithm,
}

/// A list that was made.
struct Kept {
    list: Arc<Served<String>>,
    /// When the authority was asked, and in which life: another one may be of another history.
    asked: BootInstant,
    life: Option<Life>,
}

impl StatusLists {
    /// None yet; they will be signed with this, and the authority asked by so many at once.
    #[must_use]
    pub fn new(algorithm: Algorithm, at_once: usize) -> Self {
        Self {
            names: Names::default(),
            made: Cache::new(KEPT),
            making: Making::default(),
            permits: Semaphore::new(at_once),
            algorithm,
        }
    }

    /// A place among those who ask at once.
    async fn permit(&self) -> Result<SemaphorePermit<'_>, Outage> {
        match tokio::time::timeout(WAIT, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| Outage::Stopping),
            Err(_) => Err(Outage::Crowded),
        }
    }
}

/// Why nobody is shown a list.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StatusError {
    /// The authority is needed and does not answer.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// Our own mistake.
    #[error(transparent)]
    Broken(#[from] Arc<NoList>),
    /// Our own mistake, too.
    #[error("no key signs status lists")]
    NoKey,
}

impl Verifier {
    /// The names of all lists.
    ///
    /// # Errors
    /// [`StatusError`].
    pub async fn status_lists(&self) -> Result<Arc<[i64]>, StatusError> {
        self.directory.may_answer().await?;
        Ok(self.names(None).await?)
    }

    /// A list, signed; nothing when there is no such list.
    ///
    /// # Errors
    /// [`StatusError`].
    pub async fn status_list(&self, list: i64) -> Result<Option<Arc<Served<String>>>, StatusError> {
        self.directory.may_answer().await?;
        let kept = self.status_lists.made.get(&list);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.list.is_fresh(self.directory.clock())) {
            return Ok(Some(Arc::clone(&kept.list)));
        }
        let Some(before) = kept.filter(|kept| self.may_show(kept)) else {
            if self.names(Some(list)).await?.binary_search(&list).is_err() {
                return Ok(None);
            }
            return self.another(list).await;
        };
        let another = self.another(list);
        tokio::pin!(another);
        if let Ok(made) = tokio::time::timeout(PATIENCE, &mut another).await {
            return made;
        }
        self.directory.may_answer().await?;
        if self.may_show(&before) { Ok(Some(Arc::clone(&before.list))) } else { another.await }
    }

    /// Whether a list that is not fresh may be shown while another one is made.
    fn may_show(&self, kept: &Kept) -> bool {
        let age = self.directory.clock().boot().since(kept.asked);
        age < SHOWN && kept.life.is_some() && kept.life == self.directory.life()
    }
}
