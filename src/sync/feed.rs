//! The feed: every instance hears every change, under a lease that it earns by listening.

use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::offset::Offset;
use super::{FeedStatus, Spread, StartError, SyncOptions};
use crate::clock::BootInstant;
use crate::directory::floor::Floor;
use crate::directory::{Knowledge, roster};
use crate::domain::region::RegionState;
use crate::protocol_log;
use crate::region::{Place, PlaceCell};
use crate::sabotage::Switch;
use crate::store::feed::{Answer, Change, FeedConnection, History, Identity, Renewal, Renewed};
use crate::store::master_keys::Recognised;
use crate::store::regions::RegionNow;
use crate::store::{Store, StoreError};
use crate::token::keyring::{Keyring, KeyringCell};

/// The most changes in one answer. When there are more, the lease is not renewed until all are heard.
const BATCH: i64 = 10_000;
/// How many names are asked for at once.
const NAMES: i64 = 50_000;
/// The shortest time between two polls, so that a burst of changes is heard in few answers.
const GAP: Duration = Duration::from_millis(3);
/// The wait before the next try when Postgres is away.
const AWAY: Duration = Duration::from_millis(200);

/// Where this instance is in which history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    history: History,
    /// All changes up to here are applied.
    applied: i64,
    /// The authority knows that all up to here are applied.
    acknowledged: i64,
    /// The authority knows that this keyring is loaded.
    keyring: i64,
    lease_until: BootInstant,
}

/// What came of an answer.
enum Heard {
    /// Everything up to the head.
    All,
    /// There is more to hear, or to acknowledge, at once.
    More,
    /// Another history, or one that has forgotten this instance.
    StartOver,
}

pub(super) struct Feed {
    pub store: Store,
    pub knowledge: Arc<Knowledge>,
    pub place: Arc<PlaceCell>,
    pub wake: Arc<watch::Sender<()>>,
    pub options: SyncOptions,
    pub master_checks: Vec<String>,
    pub keyring: Arc<KeyringCell>,
    pub status: watch::Sender<FeedStatus>,
    pub changed: mpsc::Sender<String>,
    pub spread: Spread,
    pub position: Option<Position>,
    pub offset: Offset,
}

impl Feed {
    /// Loads floor and roster and registers the region and this instance. Before the first lease, as it must be.
    pub async fn load(&mut self, connection: &FeedConnection) -> Result<(), StartError> {
        let asked = self.knowledge.clock.boot();
        let history = recognise(connection, &self.master_checks).await?;
        let region = &self.options.who.region;
        connection.register_region(region).await?;
        // A name of its own for each of its lives: a renewal that is still on its way, over a connection that was given
        // up, must not speak for this one. The lease of before is ended, so nobody need wait for it.
        self.store.unregister(self.options.who.instance).await?;
        self.options.who.instance = another(self.options.who.instance);
        // Before it loads, so that nothing is pruned that it then has not heard of.
        let keyring = self.keyring.load();
        let nothing = Renewal { applied: 0, low_water: 0, ..self.renewal(0, &keyring) };
        let masters: Vec<&str> = self.master_checks.iter().map(|check| named(check).0).collect();
        connection.register(&self.options.who, nothing, &masters).await?;
        let changes = connection.load_floor(self.options.floor_limit).await?;
        let low_water = changes.first().map_or(0, |(seq, ..)| seq - 1);
        let applied = changes.last().map_or(0, |(seq, ..)| *seq);
        let mut floor = Floor::new(low_water, self.options.floor_limit);
        for (seq, credential, version) in &changes {
            floor.raise(*seq, credential, *version);
        }
        // Names are never forgotten, and those that come are heard of: once is enough.
        if self.knowledge.roster.is_empty() {
            self.load_roster(connection).await?;
        }
        // First the place, so that no reading under way is remembered or written as one of now. The
        // epoch comes with the first answer; until then nothing opens.
        self.place.move_to(Place::new(&self.options.who.region, &history.to_string(), Place::NO_EPOCH));
        let Identity { instance, region } = &self.options.who;
        self.knowledge.start_over(floor, applied, *instance);
        protocol_log::registered(*instance, region, &history.to_string(), asked, (low_water, applied));
        let lease_until = BootInstant::default();
        let keyring = keyring.revision();
        self.position = Some(Position { history, applied, acknowledged: 0, keyring, lease_until });
        Ok(())
    }

    async fn load_roster(&self, connection: &FeedConnection) -> Result<(), StoreError> {
        let (mut after, mut left) = (String::new(), roster::LIMIT);
        loop {
            let names = connection.list_credentials(&after, NAMES).await?;
            self.knowledge.roster.add(names.iter().map(String::as_str));
            left = left.saturating_sub(names.len());
            match names.into_iter().next_back() {
                Some(last) if left > 0 => after = last,
                _ => return Ok(()),
            }
        }
    }

    fn renewal<'k>(&self, applied: i64, keyring: &'k Keyring) -> Renewal<'k> {
        Renewal {
            applied,
            low_water: self.knowledge.low_water(),
            believed: self.options.believed(),
            keyring: keyring.revision(),
            keys_lacking: keyring.lacking(),
        }
    }

    /// Polls until it is told to stop; then gives the lease back, so that no revoke has to wait for this instance.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(ended) = stop.run_until_cancelled(Box::pin(self.listen())).await {
            metrics::counter!("carnet_feed_interruptions_total").increment(1);
            match ended {
                Ok(()) => tracing::warn!("the authority's history is another one now: starting over"),
                Err(error) => tracing::warn!(%error, "the feed is interrupted"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(AWAY)).await.is_none() {
                break;
            }
        }
        self.stop_serving();
        if let Err(error) = self.store.unregister(self.options.who.instance).await {
            tracing::warn!(%error, "the lease could not be given back; revokes wait until it ends");
        }
    }

    /// Listens on one connection until it fails, or the history turns out to be another.
    async fn listen(&mut self) -> Result<(), StartError> {
        let connection = self.store.connect_feed(Arc::clone(&self.wake)).await?;
        let mut wake = self.wake.subscribe();
        if self.position.is_none() {
            self.load(&connection).await?;
        }
        loop {
            // What is said from now on is not in the answer.
            wake.mark_unchanged();
            match self.poll(&connection).await? {
                Heard::More => {}
                Heard::All => {
                    let _ = tokio::time::timeout(self.options.poll_interval, wake.changed()).await;
                }
                Heard::StartOver => {
                    self.stop_serving();
                    self.store.forget_connections();
                    self.position = None;
                    return Ok(());
                }
            }
            tokio::time::sleep(GAP).await;
        }
    }

    async fn poll(&mut self, connection: &FeedConnection) -> Result<Heard, StoreError> {
        let Some(at) = self.position else { return Ok(Heard::StartOver) };
        let clock = Arc::clone(&self.knowledge.clock);
        // The lease is counted from before the question.
        let asked = clock.boot();
        let left = BootInstant::since(at.lease_until, asked);
        let keyring = self.keyring.load();
        let untold = at.applied != at.acknowledged || at.keyring != keyring.revision();
        let due = untold || left < self.options.lease / 3 * 2;
        let renewal = due.then(|| self.renewal(at.applied, &keyring));
        let answer = connection.poll(&self.options.who, at.applied, BATCH, renewal).await?;
        let answered = clock.boot();
        clock.hear(answer.now, answered);
        self.offset.note(answer.now, asked, answered);
        let known = at.history.restore_counter;
        if answer.head < at.applied || answer.history.restore_counter < known {
            connection.note_went_back(at.applied, known).await?;
            return Ok(Heard::StartOver);
        }
        let another = !answer.same_history || answer.history != at.history;
        if another || answer.renewal == Renewed::Unknown {
            return Ok(Heard::StartOver);
        }
        let Some(region) = answer.region.clone() else {
            tracing::warn!("the region has been removed: it joins anew");
            return Ok(Heard::StartOver);
        };
        Ok(self.hear(at, asked, region, &keyring, answer))
    }

    fn stop_serving(&self) {
        self.knowledge.lease.end();
        protocol_log::started_over(self.options.who.instance);
    }

    fn hear(
        &mut self,
        mut at: Position,
        asked: BootInstant,
        now: RegionNow,
        keyring: &Keyring,
        answer: Answer,
    ) -> Heard {
        let Identity { instance, region } = &self.options.who;
        if self.place.load().epoch() != now.epoch {
            protocol_log::placed(*instance, now.epoch);
        }
        self.place.move_to(Place::new(region, &at.history.to_string(), now.epoch));
        self.knowledge.apply(&answer.changes);
        for Change { seq, credential, version } in &answer.changes {
            protocol_log::applied(*instance, *seq, credential, *version);
        }
        at.applied = answer.changes.last().map_or(at.applied, |last| last.seq);
        let heard_all = i64::try_from(answer.changes.len()).is_ok_and(|n| n < BATCH);
        if answer.renewal != Renewed::NotAsked {
            at.acknowledged = self.position.map_or(at.applied, |before| before.applied);
            at.keyring = keyring.revision();
        }
        // As the authority has judged, but with what is so after it has written the lease down.
        let holds = BootInstant::since(at.lease_until, asked) > Duration::ZERO;
        let loaded = keyring.revision();
        let keys_will_do = loaded >= answer.serve_from && (holds || loaded == answer.keyring);
        let renewed = answer.renewal == Renewed::Yes
            || (answer.renewal == Renewed::HearFirst && Switch::RenewalUnconditional.is_on());
        if renewed && heard_all && keys_will_do {
            let from = if Switch::LeaseFromAnswer.is_on() { self.knowledge.clock.boot() } else { asked };
            let lease = protocol_log::Lease {
                asked,
                until: from.plus(self.options.lease),
                leased_us: answer.leased_at.as_microsecond(),
                snapshot_us: answer.now.as_microsecond(),
                acknowledged: self.position.map_or(at.applied, |before| before.applied),
                applied: at.applied,
                low_water: self.knowledge.low_water(),
                state: now.state.as_str(),
            };
            protocol_log::lease(*instance, &lease);
            at.lease_until = self.knowledge.lease.extend(from, self.options.lease);
        }
        self.position = Some(at);
        self.knowledge.set_draining(now.state == RegionState::Draining);
        let lag = answer.head - at.applied;
        measure(region, &now, lag, if lag > 0 { answer.age } else { Duration::ZERO });
        let status = FeedStatus {
            applied: at.applied,
            rank: answer.rank,
            region: Some(now),
            keyring: Some(answer.keyring),
        };
        self.status.send_if_modified(|known| std::mem::replace(known, status.clone()) != status);
        for change in answer.changes {
            self.spread.tell_changed(&change.credential);
            // When the queue is full the sweep finds the credential, or it is written when it is asked for.
            drop(self.changed.try_send(change.credential));
        }
        if heard_all && at.applied == at.acknowledged { Heard::All } else { Heard::More }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn measure(region: &str, now: &RegionNow, lag: i64, age: Duration) {
    let region = region.to_owned();
    metrics::gauge!("carnet_feed_lag_changes", "region" => region.clone()).set(lag as f64);
    metrics::gauge!("carnet_feed_lag_seconds", "region" => region.clone()).set(age.as_secs_f64());
    metrics::gauge!("carnet_region_epoch", "region" => region).set(now.epoch as f64);
}

/// Without randomness, which a start has shown to be there, it is the same.
fn another(instance: Uuid) -> Uuid {
    let random = ring::rand::generate::<[u8; 16]>(&SystemRandom::new());
    random.map_or(instance, |random| Uuid::from_bytes(random.expose()))
}

/// Which history the database tells, and whether our master keys are those of it.
pub(super) async fn recognise(
    connection: &FeedConnection,
    master_checks: &[String],
) -> Result<History, StartError> {
    let current = master_checks.first().ok_or(StartError::WrongMasterKeys)?;
    let history = connection.note_history(current).await?;
    // A new master key comes before the old one while they are rotated.
    let (ids, values): (Vec<&str>, Vec<&str>) = master_checks.iter().map(|check| named(check)).unzip();
    match connection.recognise_masters(&ids, &values).await? {
        Recognised::Own => Ok(history),
        Recognised::Wrong => Err(StartError::WrongMasterKeys),
        Recognised::InUse(missing) => Err(StartError::MasterKeyInUse(missing)),
    }
}

/// The name of a master key, and what it answers to a check.
fn named(check: &str) -> (&str, &str) {
    check.split_once(':').unwrap_or((check, ""))
}
