//! What moves keys from the store to the region and back: feed, warmer, sweep, spread.
//!
//! The feed tells an instance what changed and earns its lease. The warmer turns Pending into Valid:
//! writes, reads back, acknowledges, flips; the sweep does so for a whole cache that is cold. The epoch says
//! which cache that is; regions that are silent or stuck are tended. The spread knows how far every instance
//! is, so that a revoke can return with proof. The auditor sees that nothing of this ever went wrong. The
//! signing keys are loaded when there are others, and take the steps of their life here as well. All of them run beside the requests, on a thread of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::directory::Knowledge;
use crate::region::{PlaceCell, Region};
use crate::seal::Sealer;
use crate::store::feed::Identity;
use crate::store::master_keys::{MasterKeyUse, Rehashed};
use crate::store::regions::RegionNow;
use crate::store::tx::Caused;
use crate::store::{Store, StoreError};
use crate::token::keyring::KeyringCell;

mod auditor;
mod comparing;
mod contest;
mod epoch;
mod feed;
mod gauges;
mod key_life;
mod offset;
mod pruning;
mod rehashing;
mod signing;
mod spread;
mod sweep;
mod tend;
mod turns;
mod warmer;
mod warming;
mod watched;

pub use rehashing::QUEUE as REHASH_QUEUE;
pub use signing::{CannotMake, KeyringLoadError, load_keyring, make_signing_key};
pub use spread::Spread;

/// The longest that anybody waits for the first lease of a start.
const FIRST_LEASE: Duration = Duration::from_secs(2);
/// The most credentials that wait to be written into Redis again after a change. More are dropped:
/// they are written when they are asked for.
const REWARM: usize = 4096;

/// The dials of the protocol.
#[derive(Clone, Debug)]
pub struct SyncOptions {
    /// Who this is.
    pub who: Identity,
    /// How long an instance serves without hearing from Postgres; also the longest that a revoke
    /// can take when an instance is cut off.
    pub lease: Duration,
    /// The longest time between two polls.
    pub poll_interval: Duration,
    /// How many changes are remembered.
    pub floor_limit: usize,
    /// How long keys wait for a region that is stuck.
    pub quarantine: Duration,
    /// How often caches are compared whole with the authority.
    pub audit: Duration,
    /// How long a signing key signs.
    pub signing_key: Duration,
}

/// What there is to sign, seal and hash with.
pub struct Keys {
    /// The signing keys of now.
    pub keyring: Arc<KeyringCell>,
    /// Seals signing keys.
    pub sealer: Arc<Sealer>,
    /// The check values of the master keys, `<id>:<value>`, the current one first.
    pub master_checks: Vec<String>,
    /// Secrets that have proved right under an earlier pepper.
    pub proved: mpsc::Receiver<Rehashed>,
}

impl SyncOptions {
    /// How long the authority must believe a lease alive: two clocks may drift apart by one percent.
    #[must_use]
    pub fn believed(&self) -> Duration {
        self.lease + self.lease / 100 + Duration::from_millis(100)
    }
}

/// Why synchronisation cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Other master keys made what is in the database.
    #[error("the master keys are not those of this database: entries and secrets could not be read")]
    WrongMasterKeys,
    /// One was taken away too early.
    #[error(
        "the master key `{}` is still needed, for {} signing key(s) and {} client secret(s): put it back behind the current \
         one in master_keys; `carnet keys master` shows when it may go", .0.master_key_id, .0.signing_keys, .0.client_secrets
    )]
    MasterKeyInUse(MasterKeyUse),
    /// Two installations of one name, or settings copied from another region.
    #[error(
        "the region {0} is served by instances with another Redis: set redis_url to theirs, or give this region a name of its own"
    )]
    RegionTaken(String),
    /// What it holds may be older than what was acknowledged.
    #[error("redis_url leads to a replica: set it to the primary")]
    Replica,
    /// It loses entries without a word.
    #[error("Redis evicts entries ({0}): set its maxmemory-policy to noeviction")]
    Eviction(String),
    /// Postgres itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Caused for StartError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

/// How the feed is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    /// All changes up to this one are applied.
    pub applied: i64,
    /// How many live instances of the region are older; the oldest one warms first.
    pub rank: i64,
    /// How the region is; nothing before the first answer.
    pub region: Option<RegionNow>,
    /// The revision of the signing keys.
    pub keyring: Option<i64>,
}

impl FeedStatus {
    /// Before the first answer.
    const UNHEARD: Self = Self { applied: -1, rank: 0, region: None, keyring: None };
}

/// The running tasks.
pub struct Sync {
    spread: Spread,
    /// Has seen nothing yet.
    first: watch::Receiver<FeedStatus>,
    stop: CancellationToken,
    broken: CancellationToken,
    tasks: TaskTracker,
}

impl Sync {
    /// Loads the floor, registers, and starts the tasks. From then on the lease comes and goes; whoever gives up
    /// waiting for this leaves no lease behind.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        store: Store,
        knowledge: Arc<Knowledge>,
        place: Arc<PlaceCell>,
        region: Region,
        options: SyncOptions,
        keys: Keys,
    ) -> Result<Self, StartError> {
        let Keys { keyring, sealer, master_checks, proved } = keys;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (status, watching) = watch::channel(FeedStatus::UNHEARD);
        let first = watching.clone();
        let (changed, rewarm) = mpsc::channel(REWARM);
        let spread = Spread::new(store.clone());
        let (who, keep, quarantine) = (options.who.clone(), options.floor_limit, options.quarantine);
        let (every, lease, longest) = (options.audit, options.lease, options.signing_key);
        let pepper = sealer.current_id().to_owned();
        epoch::admit_cache(&store, &region, &who.region).await?;
        let mut feed = feed::Feed {
            store: store.clone(),
            knowledge: Arc::clone(&knowledge),
            place,
            wake: Arc::new(watch::Sender::new(())),
            options,
            master_checks,
            keyring: Arc::clone(&keyring),
            status,
            changed,
            spread: spread.clone(),
            position: None,
            offset: offset::Offset::default(),
        };
        let connection = store.connect_feed(Arc::clone(&feed.wake)).await?;
        feed.load(&connection).await?;
        drop(connection);
        let region_name = who.region.clone();
        let epochs = epoch::EpochWatch {
            contest: contest::Contest::new(Arc::clone(&knowledge.clock)),
            store: store.clone(),
            region: region.clone(),
            region_name: region_name.clone(),
            status: watching.clone(),
        };
        let warming =
            warming::Warming { store: store.clone(), knowledge, region, region_name, status: watching };
        let sweep = sweep::Sweep { warming: warming.clone(), instance: who.instance, lease };
        let auditor = auditor::Auditor { warming: warming.clone(), instance: who.instance, every };
        let refresher = signing::Refresher {
            store: store.clone(),
            sealer: Arc::clone(&sealer),
            cell: keyring,
            status: first.clone(),
            wake: Arc::clone(&feed.wake),
        };
        let key_life = key_life::KeyLife { store: store.clone(), sealer, longest };
        let wake = feed.wake.subscribe();
        let warmer = warmer::Warmer { warming, wake, changed: rewarm, aside: HashMap::new() };
        let tended = Arc::clone(&sweep.warming.knowledge);
        let broken = CancellationToken::new();
        let vital = || Vital { stop: stop.clone(), broken: broken.clone() };
        tasks.spawn_local(vital().live(feed.run(stop.clone())));
        tasks.spawn_local(vital().live(warmer.run(stop.clone())));
        tasks.spawn_local(vital().live(sweep.run(stop.clone())));
        tasks.spawn_local(vital().live(epochs.run(stop.clone())));
        tasks.spawn_local(vital().live(tend::run(store.clone(), tended, quarantine, stop.clone())));
        tasks.spawn_local(vital().live(auditor.run(stop.clone())));
        tasks.spawn_local(vital().live(gauges::run(store.clone(), stop.clone())));
        tasks.spawn_local(vital().live(spread.clone().run(stop.clone())));
        tasks.spawn_local(vital().live(refresher.run(stop.clone())));
        tasks.spawn_local(vital().live(key_life.run(stop.clone())));
        tasks.spawn_local(rehashing::run(store.clone(), pepper, proved, stop.clone()));
        tasks.spawn_local(pruning::run(store.clone(), keep, stop.clone()));
        tasks.spawn_local(pruning::forget_tokens(store.clone(), stop.clone()));
        tasks.spawn_local(pruning::forget_places(store.clone(), stop.clone()));
        Ok(Self { spread, first, stop, broken, tasks })
    }

    /// Waits for the first answer of the feed, and not for long: without a lease it serves all the same.
    pub async fn first_lease(&self) {
        drop(tokio::time::timeout(FIRST_LEASE, self.first.clone().changed()).await);
    }

    /// Resolves when a task has ended by a mistake of ours. Without it the instance would go on in
    /// silence, without leases or without ever warming again: better to end, and be started anew.
    pub fn broken(&self) -> impl Future<Output = ()> + 'static {
        self.broken.clone().cancelled_owned()
    }

    /// Knows how far everybody is.
    #[must_use]
    pub fn spread(&self) -> Spread {
        self.spread.clone()
    }

    /// Stops the tasks; the feed gives its lease back. To be called when it serves no more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A task that must not end before it is told to.
struct Vital {
    stop: CancellationToken,
    broken: CancellationToken,
}

impl Vital {
    async fn live(self, task: impl Future<Output = ()>) {
        task.await;
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        // Also when the task panics, and takes this with it.
        if !self.stop.is_cancelled() {
            tracing::error!("a task of the synchronisation ended by itself");
            self.broken.cancel();
        }
    }
}

/// Checks that these are the master keys of this database, and makes them so if it has none yet. To be
/// done before anything is sealed or hashed with them.
///
/// # Errors
/// [`StartError`].
pub async fn recognise(store: &Store, master_checks: &[String]) -> Result<(), StartError> {
    let connection = store.connect_feed(Arc::new(watch::Sender::new(()))).await?;
    feed::recognise(&connection, master_checks).await?;
    Ok(())
}
