//! A POST that may be repeated: which request had a key first, and what it made.

use super::{Inserted, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// The first request with a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct First {
    /// What kind of request it was: a SHA-256 of method, path and body.
    pub fingerprint: Vec<u8>,
    /// The id of what it made.
    pub resource: String,
}

/// Whose key it is.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The tenant in which something is made.
    pub tsg_id: &'a TsgId,
    /// The `client_id` that makes it.
    pub caller: &'a str,
    /// The key that it chose.
    pub key: &'a str,
}

/// Claims a key for a request that is about to make `resource`. Waits for another transaction that
/// is claiming the same key.
///
/// # Errors
/// [`StoreError`].
pub async fn claim(
    tx: &Tx,
    owner: Owner<'_>,
    fingerprint: &[u8],
    resource: &str,
) -> Result<Inserted, StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/idempotency_key_insert_claim.sql");
    let Owner { tsg_id, caller, key } = owner;
    let rows = tx.run(INSERT, &[&tsg_id.as_str(), &caller, &key, &fingerprint, &resource]).await?;
    Ok(Inserted::from_count(rows))
}

/// The first request with a key.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, owner: Owner<'_>) -> Result<Option<First>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/idempotency_key_find_one.sql");
    let row = tx.opt(FIND, &[&owner.tsg_id.as_str(), &owner.caller, &owner.key]).await?;
    let first = |row: tokio_postgres::Row| {
        Ok(First { fingerprint: row.try_get("fingerprint")?, resource: row.try_get("resource")? })
    };
    row.map(first).transpose()
}
