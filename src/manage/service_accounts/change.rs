//! Changing and deleting a service account: only by who has seen its latest revision.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::certificates::ShownCertificates;
use super::client_keys::ShownKeys;
use super::trust_rules::ShownRules;
use super::{Shown, documents, read};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{
    Caller, Expected, Manage, ManageError, Patience, Withdrawn, holds_no_more, needs, record, text,
};
use crate::store::caller::Hold;
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::{Changed, Tx, access_policies, api_keys, client_secrets, receipts};

/// Why keys go when their account goes.
const ACCOUNT_DELETED: &str = "its service account was deleted";

/// What to change of an account; what is not given stays (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountChange {
    /// What it is for; `null` empties it.
    #[garde(length(chars, max = 1024), inner(inner(custom(text::lines))))]
    #[serde(default, deserialize_with = "text::given")]
    pub description: Option<Option<String>>,
    /// Whom to ask about it; `null` empties it.
    #[garde(email, length(chars, max = 254))]
    #[serde(default, deserialize_with = "text::given")]
    pub contact_email: Option<Option<String>>,
    /// Whether it may authenticate.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::given")]
    pub enabled: Option<bool>,
    /// Whether it gets tokens with a proof of possession only (RFC 9449 §5.2).
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::given")]
    pub dpop_bound_access_tokens: Option<bool>,
}

impl Manage {
    /// Changes an account. Switching it off waits until nobody accepts it, and binding its tokens until nobody gives it others.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn change_service_account(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        change: &ServiceAccountChange,
        patience: Patience,
    ) -> Result<Withdrawn<Shown>, ManageError> {
        let update = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Change(id)).await?;
            needs(&standing.rights, Permission::ServiceAccount)?;
            let before = found(tx, tsg_id, id).await?;
            holds_no_more(tx, caller, &before.client_id).await?;
            expected.check(before.revision)?;
            let after = changed(&before, change);
            if after != before {
                if service_accounts::update(tx, &before, &after).await? == Changed::NotThere {
                    return Err(ManageError::NotFound);
                }
                let details =
                    json!({ "enabled": after.enabled, "dpop_bound_access_tokens": after.dpop_bound });
                record(tx, caller, tsg_id, "service_account.update", &id.to_string(), details).await?;
            }
            // Who asks again to take something away waits for the change that did so.
            let takes_away = change.enabled == Some(false) || change.dpop_bound_access_tokens == Some(true);
            let told = if takes_away {
                receipts::name_of_credential(tx, tsg_id, &before.client_id).await?
            } else {
                None
            };
            Ok((read(tx, tsg_id, id).await?, told))
        };
        self.withdraw("service_account.update", tsg_id, patience, update).await
    }

    /// Deletes an account with its secrets, keys and grants, and waits until nobody accepts it.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_service_account(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<()>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Change(id)).await?;
            needs(&standing.rights, Permission::ServiceAccount)?;
            let account = found(tx, tsg_id, id).await?;
            holds_no_more(tx, caller, &account.client_id).await?;
            expected.check(account.revision)?;
            withdraw_all(tx, caller, &account).await?;
            if service_accounts::delete(tx, &account).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let details = json!({ "client_id": account.client_id });
            record(tx, caller, tsg_id, "service_account.delete", &id.to_string(), details).await?;
            Ok(((), None))
        };
        self.withdraw("service_account.delete", tsg_id, patience, delete).await
    }
}

/// Everything that an account could be used with or for; each has its own audit event.
async fn withdraw_all(tx: &mut Tx, caller: &Caller, account: &ServiceAccount) -> Result<(), ManageError> {
    let ServiceAccount { id, tsg_id, client_id, .. } = account;
    let why = json!({ "reason": ACCOUNT_DELETED });
    for secret in client_secrets::revoke_all(tx, tsg_id, *id).await? {
        record(tx, caller, tsg_id, "client_secret.revoke", &secret, why.clone()).await?;
    }
    documents::withdraw::<ShownKeys>(tx, caller, account, &why).await?;
    documents::withdraw::<ShownCertificates>(tx, caller, account, &why).await?;
    documents::withdraw::<ShownRules>(tx, caller, account, &why).await?;
    for key in api_keys::revoke_all(tx, tsg_id, *id, &caller.client_id, ACCOUNT_DELETED).await? {
        record(tx, caller, tsg_id, "api_key.revoke", &key.to_string(), why.clone()).await?;
    }
    for policy in access_policies::delete_all(tx, tsg_id, client_id).await? {
        record(tx, caller, tsg_id, "access_policy.delete", &policy.to_string(), why.clone()).await?;
    }
    Ok(())
}

fn changed(before: &ServiceAccount, change: &ServiceAccountChange) -> ServiceAccount {
    let mut after = before.clone();
    if let Some(description) = &change.description {
        after.description.clone_from(description);
    }
    if let Some(contact_email) = &change.contact_email {
        after.contact_email.clone_from(contact_email);
    }
    after.enabled = change.enabled.unwrap_or(before.enabled);
    after.dpop_bound = change.dpop_bound_access_tokens.unwrap_or(before.dpop_bound);
    after
}

pub(super) async fn found(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<ServiceAccount, ManageError> {
    service_accounts::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> ServiceAccountChange {
        serde_json::from_str(json).expect("a change")
    }

    #[test]
    fn a_change_tells_null_from_nothing() {
        assert_eq!(change("{}").description, None);
        assert_eq!(change(r#"{"description":null}"#).description, Some(None));
        assert_eq!(change(r#"{"description":"x"}"#).description, Some(Some("x".into())));
        for bad in [r#"{"name":"x"}"#, r#"{"enabled":null}"#, r#"{"dpop_bound_access_tokens":null}"#] {
            assert!(serde_json::from_str::<ServiceAccountChange>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_change_is_checked_like_a_creation() {
        let valid = |json: &str| change(json).validate().is_ok();
        assert!(
            valid("{}") && valid(r#"{"contact_email":null}"#) && valid(r#"{"contact_email":"a@b.example"}"#)
        );
        assert!(!valid(r#"{"contact_email":"nobody"}"#));
        assert!(!valid(r#"{"description":"a\u0000"}"#));
    }
}
