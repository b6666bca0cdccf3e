//! The certificates of service accounts.

use tokio_postgres::types::Json;
use uuid::Uuid;

use super::revised::Revised;
use super::service_accounts::ServiceAccount;
use super::{StoreError, Tx};
use crate::domain::certificate::ClientCertificates;
use crate::domain::tenant::TsgId;

/// The certificates of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<ClientCertificates>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/client_certificates_find_one.sql");
    let Some(row) = tx.opt(FIND, &[&tsg_id.as_str(), &account]).await? else {
        return Ok(Revised::default());
    };
    let Json(certificates) = row.try_get("certificates")?;
    let name = row.try_get::<_, Option<Json<_>>>("name")?.map(|Json(name)| name);
    let value = ClientCertificates { name, certificates, bound: row.try_get("bound")? };
    Ok(Revised { value, revision: row.try_get("revision")? })
}

/// Writes other certificates of an account that is held for change. Where one is gone, or the name is another, that is a
/// withdrawal.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    tx: &mut Tx,
    account: &ServiceAccount,
    before: &ClientCertificates,
    after: &ClientCertificates,
) -> Result<(), StoreError> {
    const UPSERT: &str = include_str!("../../sql/queries/client_certificates_upsert_one.sql");
    let (name, certificates) = (after.name.as_ref().map(Json), Json(&after.certificates));
    let values: super::Params<'_> =
        &[&account.tsg_id.as_str(), &account.id, &name, &certificates, &after.bound];
    tx.run(UPSERT, values).await?;
    if before.is_kept_by(after) {
        tx.touch(&account.client_id);
    } else {
        tx.withdraw(&account.client_id);
    }
    Ok(())
}
