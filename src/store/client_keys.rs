//! The public keys of service accounts.

use tokio_postgres::types::Json;
use uuid::Uuid;

use super::revised::Revised;
use super::service_accounts::ServiceAccount;
use super::{StoreError, Tx};
use crate::domain::record::{ClientKeyPart, ClientKeys};
use crate::domain::tenant::TsgId;

/// The keys of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<ClientKeys>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/client_keys_find_one.sql");
    let Some(row) = tx.opt(FIND, &[&tsg_id.as_str(), &account]).await? else {
        return Ok(Revised::default());
    };
    let Json(keys) = row.try_get::<_, Json<Vec<ClientKeyPart>>>("keys")?;
    let jwks_uri = row.try_get::<_, Option<Json<_>>>("jwks_uri")?.map(|Json(address)| address);
    Ok(Revised { value: ClientKeys { keys, jwks_uri }, revision: row.try_get("revision")? })
}

/// Writes other keys of an account that is held for change. Where one is gone or is good for less than before, that is a
/// withdrawal.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    tx: &mut Tx,
    account: &ServiceAccount,
    before: &ClientKeys,
    after: &ClientKeys,
) -> Result<(), StoreError> {
    const UPSERT: &str = include_str!("../../sql/queries/client_keys_upsert_one.sql");
    let (keys, address) = (Json(&after.keys), after.jwks_uri.as_ref().map(Json));
    tx.run(UPSERT, &[&account.tsg_id.as_str(), &account.id, &keys, &address]).await?;
    let kept = before.keys.iter().all(|key| after.keys.contains(key));
    if kept && (before.jwks_uri.is_none() || before.jwks_uri == after.jwks_uri) {
        tx.touch(&account.client_id);
    } else {
        tx.withdraw(&account.client_id);
    }
    Ok(())
}
