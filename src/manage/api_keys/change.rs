//! Changing an API key: what people call it and say of it; and when it ends. That comes nearer, and is put off only where the
//! product's policy lets it, and never once it has come.
//!
//! An end in the future needs nobody to act when it comes, for every record says when its keys end. But everybody has
//! to have heard of a change of it, so that is answered as a revoke is.

use garde::Validate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::create::{licensed, name_is_free};
use super::refused::KeyRefused;
use super::{Held, read};
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, record, text};
use crate::store::api_keys::{self, ApiKey};
use crate::store::products::Product;
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
    /// When it will end: earlier than so far, or later where the policy allows it. A moment that is over means now.
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
            let Held { key: before, product, now } = self.hold_key(tx, caller, tsg_id, id).await?;
            expected.check(before.revision)?;
            let (after, asked) = changed(&before, &product, change, now)?;
            if after != before || asked.is_some() {
                self.write(tx, caller, (&before, &after), &product, asked).await?;
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

impl Manage {
    async fn write(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        (before, after): (&ApiKey, &ApiKey),
        product: &Product,
        asked: Option<Timestamp>,
    ) -> Result<(), ManageError> {
        let (tsg_id, id) = (&before.tsg_id, before.api_key_id);
        let later = after.expires_at.filter(|end| before.expires_at.is_some_and(|so_far| *end > so_far));
        // The license must still be there, and stay as it is meanwhile.
        let license = if later.is_some() { Some(licensed(tx, tsg_id, product).await?) } else { None };
        let expires_at = license.map_or(after.expires_at, |license| later.map(|end| end.min(license)));
        if let (true, Some(name)) =
            (before.name != after.name && product.key_policy.name_is_unique, &after.name)
        {
            name_is_free(tx, tsg_id, &before.product, name).await?;
        }
        let after = ApiKey { expires_at, ..after.clone() };
        if api_keys::update(tx, before, &after, asked).await? == Changed::NotThere {
            return Err(ManageError::NotFound);
        }
        let details = json!({ "name": after.name, "expires_at": after.expires_at });
        Ok(record(tx, caller, tsg_id, "api_key.update", &id.to_string(), details).await?)
    }
}

/// The key after the change, and the end that was asked for, where one was.
fn changed(
    before: &ApiKey,
    product: &Product,
    change: &ApiKeyChange,
    now: Timestamp,
) -> Result<(ApiKey, Option<Timestamp>), ManageError> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        if name.is_none() && product.key_policy.requires_name {
            return Err(KeyRefused::NameRequired(product.product.clone()).into());
        }
        after.name.clone_from(name);
    }
    if let Some(comment) = &change.comment {
        after.comment.clone_from(comment);
    }
    let Some(asked) = change.expires_at else { return Ok((after, None)) };
    let end = asked.max(now);
    let later = before.expires_at.is_some_and(|so_far| end > so_far);
    if later && !product.key_policy.may_be_extended {
        return Err(ManageError::ExpiresLater);
    }
    after.expires_at = Some(end);
    Ok((after, (before.expires_at != Some(end)).then_some(end)))
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
