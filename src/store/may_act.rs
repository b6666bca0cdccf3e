//! Who may act for a service account.

use uuid::Uuid;

use super::revised::Revised;
use super::service_accounts::ServiceAccount;
use super::{StoreError, Tx};
use crate::domain::tenant::TsgId;

/// Who may act for an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<Vec<String>>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/may_act_find_one.sql");
    let Some(row) = tx.opt(FIND, &[&tsg_id.as_str(), &account]).await? else {
        return Ok(Revised::default());
    };
    Ok(Revised { value: row.try_get("actors")?, revision: row.try_get("revision")? })
}

/// Those of these who are no accounts of the tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn list_unknown(tx: &Tx, tsg_id: &TsgId, actors: &[String]) -> Result<Vec<String>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/may_act_list_unknown.sql");
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &actors]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes who may act for an account that is held for change. Where one is gone, that is a withdrawal.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    tx: &mut Tx,
    account: &ServiceAccount,
    before: &[String],
    after: &[String],
) -> Result<(), StoreError> {
    const UPSERT: &str = include_str!("../../sql/queries/may_act_upsert_one.sql");
    tx.run(UPSERT, &[&account.tsg_id.as_str(), &account.id, &after]).await?;
    if before.iter().all(|actor| after.contains(actor)) {
        tx.touch(&account.client_id);
    } else {
        tx.withdraw(&account.client_id);
    }
    Ok(())
}
