//! What is written down of clients that have proved themselves, by what and from where, and of how many tokens they have got. In
//! batches, beside the answers.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Params, Store, StoreError, Tx};
use crate::domain::credential_id::CredentialId;
use crate::domain::last_use::{LastUse, Watched};
use crate::domain::tenant::TsgId;

/// The last use of one proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Used {
    /// Whose; nobody's where it is a key that is presented by itself.
    pub account: Option<Uuid>,
    /// Which.
    pub credential_id: String,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: Option<IpAddr>,
}

/// How many more tokens a tenant has got on a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Which tenant.
    pub tsg_id: String,
    /// On which day, UTC.
    pub day: Date,
    /// How many.
    pub tokens: i64,
}

/// A client that seems to get a token for each of its requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hurried {
    /// Which.
    pub account: Uuid,
    /// When it was seen to.
    pub at: Timestamp,
    /// How many it got in a minute, from one address.
    pub tokens_per_minute: i32,
}

/// What could be better about how a client uses this service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Advice {
    /// What.
    pub code: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// When it was last so.
    pub last_seen_at: Timestamp,
    /// How many tokens it got in a minute then.
    pub tokens_per_minute: i32,
}

/// A batch of an instance, by its number; the same number is written once.
#[derive(Clone, Debug)]
pub struct UsageBatch {
    /// Which instance.
    pub instance: Uuid,
    /// Higher than that of the batch before.
    pub number: i64,
    /// What was used.
    pub used: Vec<Used>,
    /// What was counted.
    pub counted: Vec<Counted>,
}

impl Store {
    /// Writes a batch, unless it was written before.
    ///
    /// # Errors
    /// [`StoreError`]; then it may have been written or not, and is to be sent again as it is.
    pub async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        const RECORD: &str = include_str!("../../sql/queries/usage_record_batch.sql");
        let (mut accounts, mut ids, mut at, mut addresses) = (vec![], vec![], vec![], vec![]);
        for used in &batch.used {
            accounts.push(used.account);
            ids.push(used.credential_id.as_str());
            at.push(used.at);
            addresses.push(used.address);
        }
        let (mut tenants, mut days, mut tokens) = (vec![], vec![], vec![]);
        for counted in &batch.counted {
            tenants.push(counted.tsg_id.as_str());
            days.push(counted.day);
            tokens.push(counted.tokens);
        }
        let values: Params<'_> =
            &[&batch.instance, &batch.number, &accounts, &ids, &at, &addresses, &tenants, &days, &tokens];
        self.engine_query(RECORD, values).await?;
        Ok(())
    }

    /// Writes which clients seem to get a token for each request; the names of those that begin to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_token_per_request(&self, hurried: &[Hurried]) -> Result<Vec<String>, StoreError> {
        const RECORD: &str = include_str!("../../sql/queries/token_per_request_record_many.sql");
        let accounts: Vec<Uuid> = hurried.iter().map(|one| one.account).collect();
        let at: Vec<Timestamp> = hurried.iter().map(|one| one.at).collect();
        let per_minute: Vec<i32> = hurried.iter().map(|one| one.tokens_per_minute).collect();
        let rows = self.engine_query(RECORD, &[&accounts, &at, &per_minute]).await?;
        rows.iter().map(|row| Ok(row.try_get("client_id")?)).collect()
    }

    /// Forgets what nobody is shown any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_usage(&self) -> Result<(), StoreError> {
        const PRUNE: &str = include_str!("../../sql/queries/usage_prune.sql");
        self.engine_query(PRUNE, &[]).await?;
        Ok(())
    }
}

/// The last use that a row speaks of.
pub(super) fn last_use(row: &Row) -> Result<LastUse, StoreError> {
    Ok(LastUse::new(row.try_get("last_used_at")?, row.try_get("last_used_address")?))
}

/// The last uses of all proofs of an account.
#[derive(Debug)]
pub struct LastUses(HashMap<String, LastUse>);

impl LastUses {
    /// That of one.
    #[must_use]
    pub fn of(&self, credential_id: &CredentialId) -> LastUse {
        self.0.get(&credential_id.to_string()).cloned().unwrap_or_default()
    }

    /// A proof with its last use.
    pub fn watch<T>(&self, credential_id: CredentialId, proof: T) -> Watched<T> {
        Watched { proof, last_use: self.of(&credential_id) }
    }
}

/// The last uses of all proofs of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn of_account(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<LastUses, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/credential_use_list_of_account.sql");
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &account]).await?;
    let uses = rows.iter().map(|row| Ok((row.try_get("credential_id")?, last_use(row)?)));
    Ok(LastUses(uses.collect::<Result<_, StoreError>>()?))
}

/// Since when uses are written down; and the authority's time.
///
/// # Errors
/// [`StoreError`].
pub async fn known_since(tx: &Tx) -> Result<(Timestamp, Timestamp), StoreError> {
    const READ: &str = include_str!("../../sql/queries/use_known_since_read.sql");
    let row = tx.one(READ, &[]).await?;
    Ok((row.try_get("at")?, row.try_get("now")?))
}

/// What could be better about these accounts.
///
/// # Errors
/// [`StoreError`].
pub async fn advice(tx: &Tx, tsg_id: &TsgId, accounts: &[Uuid]) -> Result<HashMap<Uuid, Advice>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/token_per_request_list_recent.sql");
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &accounts]).await?;
    let advice = |row: &Row| {
        let advice = Advice {
            code: "token_per_request",
            since: row.try_get("since")?,
            last_seen_at: row.try_get("last_seen_at")?,
            tokens_per_minute: row.try_get("tokens_per_minute")?,
        };
        Ok((row.try_get("service_account_id")?, advice))
    };
    rows.iter().map(advice).collect()
}
