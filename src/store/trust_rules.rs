//! The rules by which service accounts trust other issuers' tokens.

use serde::Serialize;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::revised::Revised;
use super::service_accounts::ServiceAccount;
use super::{StoreError, Tx};
use crate::domain::claim_rule::ClaimRule;
use crate::domain::tenant::TsgId;
use crate::domain::trust::TrustRulePart;

/// A rule to write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NewTrustRule {
    /// An issuer of the tenant.
    pub issuer_id: Uuid,
    /// What its tokens must say.
    pub claims: Vec<ClaimRule>,
}

/// The rules of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<Vec<TrustRulePart>>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/trust_rules_find_one.sql");
    let Some(row) = tx.opt(FIND, &[&tsg_id.as_str(), &account]).await? else {
        return Ok(Revised::default());
    };
    let Json(value) = row.try_get("rules")?;
    Ok(Revised { value, revision: row.try_get("revision")? })
}

/// Writes other rules of an account that is held for change. Where one is gone, that is a withdrawal.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    tx: &mut Tx,
    account: &ServiceAccount,
    before: &[TrustRulePart],
    rules: &[NewTrustRule],
) -> Result<(), StoreError> {
    const UPSERT: &str = include_str!("../../sql/queries/trust_rules_upsert_one.sql");
    tx.run(UPSERT, &[&account.tsg_id.as_str(), &account.id, &Json(rules)]).await?;
    let after = find(tx, &account.tsg_id, account.id).await?.value;
    let kept = |rule: &TrustRulePart| after.iter().any(|now| now.credential_id == rule.credential_id);
    if before.iter().all(kept) {
        tx.touch(&account.client_id);
    } else {
        tx.withdraw(&account.client_id);
    }
    Ok(())
}
