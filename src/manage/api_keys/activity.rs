//! Switching a key off and on again, where its product lets that happen. Off is answered as a revoke is, because nobody may honour
//! it any more; on goes through all regions once more, as a new key does.

use serde_json::json;

use super::refused::KeyRefused;
use super::{Held, read};
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Manage, ManageError, Patience, Withdrawn, record};
use crate::store::api_keys::{self, ApiKey};
use crate::store::{Changed, Tx, receipts};

impl Manage {
    /// Switches a valid key off and waits until nobody accepts it. Who asks again waits again.
    ///
    /// # Errors
    /// [`ManageError`]: `not_allowed_by_policy`, `api_key_not_valid`, `api_key_expired`, `api_key_revoked`, and what every
    /// use case may say.
    pub async fn deactivate_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
        patience: Patience,
    ) -> Result<Withdrawn<ApiKey>, ManageError> {
        let off = async |tx: &mut Tx| {
            let held = self.hold_key(tx, caller, tsg_id, id).await?;
            may_be_inactive(&held)?;
            if held.key.status != KeyStatus::Inactive {
                if api_keys::switch(tx, &held.key, false).await? == Changed::NotThere {
                    return Err(KeyRefused::NotValid(held.key.status.as_str()).into());
                }
                record(tx, caller, tsg_id, "api_key.deactivate", &id.to_string(), json!({})).await?;
            }
            let before = receipts::find_of_key(tx, tsg_id, id).await?;
            Ok(((), before.map(|receipt| receipt.name())))
        };
        let Withdrawn { receipt, .. } = self.withdraw("api_key.deactivate", tsg_id, patience, off).await?;
        let again = async |tx: &mut Tx| read(tx, tsg_id, id).await;
        Ok(Withdrawn { value: self.in_tenant("api_key.find", tsg_id, again).await?.value, receipt })
    }

    /// Switches a key on that is off; pending, until every region has it again. One that is on is left as it is.
    ///
    /// # Errors
    /// [`ManageError`]: as above, but `api_key_not_inactive`.
    pub async fn activate_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
    ) -> Result<ApiKey, ManageError> {
        let on = async |tx: &mut Tx| {
            let held = self.hold_key(tx, caller, tsg_id, id).await?;
            may_be_inactive(&held)?;
            match held.key.status {
                KeyStatus::Pending | KeyStatus::Valid => return Ok(held.key),
                status if api_keys::switch(tx, &held.key, true).await? == Changed::NotThere => {
                    return Err(KeyRefused::NotInactive(status.as_str()).into());
                }
                _ => {}
            }
            record(tx, caller, tsg_id, "api_key.activate", &id.to_string(), json!({})).await?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("api_key.activate", tsg_id, on).await?.value)
    }
}

fn may_be_inactive(held: &Held) -> Result<(), KeyRefused> {
    if held.product.key_policy.may_be_inactive {
        return Ok(());
    }
    let product = held.product.product.clone();
    Err(KeyRefused::Never {
        product,
        what: "switched off and on",
        instead: "revoke it, and make another one",
    })
}
