//! Who asks, and what that one may do: the first question of every use case.

use jiff::Timestamp;
use tokio_postgres::types::Json;
use uuid::Uuid;

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

/// Who asks, as its token says.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its account.
    pub client_id: &'a str,
    /// The secret that it showed.
    pub credential_id: &'a str,
    /// The tenant that its token is for.
    pub token_tsg: &'a TsgId,
    /// The names of its token, and of those that it was exchanged from; none where it has shown no token.
    pub tokens: &'a [Uuid],
}

/// What is held as it is until the end of the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Nothing: who only reads is told what was so when it was read.
    Nothing,
    /// The caller's own account.
    Caller,
    /// That, and this account, which others may use as well.
    Use(Uuid),
    /// That, and this account, which is about to be changed.
    Change(Uuid),
}

impl Hold {
    fn account(self) -> Option<Uuid> {
        match self {
            Self::Nothing | Self::Caller => None,
            Self::Use(account) | Self::Change(account) => Some(account),
        }
    }
}

/// Reads what a caller may do in `tsg_id`, holding what must stay as it is.
///
/// # Errors
/// [`StoreError`].
pub async fn read_rights(
    tx: &Tx,
    asker: Asker<'_>,
    tsg_id: &TsgId,
    hold: Hold,
) -> Result<Standing, StoreError> {
    const READ: &str = include_str!("../../sql/queries/caller_read_rights.sql");
    let Asker { client_id, credential_id, token_tsg, tokens } = asker;
    let (holds, changes) = (hold != Hold::Nothing, matches!(hold, Hold::Change(_)));
    let values: super::Params<'_> = &[
        &client_id,
        &credential_id,
        &token_tsg.as_str(),
        &tsg_id.as_str(),
        &holds,
        &hold.account(),
        &changes,
        &tokens,
    ];
    let row = tx.one(READ, values).await?;
    let Json(rights) = row.try_get("rights")?;
    Ok(Standing {
        alive: row.try_get("alive")?,
        reaches: row.try_get("reaches")?,
        rights,
        now: row.try_get("now")?,
    })
}

/// The permissions that `principal` holds somewhere and the caller does not hold there.
///
/// # Errors
/// [`StoreError`].
pub async fn read_lacking(tx: &Tx, asker: Asker<'_>, principal: &str) -> Result<Vec<String>, StoreError> {
    const READ: &str = include_str!("../../sql/queries/caller_read_lacking.sql");
    let row = tx.one(READ, &[&asker.client_id, &asker.token_tsg.as_str(), &principal]).await?;
    Ok(row.try_get(0)?)
}

/// Whether the caller holds this very role in a tenant, for a product.
///
/// # Errors
/// [`StoreError`].
pub async fn holds_role(
    tx: &Tx,
    asker: Asker<'_>,
    tsg_id: &TsgId,
    role: Uuid,
    product: &str,
) -> Result<bool, StoreError> {
    const READ: &str = include_str!("../../sql/queries/caller_holds_role.sql");
    let (token_tsg, tsg_id) = (asker.token_tsg.as_str(), tsg_id.as_str());
    Ok(tx.one(READ, &[&asker.client_id, &token_tsg, &tsg_id, &role, &product]).await?.try_get(0)?)
}
