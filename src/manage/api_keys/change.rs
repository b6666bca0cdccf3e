//! Changing an API key: what people call it and say of it; and when it ends, which only comes nearer.
//!
//! An end in the future needs nobody to act when it comes, for every record says when its keys end. But everybody has
//! to have heard of a change of it, so that is answered as a revoke is.

use garde::Validate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{changeable, read};
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, record, text};
use crate::store::api_keys::{self, ApiKey};
use crate::store::caller::Hold;
use crate::store::{Changed, Tx, receipts};

/// What to change of a key; what is not given stays (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyChange {
    /// What people will call it; `null` empties it.
    #[garde(length(chars, min = 1, max = 128), inner(inner(custom(text::one_line))))]
    #[serde(default, deserialize_with = "text::given")]
    pub name: Option<Option<String>>,
    /// What people say of it; `null` empties it.
    #[garde(length(chars, max = 1024), inner(inner(custom(text::lines))))]
    #[serde(default, deserialize_with = "text::given")]
    pub comment: Option<Option<String>>,
    /// When it will end: earlier than so far. A moment that is over means now.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::moment")]
    pub expires_at: Option<Timestamp>,
}

impl Manage {
    /// Changes a key. Bringing its end forward waits until everybody has heard.
    ///
    /// # Errors
    /// [`ManageError`]: `api_key_expired`, `api_key_revoked`, `stale_etag`, `expires_later`, and what every use case
    /// may say.
    pub async fn change_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
        expected: &Expected,
        change: &ApiKeyChange,
        patience: Patience,
    ) -> Result<Withdrawn<ApiKey>, ManageError> {
        let update = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            api_keys::hold(tx, tsg_id, id).await?;
            let before = changeable(tx, &standing.rights, tsg_id, id).await?;
            alive(before.status)?;
            expected.check(before.revision)?;
            let after = changed(&before, change, standing.now)?;
            if after != before {
                if api_keys::update(tx, &before, &after).await? == Changed::NotThere {
                    return Err(ManageError::NotFound);
                }
                let details = json!({ "name": after.name, "expires_at": after.expires_at });
                record(tx, caller, tsg_id, "api_key.update", &id.to_string(), details).await?;
            }
            // Who asks again for the end that it has waits for the change that brought it there.
            let asked = change.expires_at.is_some();
            let told = if asked { receipts::find_of_key(tx, tsg_id, id).await? } else { None };
            Ok(((), told.map(|receipt| receipt.name())))
        };
        let Withdrawn { receipt, .. } = self.withdraw("api_key.update", tsg_id, patience, update).await?;
        // Read now, for its time may be over since the transaction began.
        let again = async |tx: &mut Tx| read(tx, tsg_id, id).await;
        Ok(Withdrawn { value: self.in_tenant("api_key.find", tsg_id, again).await?.value, receipt })
    }
}

fn alive(status: KeyStatus) -> Result<(), ManageError> {
    match status {
        KeyStatus::Expired => Err(ManageError::ApiKeyExpired),
        KeyStatus::Revoking | KeyStatus::Revoked => Err(ManageError::ApiKeyRevoked),
        KeyStatus::Unmigrated | KeyStatus::Pending | KeyStatus::Valid | KeyStatus::Inactive => Ok(()),
    }
}

fn changed(before: &ApiKey, change: &ApiKeyChange, now: Timestamp) -> Result<ApiKey, ManageError> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        after.name.clone_from(name);
    }
    if let Some(comment) = &change.comment {
        after.comment.clone_from(comment);
    }
    if let Some(asked) = change.expires_at {
        let end = asked.max(now);
        if before.expires_at.is_some_and(|so_far| end > so_far) {
            return Err(ManageError::ExpiresLater);
        }
        after.expires_at = Some(end);
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> Result<ApiKeyChange, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_change_tells_null_from_nothing() {
        let none = change("{}").expect("a change");
        assert!(none.name.is_none() && none.comment.is_none() && none.expires_at.is_none());
        let emptied = change(r#"{"name":null,"comment":null}"#).expect("a change");
        assert_eq!((&emptied.name, &emptied.comment), (&Some(None), &Some(None)));
        assert!(emptied.validate().is_ok());
        for bad in [r#"{"expires_at":null}"#, r#"{"expires_at":"soon"}"#, r#"{"product":"x"}"#] {
            assert!(change(bad).is_err(), "{bad}");
        }
        assert!(change(r#"{"name":""}"#).is_ok_and(|change| change.validate().is_err()));
    }
}
