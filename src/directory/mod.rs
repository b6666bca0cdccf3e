//! Which credential is this, and may it be served?
//!
//! Memory, else Redis, else Postgres; nothing of it without a lease, because what answers may be a primary that is
//! none any more, which gives no leases. What a cache holds is believed only if the entry is as new as the floor says,
//! and of the history that is listened to; what a cache holds *against* a caller (absent, pending, known-bad) is never
//! believed while Postgres answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;

use crate::clock::{BootInstant, Clock};
use crate::domain::record::{Entry, Record};
use crate::region::{Found, Place, Region};
use crate::sabotage::Switch;
use crate::store::{Store, StoreError};

pub mod flights;
pub mod floor;
pub mod knowledge;
pub mod lease;
mod reading;
pub mod roster;
mod witness;

use flights::{Flights, Landed, Lane};
pub use knowledge::Knowledge;
use witness::Witness;

/// How long after its question an answer of Postgres may still be acted on. A process that was
/// stopped in between must ask again.
const FRESH: Duration = Duration::from_secs(5);
/// How long a request waits for a lease: a process that starts, was stopped for a while, or follows its authority to
/// another primary, has one in a moment.
const LEASE_WAIT: Duration = Duration::from_secs(1);

/// What a record means for a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict<T> {
    /// Any trustworthy reading of the record may say so.
    Final(T),
    /// Only the authority may say more: the caller has proved itself, and what it asks for is armed.
    Armed(T),
    /// Only the authority may say so: the caller is absent, pending, or known as bad.
    Doubtful(T),
}

/// A verdict that may be acted on until `deadline`.
#[derive(Clone, Debug)]
pub struct Served<T> {
    /// The outcome.
    pub value: T,
    /// The authority's time when it was judged.
    pub now: Timestamp,
    deadline: BootInstant,
}

impl<T, E> Served<Result<T, E>> {
    /// A failure instead of the verdict of one.
    ///
    /// # Errors
    /// The verdict's own.
    pub fn transpose(self) -> Result<Served<T>, E> {
        let Self { value, now, deadline } = self;
        value.map(|value| Served { value, now, deadline })
    }
}

impl<T> Served<T> {
    /// Another value, for as long as this one.
    #[must_use]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Served<U> {
        let Self { value, now, deadline } = self;
        Served { value: make(value), now, deadline }
    }

    /// Both, for as long as each of them may be acted on.
    #[must_use]
    pub fn and<U>(self, other: Served<U>) -> Served<(T, U)> {
        Served {
            value: (self.value, other.value),
            now: self.now.max(other.now),
            deadline: self.deadline.min(other.deadline),
        }
    }

    /// Whether it may still be acted on. Asked again right before a token is signed.
    #[must_use]
    pub fn is_fresh(&self, clock: &Clock) -> bool {
        clock.boot() < self.deadline
    }
}

/// The authority is needed and cannot be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Outage {
    /// It does not answer.
    #[error("the authority cannot be asked: {0}")]
    Store(Arc<StoreError>),
    /// What answered is not the authority that this instance listens to, or is behind it.
    #[error("the database that answered is not the authority that is listened to")]
    NotTheAuthority,
    /// It has not been heard since the start.
    #[error("the authority has not been heard yet")]
    Unheard,
    /// It gives no lease, so it may not be the authority any more.
    #[error("no lease: the authority is not heard")]
    NoLease,
    /// Too many others are asking.
    #[error("too many questions to the authority at once")]
    Crowded,
    /// The server is stopping.
    #[error("stopping")]
    Stopping,
}

/// One worker's view: what all workers know together, and the worker's own connection to Redis.
#[derive(Clone)]
pub struct Directory {
    knowledge: Arc<Knowledge>,
    flights: Arc<Flights>,
    region: Region,
    store: Store,
}

impl Directory {
    /// `knowledge` and `flights` are shared by all workers; `region` is this worker's own.
    #[must_use]
    pub fn new(knowledge: Arc<Knowledge>, flights: Arc<Flights>, region: Region, store: Store) -> Self {
        Self { knowledge, flights, region, store }
    }

    /// The clock that deadlines are on.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.knowledge.clock
    }

    /// Judges the caller of this name by the nearest record that may be believed.
    ///
    /// # Errors
    /// [`Outage`] when only the authority could tell, and it does not.
    pub async fn decide<T>(
        &self,
        credential: &str,
        judge: impl Fn(Option<&Arc<Record>>, Timestamp) -> Verdict<T>,
    ) -> Result<Served<T>, Outage> {
        let witness = Witness::new(&self.knowledge);
        let lane = match self.ask_caches(credential, &judge, witness.as_ref()).await {
            Ok(served) => return Ok(served),
            Err(lane) => lane,
        };
        self.leased().await?;
        let asked = self.knowledge.clock.boot();
        let reading = self.flights.join(lane, credential, self.reader(credential)).await?;
        metrics::counter!("carnet_lookups_total", "from" => "postgres").increment(1);
        let record = reading.entry.as_ref().map(|e| &e.record);
        let (Verdict::Final(value) | Verdict::Armed(value) | Verdict::Doubtful(value)) =
            judge(record, reading.now);
        let judged = witness.as_ref().map(Witness::judges);
        // Still, or the reading proves nothing.
        let until = self.leased().await?;
        if let (Some(judged), Some(entry)) = (judged, &reading.entry) {
            judged.saw(entry, "postgres", Place::NO_EPOCH, false);
        }
        Ok(Served { value, now: reading.now, deadline: asked.plus(FRESH).min(until) })
    }

    /// Until when the lease is, if there is one in time.
    async fn leased(&self) -> Result<BootInstant, Outage> {
        if Switch::NoLeaseForReads.is_on() {
            return Ok(self.knowledge.clock.boot().plus(FRESH));
        }
        let leased = self.knowledge.leased(LEASE_WAIT).await;
        leased.map(|(until, _)| until).ok_or(Outage::NoLease)
    }

    /// A final verdict from memory or Redis, or else the lane in which to ask Postgres.
    async fn ask_caches<T>(
        &self,
        credential: &str,
        judge: &impl Fn(Option<&Arc<Record>>, Timestamp) -> Verdict<T>,
        witness: Option<&Witness<'_>>,
    ) -> Result<Served<T>, Lane> {
        let known = &self.knowledge;
        // Lease and floor are looked at together with each entry: the look at Redis takes time.
        let weigh = |life, entry: &Entry, from: &'static str, epoch: i64| {
            let judged = witness.map(Witness::judges);
            let leave = known.may_serve_this(life, entry);
            let (deadline, now) = leave.ok_or_else(|| known.lane(credential))?;
            let livened = Switch::ServeArmed.is_on().then(|| Arc::new(entry.record.livened()));
            match judge(Some(livened.as_ref().unwrap_or(&entry.record)), now) {
                Verdict::Final(value) => {
                    metrics::counter!("carnet_lookups_total", "from" => from).increment(1);
                    if let Some(judged) = judged {
                        // By the record as it is, whatever was done to the one that was judged by.
                        let armed = !matches!(judge(Some(&entry.record), now), Verdict::Final(_));
                        judged.saw(entry, from, epoch, armed);
                    }
                    Ok(Served { value, now, deadline })
                }
                Verdict::Armed(_) => Err(Lane::Known),
                Verdict::Doubtful(_) => Err(Lane::Doubtful),
            }
        };
        let mut lane = known.lane(credential);
        let recalled = known.recall(credential);
        if let Some((life, entry)) = &recalled {
            match weigh(*life, entry, "memory", Place::NO_EPOCH) {
                Ok(served) => return Ok(served),
                // Redis may hold what has become valid since.
                Err(doubt) => lane = doubt,
            }
        }
        let (life, place) = (known.life(), self.region.place());
        if let Some(life) = life
            && known.may_serve().is_some()
            && let Ok(Found::Entry(entry)) = self.region.get(&place, credential).await
            && self.region.place() == place
        {
            // Memory may be ahead of the feed, and so of the floor: nobody is shown an older version after a newer one.
            if known.admits(&entry)
                && recalled.is_none_or(|(of, held)| of != life || entry.version >= held.version)
            {
                known.remember(life, &entry);
                return weigh(life, &entry, "redis", place.epoch());
            }
            metrics::counter!("carnet_entries_stale_total", "region" => place.region().to_owned())
                .increment(1);
        }
        Err(lane)
    }

    /// Reads a record from Postgres and, behind the answer, fills memory and Redis with it.
    fn reader(&self, credential: &str) -> impl Fn() -> LocalBoxFuture<'static, Landed> + 'static + use<> {
        let (this, credential) = (self.clone(), credential.to_owned());
        move || {
            let (this, credential) = (this.clone(), credential.clone());
            Box::pin(async move {
                // The life first: it begins when the place is there already.
                let life = this.knowledge.life();
                let (place, heard) = (this.region.place(), this.knowledge.heard());
                let reading = this.store.read_record(&credential).await;
                let reading = reading.map_err(|e| Outage::Store(Arc::new(e)))?;
                if reading.history.to_string() != place.history() || reading.head < heard {
                    this.store.forget_connections();
                    return Err(Outage::NotTheAuthority);
                }
                // A reading of a history that is over belongs in no cache of the present one.
                if let (Some(entry), Some(life)) = (reading.entry.clone(), life)
                    && this.region.place() == place
                {
                    this.knowledge.remember(life, &entry);
                    // Nobody waits for it, and nothing but speed depends on it.
                    actix_web::rt::spawn(async move { this.region.fill(&place, &entry, false).await });
                }
                Ok(reading)
            })
        }
    }

    /// The tenants from the root to this one; nothing for an unknown one. Never changes once there.
    ///
    /// # Errors
    /// [`Outage`] when it is not in memory and Postgres does not tell.
    pub async fn lineage(&self, tsg_id: &str) -> Result<Option<Arc<[String]>>, Outage> {
        if let Some(path) = self.knowledge.recall_lineage(tsg_id) {
            return Ok(Some(path));
        }
        let life = self.knowledge.life();
        let _permit = self.flights.permit(Lane::Lineage).await?;
        let path = self.store.tenant_path(tsg_id).await.map_err(|e| Outage::Store(Arc::new(e)))?;
        let path: Option<Arc<[String]>> = path.map(Into::into);
        if let (Some(life), Some(path)) = (life, &path) {
            self.knowledge.remember_lineage(life, tsg_id, path);
        }
        Ok(path)
    }
}
