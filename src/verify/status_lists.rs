//! The status lists of an instance: made when somebody asks, of what the authority says then, and kept for as long as an
//! answer of the authority may be acted on (five seconds, and never beyond the lease).
//!
//! One is made at a time, whoever asks: a list costs the authority one question, whose answer is of bounded size, and a crowd
//! that asks for all of them, or for some that there are not, costs it no more than one question after the other.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Mutex;

use super::Verifier;
use crate::directory::{Outage, Served};
use crate::domain::algorithm::Algorithm;
use crate::token::status_list::{self, NoList};

/// The most lists that are kept; 16 KiB each at most.
const KEPT: u64 = 256;
/// The longest wait for the making of others' lists.
const WAIT: Duration = Duration::from_secs(3);
/// A list that is not among those that were read is looked for again when its name says that it may be so new, microseconds:
/// the longest that a transaction takes, and what clocks differ by.
const NEW_MICROSECONDS: i64 = 15_000_000;

/// What was made of late, shared by all workers.
pub struct StatusLists {
    /// Held by who asks the authority.
    known: Mutex<Option<Served<Arc<[i64]>>>>,
    made: Cache<i64, Arc<Served<String>>>,
    algorithm: Algorithm,
}

impl StatusLists {
    /// None yet; they will be signed with this.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self { known: Mutex::default(), made: Cache::new(KEPT), algorithm }
    }
}

/// Why nobody is shown a list.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The authority is needed and does not answer.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// Our own mistake.
    #[error(transparent)]
    Broken(#[from] NoList),
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
        let mut known = self.as_told().await?;
        Ok(self.names(&mut known, None).await?)
    }

    /// A list, signed; nothing when there is no such list.
    ///
    /// # Errors
    /// [`StatusError`].
    pub async fn status_list(&self, list: i64) -> Result<Option<Arc<Served<String>>>, StatusError> {
        self.directory.may_answer().await?;
        if let Some(made) = self.made(list) {
            return Ok(Some(made));
        }
        let mut known = self.as_told().await?;
        // Somebody else may have made it meanwhile.
        if let Some(made) = self.made(list) {
            return Ok(Some(made));
        }
        if self.names(&mut known, Some(list)).await?.binary_search(&list).is_err() {
            return Ok(None);
        }
        let made = Arc::new(self.make(list).await?);
        self.status_lists.made.insert(list, Arc::clone(&made));
        Ok(Some(made))
    }

    fn made(&self, list: i64) -> Option<Arc<Served<String>>> {
        self.status_lists.made.get(&list).filter(|made| made.is_fresh(self.directory.clock()))
    }

    async fn as_told(&self) -> Result<tokio::sync::MutexGuard<'_, Option<Served<Arc<[i64]>>>>, Outage> {
        let known = tokio::time::timeout(WAIT, self.status_lists.known.lock()).await;
        known.map_err(|_| Outage::Crowded)
    }

    /// All names, read again when they are old, or may be older than this one.
    async fn names(
        &self,
        known: &mut Option<Served<Arc<[i64]>>>,
        wanted: Option<i64>,
    ) -> Result<Arc<[i64]>, Outage> {
        let may_lack = |of: &Served<Arc<[i64]>>| {
            let newest = of.now.as_microsecond() - NEW_MICROSECONDS;
            wanted.is_some_and(|list| list > newest && of.value.binary_search(&list).is_err())
        };
        if let Some(of) = known.as_ref().filter(|of| of.is_fresh(self.directory.clock()) && !may_lack(of)) {
            return Ok(Arc::clone(&of.value));
        }
        let read = self.directory.read(async |store| store.status_lists().await).await?;
        let read = read.map(Arc::from);
        let names = Arc::clone(&read.value);
        *known = Some(read);
        Ok(names)
    }

    async fn make(&self, list: i64) -> Result<Served<String>, StatusError> {
        let read = self.directory.read(async |store| store.status_list(list).await).await?;
        let keyring = self.keyring.load();
        let key = keyring.signer(self.status_lists.algorithm).ok_or(StatusError::NoKey)?;
        let bits = status_list::bits(read.value.given, &read.value.good);
        let signed = status_list::sign(key, &self.issuer, list, &bits, read.now.as_second())?;
        Ok(read.map(|_| signed))
    }
}
