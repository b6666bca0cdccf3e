//! Single tokens that were taken back (RFC 7009).

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::service_accounts::ServiceAccount;
use super::{Store, StoreError, Tx};

/// The most tokens of an account that may be taken back and not have expired: its record holds them all.
pub const MOST_REVOKED_TOKENS: i64 = 1_000;
/// The most of these that may be taken back by who acts for the account: the rest is left to itself.
pub const MOST_REVOKED_BY_ACTORS: i64 = 100;
/// The most accounts whose records are made anew at once because tokens have expired. All changes wait meanwhile.
const PRUNED: i32 = 100;
/// For how long they have their way before it goes on.
const REST: Duration = Duration::from_millis(20);
/// The most times that it goes on in one go: a million accounts, some minutes.
const MOST_PARTS: u32 = 10_000;

/// A token to take back.
#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    /// A hash of its `jti`.
    pub token: Uuid,
    /// When everybody refuses it anyway.
    pub expires_at: Timestamp,
    /// Whether it is who acts for the account that takes it back.
    pub by_actor: bool,
}

/// What came of taking a token back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// It is taken back.
    Now,
    /// It was before.
    Before,
    /// There are [`MOST_REVOKED_TOKENS`] already.
    Full,
    /// There are [`MOST_REVOKED_BY_ACTORS`] already.
    FullForActors,
}

/// Takes a token of an account that is held for change back.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    tx: &mut Tx,
    account: &ServiceAccount,
    Revocation { token, expires_at, by_actor }: Revocation,
) -> Result<Noted, StoreError> {
    const COUNT: &str = include_str!("../../sql/queries/revoked_token_count_live.sql");
    const EXPIRED: &str = include_str!("../../sql/queries/revoked_token_delete_expired.sql");
    const INSERT: &str = include_str!("../../sql/queries/revoked_token_insert_new.sql");
    let (tsg_id, client_id) = (account.tsg_id.as_str(), &account.client_id);
    let row = tx.one(COUNT, &[&tsg_id, client_id, &token]).await?;
    if row.try_get("noted")? {
        return Ok(Noted::Before);
    }
    if row.try_get::<_, i64>("live")? >= MOST_REVOKED_TOKENS {
        return Ok(Noted::Full);
    }
    if by_actor && row.try_get::<_, i64>("by_actors")? >= MOST_REVOKED_BY_ACTORS {
        return Ok(Noted::FullForActors);
    }
    tx.run(EXPIRED, &[&tsg_id, client_id]).await?;
    tx.run(INSERT, &[&tsg_id, client_id, &token, &expires_at, &by_actor]).await?;
    tx.withdraw(client_id);
    Ok(Noted::Now)
}

impl Store {
    /// Forgets what has expired, of some accounts after the others, until nothing is left or as much is done as is done in one go.
    ///
    /// # Errors
    /// [`StoreError`]; what was forgotten until then is.
    pub async fn prune_revoked_tokens(&self) -> Result<(), StoreError> {
        const PRUNE: &str = include_str!("../../sql/queries/revoked_token_prune.sql");
        for _ in 0..MOST_PARTS {
            let rows = self.engine_query(PRUNE, &[&PRUNED]).await?;
            let accounts: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
            if accounts == 0 {
                break;
            }
            tokio::time::sleep(REST).await;
        }
        Ok(())
    }
}
