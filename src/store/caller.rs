//! Who asks, and what that one may do: the first question of every use case.

use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::{StoreError, Tx};
use crate::domain::rights::Rights;
use crate::domain::tenant::TsgId;

/// What a caller is in one tenant, true until the end of the transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its account, its secret and its tenant still authenticate.
    pub alive: bool,
    /// The tenant exists, and is the token's own or below it.
    pub reaches: bool,
    /// What it holds there.
    pub rights: Rights,
    /// The authority's time.
    pub now: Timestamp,
}

/// Reads what a caller may do in `tsg_id`, and holds its account and secret as they are.
///
/// # Errors
/// [`StoreError`].
pub async fn read_rights(
    tx: &Tx,
    client_id: &str,
    credential_id: &str,
    token_tsg: &TsgId,
    tsg_id: &TsgId,
) -> Result<Standing, StoreError> {
    const READ: &str = include_str!("../../sql/queries/caller_read_rights.sql");
    let row = tx.one(READ, &[&client_id, &credential_id, &token_tsg.as_str(), &tsg_id.as_str()]).await?;
    let Json(rights) = row.try_get("rights")?;
    Ok(Standing {
        alive: row.try_get("alive")?,
        reaches: row.try_get("reaches")?,
        rights,
        now: row.try_get("now")?,
    })
}
