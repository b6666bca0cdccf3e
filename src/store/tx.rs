//! The one door for changes: a named transaction inside one tenant, retried when another was faster.
//!
//! Who changes something that regions cache says so with [`Tx::touch`]; the versions are raised and
//! the outbox appended by the last statement before `COMMIT`, sent together with it, because it
//! holds the lock that makes the order of `seq` the order of commits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::receipts::ReceiptName;
use super::{Lent, Params, Store, StoreError, within};
use crate::domain::tenant::TsgId;
use crate::{clock, protocol_log};

/// How often a transaction is tried when others are faster.
const TRIES: usize = 4;
/// The longest that a whole transaction may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest that it may take to touch all accounts of a tenant; the rest is for what comes before, and for `COMMIT`.
const WHOLE_TENANT: Duration = Duration::from_secs(8);
/// The most accounts that this is tried with. More of them do not fit, and everybody would wait for a try that fails.
const MOST_ACCOUNTS: i64 = 300_000;

/// What came of a transaction, and where in the feed it stands.
#[derive(Debug)]
pub struct Committed<T> {
    /// What the body returned.
    pub value: T,
    /// The newest `seq` that it appended, if it touched any credential.
    pub seq: Option<i64>,
    /// The receipt for that, if it took something away.
    pub receipt: Option<ReceiptName>,
}

/// What the last statement of a transaction appended.
#[derive(Default)]
struct Appended {
    seq: Option<i64>,
    receipt: Option<ReceiptName>,
}

/// Errors that may wrap the store's.
pub trait Caused {
    /// The store's error behind this one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl Caused for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// An open transaction. Dropped before its end, it takes its connection with it, and so is rolled back.
pub struct Tx {
    client: Lent,
    touched: BTreeSet<String>,
    whole_tenant: bool,
    withdraws: bool,
}

impl Tx {
    /// All rows of a query.
    ///
    /// # Errors
    /// As Postgres says.
    pub async fn all(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let statement = self.client.prepare_cached(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// The one row of a query, if there is one.
    ///
    /// # Errors
    /// As Postgres says; [`StoreError::Broken`] when there are several.
    pub async fn opt(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, StoreError> {
        let mut rows = self.all(sql, params).await?;
        if rows.len() > 1 {
            return Err(StoreError::Broken("one row expected, several found".into()));
        }
        Ok(rows.pop())
    }

    /// The one row of a query that always has one.
    ///
    /// # Errors
    /// As Postgres says; [`StoreError::Broken`] when there is not exactly one.
    pub async fn one(&self, sql: &str, params: Params<'_>) -> Result<Row, StoreError> {
        let row = self.opt(sql, params).await?;
        row.ok_or_else(|| StoreError::Broken("one row expected, none found".into()))
    }

    /// A statement without rows; how many it changed.
    ///
    /// # Errors
    /// As Postgres says.
    pub async fn run(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let statement = self.client.prepare_cached(sql).await?;
        Ok(self.client.execute(&statement, params).await?)
    }

    /// Says that the record of this credential is another after this transaction.
    pub fn touch(&mut self, credential: &str) {
        self.touched.insert(credential.to_owned());
    }

    /// Says that this takes something away from this credential: its record is another, and there will be a
    /// receipt of who has heard when.
    pub fn withdraw(&mut self, credential: &str) {
        self.touch(credential);
        self.withdraws = true;
    }

    /// Says that the records of all accounts of the transaction's tenant are others after it.
    pub fn touch_tenant(&mut self) {
        self.whole_tenant = true;
    }

    /// Says that this takes something away from all accounts of the transaction's tenant.
    pub fn withdraw_tenant(&mut self) {
        self.touch_tenant();
        self.withdraws = true;
    }

    async fn commit(self) -> Result<Appended, StoreError> {
        const APPEND: &str = include_str!("../../sql/queries/change_append.sql");
        let touched: Vec<&str> = self.touched.iter().map(String::as_str).collect();
        let appended = if self.whole_tenant {
            self.append_whole_tenant().await?
        } else if touched.is_empty() {
            self.client.batch_execute("COMMIT").await?;
            Appended::default()
        } else {
            self.appended(self.append_and_commit(APPEND, &[&touched, &self.withdraws]).await?)?
        };
        drop(touched);
        self.client.give_back();
        Ok(appended)
    }

    /// All accounts of the tenant in one statement, which has more time than others. Everybody's changes wait for it.
    async fn append_whole_tenant(&self) -> Result<Appended, StoreError> {
        const TOO_MANY: &str = include_str!("../../sql/queries/service_account_are_more_than.sql");
        const APPEND: &str = include_str!("../../sql/queries/change_append_tenant.sql");
        if self.one(TOO_MANY, &[&MOST_ACCOUNTS]).await?.try_get(0)? {
            return Err(StoreError::TooMuch(WHOLE_TENANT));
        }
        // The wait for others is as long as with any change, and is not held against the tenant's size.
        self.client.batch_execute("SELECT hold_feed()").await?;
        let limit = format!("SET LOCAL statement_timeout = {}", WHOLE_TENANT.as_millis());
        self.client.batch_execute(&limit).await?;
        let started = Instant::now();
        let appended = self.append_and_commit(APPEND, &[&self.withdraws]).await;
        self.appended(appended.map_err(|error| match error.code() {
            // Somebody may have cancelled it before.
            Some(&SqlState::QUERY_CANCELED) if started.elapsed() >= WHOLE_TENANT => {
                StoreError::TooMuch(WHOLE_TENANT)
            }
            _ => error.into(),
        })?)
    }

    /// In one go, so that the lock is not held for a round trip. Should the first fail, the second rolls back.
    async fn append_and_commit(
        &self,
        append: &str,
        values: Params<'_>,
    ) -> Result<(Option<i64>, Option<Uuid>), tokio_postgres::Error> {
        let append = self.client.prepare_cached(append).await?;
        let asked = clock::since_boot();
        let (appended, committed) =
            join(self.client.query_one(&append, values), self.client.batch_execute("COMMIT")).await;
        let appended = appended?;
        let (seq, id) = (appended.try_get::<_, Option<i64>>("seq")?, appended.try_get("receipt_id")?);
        committed?;
        if let Some(seq) = seq {
            protocol_log::committed(seq, asked);
        }
        Ok((seq, id))
    }

    fn appended(&self, (seq, id): (Option<i64>, Option<Uuid>)) -> Result<Appended, StoreError> {
        // Without it nobody would wait for those who have not heard.
        if self.withdraws && seq.is_some() && id.is_none() {
            return Err(StoreError::Broken("a withdrawal without a receipt".into()));
        }
        Ok(Appended { seq, receipt: seq.zip(id).map(|(seq, id)| ReceiptName { id, seq }) })
    }

    async fn roll_back(self) {
        if self.client.batch_execute("ROLLBACK").await.is_ok() {
            self.client.give_back();
        }
    }
}

impl Store {
    /// Runs `body` in a transaction that sees this one tenant (and what is below it in the tree).
    /// It is run again when another transaction was faster, so it must not have effects elsewhere.
    ///
    /// # Errors
    /// The body's own, and the store's.
    pub async fn run_tx<T, E>(
        &self,
        name: &'static str,
        tsg_id: &TsgId,
        body: impl AsyncFn(&mut Tx) -> Result<T, E>,
    ) -> Result<Committed<T>, E>
    where
        E: From<StoreError> + Caused,
    {
        let started = Instant::now();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            let outcome = match tokio::time::timeout(LIMIT, self.try_tx(tsg_id, &body)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(StoreError::TimedOut(LIMIT).into()),
            };
            let contended = |e: &E| matches!(e.store_error(), Some(StoreError::Contended(_)));
            match outcome {
                Err(error) if tries < TRIES && contended(&error) => {}
                outcome => break outcome,
            }
        };
        metrics::histogram!("carnet_transaction_seconds", "name" => name).record(started.elapsed());
        outcome
    }

    async fn try_tx<T, E>(
        &self,
        tsg_id: &TsgId,
        body: &impl AsyncFn(&mut Tx) -> Result<T, E>,
    ) -> Result<Committed<T>, E>
    where
        E: From<StoreError>,
    {
        let client = self.lend(&self.tenant).await?;
        let mut tx = Tx { client, touched: BTreeSet::new(), whole_tenant: false, withdraws: false };
        // A tsg_id is ten digits by its type, so it can stand in the statement.
        let begin = format!("BEGIN; SET LOCAL carnet.tsg_id = '{tsg_id}'");
        within(self.options.timeout, async { Ok(tx.client.batch_execute(&begin).await?) }).await?;
        match body(&mut tx).await {
            Ok(value) => {
                let Appended { seq, receipt } = tx.commit().await?;
                Ok(Committed { value, seq, receipt })
            }
            Err(error) => {
                tx.roll_back().await;
                Err(error)
            }
        }
    }
}
