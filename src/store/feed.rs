//! The feed's side of the authority: histories, leases, changes since.
//!
//! An instance polls over a connection of its own, which also listens for wake-ups. A lease is
//! committed before the snapshot is taken that changes are read from; the other way round loses a
//! revoke that falls between the two.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::{StreamExt, poll_fn};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Row, Statement};
use uuid::Uuid;

use super::regions::RegionNow;
use super::{Store, StoreError, tls, within};

/// Which history of the authority an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    /// Of the cluster.
    pub system_identifier: i64,
    /// Raised by every promotion and point-in-time recovery.
    pub timeline: i32,
    /// Another one after a dump was restored.
    pub incarnation: i64,
    /// Raised whenever Carnet noticed another history than before.
    pub restore_counter: i32,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system_identifier, timeline, incarnation, restore_counter } = self;
        write!(f, "{system_identifier}.{timeline}.{incarnation}.{restore_counter}")
    }
}

/// One line of the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its place; the order of commits.
    pub seq: i64,
    /// Whose record it is about.
    pub credential: String,
    /// The record's version from here on; the same as before when what was pending in it is valid now.
    pub version: i64,
}

/// Who polls.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This process.
    pub instance: Uuid,
    /// Its region.
    pub region: String,
}

/// What an instance acknowledges when it renews its lease.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    /// It has applied every change up to here.
    pub applied: i64,
    /// It remembers every change above this one.
    pub low_water: i64,
    /// How long the authority must believe the lease alive: the lease and the drift margin.
    pub believed: Duration,
    /// The revision of its keyring.
    pub keyring: i64,
    /// The keys of it that it cannot read.
    pub keys_lacking: &'a [String],
}

/// The answer to one poll.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The authority's time.
    pub now: Timestamp,
    /// The history that the answer belongs to.
    pub history: History,
    /// Whether that is the history that the database itself thinks it tells.
    pub same_history: bool,
    /// The newest change there is.
    pub head: i64,
    /// How the region is; nothing when it has been removed.
    pub region: Option<RegionNow>,
    /// How many live instances of the region are older than this one.
    pub rank: i64,
    /// The revision of the signing keys.
    pub keyring: i64,
    /// Whoever has keys of before this revision keeps no lease: one of them is compromised.
    pub serve_from: i64,
    /// Changes after the one that was asked from, in order, at most the limit.
    pub changes: Vec<Change>,
    /// For how long the oldest of them has been there to be heard.
    pub age: Duration,
    /// What came of the renewal.
    pub renewal: Renewed,
    /// The authority's time when it was renewed; like `now` when nobody asked.
    pub leased_at: Timestamp,
}

/// What came of asking for a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renewed {
    /// Nobody asked.
    NotAsked,
    /// It is as long again as it may be.
    Yes,
    /// Not before the instance has applied what is there; it keeps the one that it has.
    HearFirst,
    /// There is no such instance.
    Unknown,
}

/// The longest that loading a floor may take.
const LOADING: Duration = Duration::from_secs(30);
/// The most changes that are removed at once.
const PRUNED: i64 = 20_000;
/// The most receipts that are looked at at once.
const RECEIPTS: i64 = 2_000;
/// How long a receipt is kept that is complete, and not the last one of a key, a secret or an account.
const RECEIPTS_KEPT: Duration = Duration::from_hours(30 * 24);

/// A connection for polling.
pub struct FeedConnection {
    client: Client,
    renew: Statement,
    poll: Statement,
    timeout: Duration,
}

impl Store {
    /// Connects for polling; `wake` is touched when something changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connect_feed(&self, wake: Arc<watch::Sender<()>>) -> Result<FeedConnection, StoreError> {
        const RENEW: &str = include_str!("../../sql/queries/instance_renew_lease.sql");
        const POLL: &str = include_str!("../../sql/queries/change_poll.sql");
        let connect = async {
            let tls = tls::connector(self.options.ca_file.as_deref())?;
            let (client, mut connection) = self.engine_config()?.connect(tls).await?;
            let mut messages = poll_fn(move |cx| connection.poll_message(cx));
            tokio::spawn(async move {
                while let Some(Ok(message)) = messages.next().await {
                    match message {
                        AsyncMessage::Notification(_) => {
                            wake.send_replace(());
                        }
                        // Somebody cancelled a commit that waited for its standby. What comes of it is known here only,
                        // so no lease may come of it.
                        AsyncMessage::Notice(notice) if *notice.code() == SqlState::WARNING => break,
                        _ => {}
                    }
                }
                // The connection is gone: the next poll will say so, and should be soon.
                wake.send_replace(());
            });
            let patience = LOADING.as_millis();
            client
                .batch_execute(&format!("SET statement_timeout = {patience}; LISTEN carnet_change"))
                .await?;
            let (renew, poll) = (client.prepare(RENEW).await?, client.prepare(POLL).await?);
            Ok(FeedConnection { client, renew, poll, timeout: self.options.timeout })
        };
        within(self.options.timeout, connect).await
    }

    /// Takes an instance off the list: it has stopped serving.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unregister(&self, instance: Uuid) -> Result<(), StoreError> {
        const DELETE: &str = include_str!("../../sql/queries/instance_delete.sql");
        self.engine_query(DELETE, &[&instance]).await?;
        Ok(())
    }

    /// Removes what nobody needs any more: old changes but the newest `keep`, instances long gone, idempotency keys of
    /// yesterday, and old receipts, some of those after the change `receipts_after`; where to go on with them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&self, keep: usize, receipts_after: i64) -> Result<i64, StoreError> {
        const OLD: &str = include_str!("../../sql/queries/receipt_prune.sql");
        const CHANGES: &str = include_str!("../../sql/queries/change_prune.sql");
        const INSTANCES: &str = include_str!("../../sql/queries/instance_delete_gone.sql");
        const REPEATS: &str = include_str!("../../sql/queries/idempotency_key_prune.sql");
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        self.engine_query(INSTANCES, &[]).await?;
        self.engine_query(CHANGES, &[&keep, &PRUNED]).await?;
        self.engine_query(REPEATS, &[]).await?;
        let kept = RECEIPTS_KEPT.as_secs_f64();
        let rows = self.engine_query(OLD, &[&receipts_after, &RECEIPTS, &kept]).await?;
        Ok(rows.first().map(|row| row.try_get::<_, Option<_>>(0)).transpose()?.flatten().unwrap_or(0))
    }
}

impl FeedConnection {
    /// Asks over this very connection: what an instance loads and what it then polls must be of one server.
    pub(super) async fn ask(&self, sql: &str, values: super::Params<'_>) -> Result<Vec<Row>, StoreError> {
        within(LOADING, async { Ok(self.client.query(sql, values).await?) }).await
    }

    /// Writes down which history this is, and the first master key, if nobody has; notices when it is another.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_history(&self, master_check: &str) -> Result<History, StoreError> {
        const INSERT: &str = include_str!("../../sql/queries/authority_insert.sql");
        const CHANGED: &str = include_str!("../../sql/queries/authority_update_changed.sql");
        const READ: &str = include_str!("../../sql/queries/authority_read.sql");
        self.ask(INSERT, &[&master_check]).await?;
        self.ask(CHANGED, &[]).await?;
        let rows = self.ask(READ, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("the authority has one row".into()))?;
        history(row)
    }

    /// Says that the feed's head went back behind `applied`, or the restore counter behind `counter`, if one of them
    /// did: this is another history.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_went_back(&self, applied: i64, counter: i32) -> Result<(), StoreError> {
        const UPDATE: &str = include_str!("../../sql/queries/authority_update_went_back.sql");
        self.ask(UPDATE, &[&applied, &counter]).await?;
        Ok(())
    }

    /// The newest `limit` changes, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_floor(&self, limit: usize) -> Result<Vec<(i64, String, i64)>, StoreError> {
        const LOAD: &str = include_str!("../../sql/queries/change_load_floor.sql");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.ask(LOAD, &[&limit]).await?;
        let change = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        rows.iter().map(change).collect()
    }

    /// The names of at most `limit` known callers after `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_credentials(&self, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/credential_list_ids.sql");
        let rows = self.ask(LIST, &[&after, &limit]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Registers a region, if it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register_region(&self, region: &str) -> Result<(), StoreError> {
        const REGISTER: &str = include_str!("../../sql/queries/region_register.sql");
        self.ask(REGISTER, &[&region]).await?;
        Ok(())
    }

    /// Registers an instance, whose floor is loaded, and the names of its master keys. Its first renewal will be its
    /// first lease.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register(
        &self,
        who: &Identity,
        first: Renewal<'_>,
        masters: &[&str],
    ) -> Result<(), StoreError> {
        const LONGEST: &str = include_str!("../../sql/queries/authority_update_longest_lease.sql");
        const INSTANCE: &str = include_str!("../../sql/queries/instance_register.sql");
        let believed = first.believed.as_secs_f64();
        self.ask(LONGEST, &[&believed]).await?;
        let values: super::Params<'_> =
            &[&who.instance, &who.region, &first.applied, &first.low_water, &first.keyring, &masters];
        self.ask(INSTANCE, values).await?;
        Ok(())
    }

    /// Asks for at most `limit` changes after `after`, having renewed the lease if there is a renewal.
    ///
    /// # Errors
    /// [`StoreError`], also when no answer came in time; the connection is not usable afterwards.
    pub async fn poll(
        &self,
        who: &Identity,
        after: i64,
        limit: i64,
        renewal: Option<Renewal<'_>>,
    ) -> Result<Answer, StoreError> {
        let ask: super::Params<'_> = &[&after, &limit, &who.region, &who.instance];
        let poll = self.client.query(&self.poll, ask);
        let ((renewed, leased_at), rows) = match renewal {
            None => ((Renewed::NotAsked, None), within(self.timeout, async { Ok(poll.await?) }).await?),
            Some(r) => {
                let believed = r.believed.as_secs_f64();
                let lease: super::Params<'_> =
                    &[&who.instance, &r.applied, &r.low_water, &believed, &r.keyring, &r.keys_lacking];
                // Sent together and executed in this order, each in its own transaction: the lease
                // is committed when the poll's snapshot is taken.
                let both = async {
                    let (renewed, rows) = join(self.client.query_opt(&self.renew, lease), poll).await;
                    let renewed = match renewed? {
                        None => (Renewed::Unknown, None),
                        Some(row) if row.try_get("renewed")? => (Renewed::Yes, row.try_get("leased_at")?),
                        Some(row) => (Renewed::HearFirst, row.try_get("leased_at")?),
                    };
                    Ok((renewed, rows?))
                };
                within(self.timeout, both).await?
            }
        };
        answer(&rows, renewed, leased_at)
    }
}

pub(super) fn history(row: &Row) -> Result<History, StoreError> {
    Ok(History {
        system_identifier: row.try_get("system_identifier")?,
        timeline: row.try_get("timeline")?,
        incarnation: row.try_get("incarnation")?,
        restore_counter: row.try_get("restore_counter")?,
    })
}

fn answer(rows: &[Row], renewal: Renewed, leased_at: Option<Timestamp>) -> Result<Answer, StoreError> {
    let first = rows.first().ok_or_else(|| StoreError::Broken("a poll gives at least one row".into()))?;
    let mut changes = Vec::new();
    for row in rows {
        if let Some(seq) = row.try_get("seq")? {
            let (credential, version) = (row.try_get("credential")?, row.try_get("version")?);
            changes.push(Change { seq, credential, version });
        }
    }
    let is_there = first.try_get::<_, Option<i64>>("epoch")?.is_some();
    let region = is_there.then(|| RegionNow::from_row(first)).transpose()?;
    let now = first.try_get("now")?;
    Ok(Answer {
        now,
        history: history(first)?,
        same_history: first.try_get("same_history")?,
        head: first.try_get("head")?,
        region,
        rank: first.try_get("rank")?,
        keyring: first.try_get("keyring")?,
        serve_from: first.try_get("serve_from")?,
        changes,
        age: Duration::try_from_secs_f64(first.try_get("age")?).unwrap_or_default(),
        renewal,
        leased_at: leased_at.unwrap_or(now),
    })
}
