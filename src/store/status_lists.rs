//! Status lists: which places of them are good. Who has which place is written where pairs are made, by the database itself.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::feed::{History, history};
use super::{Store, StoreError};

/// The most pairs that are forgotten at once.
const PRUNED: i32 = 1_000;
/// How long others have the database before more of them are.
const REST: Duration = Duration::from_millis(100);

/// Something that was read, and whose word it is.
#[derive(Clone, Debug)]
pub struct Stamped<T> {
    /// What.
    pub value: T,
    /// The authority's time at the look.
    pub now: Timestamp,
    /// Every change up to this one was there to be seen.
    pub head: i64,
    /// Whose word it is.
    pub history: History,
}

/// What a list says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusBits {
    /// The first place that is yet to be given away.
    pub given: u32,
    /// The places that are good.
    pub good: Vec<u32>,
}

impl<T> Stamped<T> {
    fn from_row(row: &Row, value: T) -> Result<Self, StoreError> {
        Ok(Self { value, now: row.try_get("now")?, head: row.try_get("head")?, history: history(row)? })
    }
}

impl Store {
    /// All lists.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn status_lists(&self) -> Result<Stamped<Vec<i64>>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/status_list_list_all.sql");
        let rows = self.engine_query(LIST, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("lists give one row".into()))?;
        Stamped::from_row(row, row.try_get("lists")?)
    }

    /// What one list says; nothing when there is no such list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn status_list(&self, list: i64) -> Result<Stamped<Option<StatusBits>>, StoreError> {
        const READ: &str = include_str!("../../sql/queries/status_list_read_one.sql");
        let rows = self.engine_query(READ, &[&list]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("a list gives one row".into()))?;
        let place =
            |idx: i32| u32::try_from(idx).map_err(|_| StoreError::Broken("a place is no place".into()));
        let Some(given) = row.try_get("given")? else {
            return Stamped::from_row(row, None);
        };
        let good = row.try_get::<_, Vec<i32>>("good")?.into_iter().map(place).collect::<Result<_, _>>()?;
        Stamped::from_row(row, Some(StatusBits { given: place(given)?, good }))
    }

    /// Forgets pairs that have long been gone, some after the others, and then lists of which nothing is left.
    ///
    /// # Errors
    /// [`StoreError`]; what was forgotten until then is.
    pub async fn prune_token_statuses(&self) -> Result<(), StoreError> {
        const PAIRS: &str = include_str!("../../sql/queries/token_status_prune.sql");
        const LISTS: &str = include_str!("../../sql/queries/status_list_prune.sql");
        loop {
            let rows = self.engine_query(PAIRS, &[&PRUNED]).await?;
            let gone: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
            if gone < i64::from(PRUNED) {
                break;
            }
            tokio::time::sleep(REST).await;
        }
        self.engine_query(LISTS, &[]).await?;
        Ok(())
    }
}
