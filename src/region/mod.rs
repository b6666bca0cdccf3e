//! Redis, the cache of one region: sealed entries under compare-and-set.
//!
//! Whoever owns Redis can slow Carnet down, never mint access: an entry opens only for the region,
//! the history, the epoch, the credential and the version that it was sealed for, under a key that
//! Redis never sees. This room decides nothing: whether an entry may be served is the directory's
//! question, and revocation is never enforced here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult, Script, ScriptInvocation, Value};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::domain::record::{Entry, Record};
use crate::seal::Sealer;

mod batch;
mod life;
mod place;

pub use life::Look;
pub use place::{Place, PlaceCell};

/// How long Redis is left alone after it failed, so that an outage of it costs a request nothing.
const REST: Duration = Duration::from_millis(500);
/// How long an entry nobody asks for stays.
const KEEP_SECONDS: u64 = 7 * 24 * 3600;

/// Redis would not, or not in time. Never the caller's fault, and never an answer.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// It said so itself.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// It said nothing.
    #[error("Redis did not answer within {0:?}")]
    TimedOut(Duration),
    /// It failed a moment ago.
    #[error("Redis failed a moment ago and is left alone")]
    Resting,
    /// Our own sealing failed.
    #[error("an entry could not be sealed")]
    Seal,
}

impl RegionError {
    /// Whether Redis is to be left alone, and not only what it said.
    fn is_outage(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_unrecoverable_error() || error.is_io_error() || error.is_timeout(),
            Self::TimedOut(_) | Self::Resting => true,
            Self::Seal => false,
        }
    }
}

/// What a look into the cache found.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Something that does not open here: another epoch's, another key's, or forged.
    Unreadable,
    /// An entry, true up to the change that it names.
    Entry(Entry),
}

/// A connection to the region's Redis. One per worker: commands of one worker are pipelined, and
/// none crosses a thread.
#[derive(Clone)]
pub struct Region {
    redis: ConnectionManager,
    sealer: Arc<Sealer>,
    place: Arc<PlaceCell>,
    clock: Arc<Clock>,
    timeout: Duration,
    rests_until_ms: Arc<AtomicU64>,
    compare_and_set: Arc<Script>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    read_seq: i64,
    record: Arc<Record>,
}

impl Region {
    /// Prepares a connection; it is made at first use, on the thread of that use.
    ///
    /// # Errors
    /// [`RegionError::Redis`] when the URL cannot be used.
    pub fn new(
        redis_url: &str,
        timeout: Duration,
        sealer: Arc<Sealer>,
        place: Arc<PlaceCell>,
        clock: Arc<Clock>,
    ) -> Result<Self, RegionError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(1);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(redis_url)?, config)?;
        let compare_and_set = Arc::new(Script::new(include_str!("compare_and_set.lua")));
        let rests_until_ms = Arc::default();
        Ok(Self { redis, sealer, place, clock, timeout, rests_until_ms, compare_and_set })
    }

    /// Looks a credential up.
    ///
    /// # Errors
    /// [`RegionError`]; the caller then asks the authority.
    pub async fn get(&self, place: &Place, credential: &str) -> Result<Found, RegionError> {
        if place.epoch() == Place::NO_EPOCH {
            return Ok(Found::Nothing);
        }
        let ask = Self::ask_for(place, credential);
        let mut redis = self.redis.clone();
        // An answer, even if it is that there is something else than what we put there.
        let answer = self.command(async {
            match ask.query_async(&mut redis).await {
                Err(error) if !is_wrong_type(&error) => Err(error.into()),
                answer => Ok(answer),
            }
        });
        self.read(place, credential, answer.await?)
    }

    fn ask_for(place: &Place, credential: &str) -> redis::Cmd {
        let mut ask = redis::cmd("HMGET");
        ask.arg(place.key(credential)).arg(&["version", "entry"]);
        ask
    }

    /// What lies there, opened.
    fn read(
        &self,
        place: &Place,
        credential: &str,
        answer: RedisResult<Value>,
    ) -> Result<Found, RegionError> {
        type Bytes = Option<Vec<u8>>;
        let found = match answer {
            Err(error) if !is_wrong_type(&error) => return Err(error.into()),
            Err(_) => None,
            Ok(answer) => match redis::from_redis_value::<(Bytes, Bytes)>(answer) {
                Ok((None, None)) => return Ok(Found::Nothing),
                Ok((Some(version), Some(sealed))) => self.open(place, credential, &version, &sealed),
                Ok(_) | Err(_) => None,
            },
        };
        Ok(found.map_or_else(|| place.unreadable(), Found::Entry))
    }

    fn open(&self, place: &Place, credential: &str, version: &[u8], sealed: &[u8]) -> Option<Entry> {
        let version: i64 = std::str::from_utf8(version).ok()?.parse().ok()?;
        let plain = self.sealer.open(&place.fields(credential, &version.to_be_bytes()), sealed).ok()?;
        let Sealed { read_seq, record } = serde_json::from_slice(&plain).ok()?;
        Some(Entry { record, version, read_seq })
    }

    /// The present place. To be asked for before a record is read, and again before it is believed.
    #[must_use]
    pub fn place(&self) -> Arc<Place> {
        self.place.load()
    }

    /// Writes an entry unless the cache has a newer reading. `place` is where it was read: were it
    /// sealed for a later one, a reading of a history that is over would pass for one of the present.
    /// `anyway` writes over whatever is there: for what does not open, which must not keep its place
    /// by naming a high version.
    ///
    /// # Errors
    /// [`RegionError`]; nothing depends on it but speed.
    pub async fn fill(&self, place: &Place, entry: &Entry, anyway: bool) -> Result<(), RegionError> {
        if place.epoch() == Place::NO_EPOCH {
            return Ok(());
        }
        let call = self.compare_and_set(place, entry, anyway)?;
        let mut redis = self.redis.clone();
        self.command(async { Ok(call.invoke_async::<()>(&mut redis).await?) }).await
    }

    fn compare_and_set(
        &self,
        place: &Place,
        entry: &Entry,
        anyway: bool,
    ) -> Result<ScriptInvocation<'_>, RegionError> {
        let credential = &entry.record.credential;
        let plain = Sealed { read_seq: entry.read_seq, record: Arc::clone(&entry.record) };
        let plain = serde_json::to_vec(&plain).map_err(|_| RegionError::Seal)?;
        let version = entry.version.to_be_bytes();
        let sealed = self.sealer.seal(&place.fields(credential, &version), &plain);
        let sealed = sealed.map_err(|_| RegionError::Seal)?;
        let mut call: ScriptInvocation<'_> = self.compare_and_set.prepare_invoke();
        call.key(place.key(credential))
            .arg(place.tag())
            .arg(entry.version)
            .arg(entry.record.pending_parts())
            .arg(sealed)
            .arg(KEEP_SECONDS)
            .arg(i32::from(anyway))
            .arg(place.epoch());
        Ok(call)
    }

    async fn command<T>(
        &self,
        command: impl Future<Output = Result<T, RegionError>>,
    ) -> Result<T, RegionError> {
        let now = self.clock.boot();
        if now.as_millis() < self.rests_until_ms.load(Ordering::Relaxed) {
            return Err(RegionError::Resting);
        }
        let outcome = tokio::time::timeout(self.timeout, command)
            .await
            .unwrap_or(Err(RegionError::TimedOut(self.timeout)));
        if let Err(error) = &outcome
            && error.is_outage()
        {
            self.rests_until_ms.store(now.plus(REST).as_millis(), Ordering::Relaxed);
            metrics::counter!("carnet_redis_failures_total").increment(1);
            tracing::debug!(%error, "Redis is left alone for a moment");
        }
        outcome
    }
}

/// Whether something else lies there than what we put there.
fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}
