//! Revoking an API key: committed first, then heard of everywhere, then answered.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::{changeable, read};
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;
use crate::manage::once::{self, Made, Once};
use crate::manage::{Caller, Manage, ManageError, Patience, Withdrawn, record, text};
use crate::store::api_keys::{self, ApiKey};
use crate::store::caller::Hold;
use crate::store::{Changed, Tx, receipts};

/// Why a key is revoked.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// For those who ask later.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub reason: Option<String>,
}

impl Manage {
    /// Revokes a key and waits until nobody accepts it. The answer's status tells whether everybody
    /// has heard: `Revoked`, or still `Revoking`. Who asks again waits again.
    ///
    /// # Errors
    /// [`ManageError`]: `api_key_expired`, and what every use case may say.
    pub async fn revoke_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
        why: &Revocation,
        once: Option<&Once>,
        patience: Patience,
    ) -> Result<Made<Withdrawn<ApiKey>>, ManageError> {
        let revoke = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            let key = changeable(tx, &standing.rights, tsg_id, id).await?;
            let replayed = once::claim(tx, caller, tsg_id, once, &id.to_string()).await?.is_some();
            withdraw(tx, caller, &key, why).await?;
            // Had another revoked it before, its change is the one to wait for.
            let before = receipts::find_of_key(tx, tsg_id, id).await?;
            Ok((replayed, before.map(|receipt| receipt.name())))
        };
        let done = self.withdraw("api_key.revoke", tsg_id, patience, revoke).await?;
        let again = async |tx: &mut Tx| read(tx, tsg_id, id).await;
        let value = self.in_tenant("api_key.find", tsg_id, again).await?.value;
        Ok(Made { replayed: done.value, value: Withdrawn { value, receipt: done.receipt } })
    }
}

/// Changes the row, if there is anything left to change in it.
async fn withdraw(tx: &mut Tx, caller: &Caller, key: &ApiKey, why: &Revocation) -> Result<(), ManageError> {
    match key.status {
        KeyStatus::Expired => return Err(ManageError::ApiKeyExpired),
        KeyStatus::Revoking | KeyStatus::Revoked => return Ok(()),
        KeyStatus::Unmigrated | KeyStatus::Pending | KeyStatus::Valid | KeyStatus::Inactive => {}
    }
    let reason = why.reason.as_deref();
    // Nothing changed means that another revoked it since we read it.
    if api_keys::revoke(tx, key, &caller.client_id, reason).await? == Changed::Done {
        let id = key.api_key_id.to_string();
        let details = json!({ "product": key.product, "reason": reason });
        record(tx, caller, &key.tsg_id, "api_key.revoke", &id, details).await?;
    }
    Ok(())
}
