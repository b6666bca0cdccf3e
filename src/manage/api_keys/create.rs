//! Making an API key: the product's key policy, rule by rule. Which rules there are is code; which
//! of them a product has is data, in its row.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{denied, read};
use crate::domain::numbering;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::once::{self, Made, Once};
use crate::manage::{Caller, Manage, ManageError, record, redrawn, text};
use crate::store::access_policies::{self, AllApps};
use crate::store::api_keys::{self, ApiKey, Blocking};
use crate::store::caller::Hold;
use crate::store::products::{self, Product};
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::{StoreError, Tx, licenses};

/// A key to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it will open.
    #[garde(length(chars, min = 1, max = 63), custom(text::one_line))]
    pub product: String,
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub name: Option<String>,
    /// The account to bind.
    #[garde(skip)]
    pub service_account_id: Uuid,
    /// What people say of it.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub comment: Option<String>,
    /// All apps and services without a role are meant.
    #[garde(skip)]
    #[serde(default)]
    pub allow_without_role: bool,
}

impl Manage {
    /// Makes a key, pending.
    ///
    /// # Errors
    /// [`ManageError`], in this order: `unknown_product`, `license_required`,
    /// `unknown_service_account`, `service_account_disabled`, `all_apps_required`,
    /// `all_apps_without_role`, `permissions_missing`, `unmigrated_key_exists`,
    /// `active_key_exists`, `service_account_already_bound`; and what every use case may say.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewApiKey,
        once: Option<&Once>,
    ) -> Result<Made<ApiKey>, ManageError> {
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Use(new.service_account_id)).await?;
            if !standing.rights.hold_for(Permission::ApiKey.name(), &new.product) {
                return Err(denied());
            }
            let id = numbering::api_key_id(standing.now, self.draw()?);
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                return Ok(Made::before(read(tx, tsg_id, once::resource(&first)?).await?));
            }
            let client_id = insert(tx, caller, tsg_id, id, new).await?;
            let details = json!({ "product": new.product, "client_id": client_id });
            record(tx, caller, tsg_id, "api_key.create", &id.to_string(), details).await?;
            Ok(Made::now(read(tx, tsg_id, id).await?))
        };
        let run = async || Ok(self.in_tenant("api_key.create", tsg_id, create).await?.value);
        redrawn("api_key_pkey", run).await
    }
}

/// Judges the request and writes the key; whose it is then.
async fn insert(
    tx: &mut Tx,
    caller: &Caller,
    tsg_id: &TsgId,
    id: i64,
    new: &NewApiKey,
) -> Result<String, ManageError> {
    let product = products::find(tx, &new.product).await?;
    let unknown = || ManageError::UnknownProduct { field: "product", names: vec![new.product.clone()] };
    let product = product.ok_or_else(unknown)?;
    let license = licenses::find_current(tx, tsg_id, &product.product).await?;
    let license = license.ok_or_else(|| ManageError::LicenseRequired(product.product.clone()))?;
    let account = usable_account(tx, tsg_id, new.service_account_id).await?;
    let grants = access_policies::list_all_apps(tx, tsg_id, &account.client_id).await?;
    entitled(&product, &account.client_id, &grants, new.allow_without_role)?;

    // Where a tenant may have several keys of a product, each has a slot of its own: an account is
    // still bound to one key only.
    let slot = if product.one_active_per_tenant {
        product.product.clone()
    } else {
        format!("{}/{id}", product.product)
    };
    api_keys::release_expired(tx, tsg_id, &slot, account.id).await?;
    let blocking = api_keys::find_blocking(tx, tsg_id, &slot, &product.product, account.id).await?;
    unblocked(blocking, &product.product, &account.client_id)?;

    let row = api_keys::NewApiKey {
        api_key_id: id,
        tsg_id,
        product: &product.product,
        slot: &slot,
        name: new.name.as_deref(),
        service_account_id: account.id,
        client_id: &account.client_id,
        comment: new.comment.as_deref(),
        expires_at: product.expires_with_license.then_some(license.ends_at),
        created_by: &caller.client_id,
    };
    match api_keys::insert(tx, &row).await {
        Ok(()) => Ok(account.client_id),
        Err(error) => Err(outrun(error, &product.product, &account.client_id)),
    }
}

async fn usable_account(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<ServiceAccount, ManageError> {
    let account = service_accounts::find(tx, tsg_id, id).await?;
    let account = account.ok_or(ManageError::UnknownServiceAccount)?;
    if account.enabled { Ok(account) } else { Err(ManageError::ServiceAccountDisabled(account.client_id)) }
}

/// Whether an account that holds these for all apps and services may own a key of the product.
fn entitled(
    product: &Product,
    client_id: &str,
    grants: &[AllApps],
    allow_without_role: bool,
) -> Result<(), ManageError> {
    if !product.requires_all_apps {
        return Ok(());
    }
    if grants.is_empty() {
        return Err(ManageError::AllAppsRequired(client_id.to_owned()));
    }
    let lacking = |held: &Vec<String>| -> Vec<String> {
        product.required_permissions.iter().filter(|p| !held.contains(p)).cloned().collect()
    };
    // One role must hold all of them; if none does, the one that comes closest says what is missing.
    match grants.iter().flatten().map(lacking).min_by_key(Vec::len) {
        None if allow_without_role => Ok(()),
        None => Err(ManageError::AllAppsWithoutRole(client_id.to_owned())),
        Some(missing) if missing.is_empty() => Ok(()),
        Some(missing) => Err(ManageError::PermissionsMissing(missing)),
    }
}

fn unblocked(blocking: Blocking, product: &str, client_id: &str) -> Result<(), ManageError> {
    match blocking {
        Blocking { unmigrated: true, .. } => Err(ManageError::UnmigratedKeyExists(product.to_owned())),
        Blocking { active: true, .. } => Err(ManageError::ActiveKeyExists(product.to_owned())),
        Blocking { bound: true, .. } => Err(ManageError::ServiceAccountAlreadyBound(client_id.to_owned())),
        Blocking { unmigrated: false, active: false, bound: false } => Ok(()),
    }
}

/// Another transaction made a key in between: the indexes tell what [`unblocked`] would have told.
fn outrun(error: StoreError, product: &str, client_id: &str) -> ManageError {
    match error.constraint() {
        Some("api_key_one_per_slot") => ManageError::ActiveKeyExists(product.to_owned()),
        Some("api_key_one_per_account") => ManageError::ServiceAccountAlreadyBound(client_id.to_owned()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::store::products::KeyStyle;

    fn product() -> Product {
        Product {
            product: "p".into(),
            title: "P".into(),
            audience: "urn:p".into(),
            algorithm: Algorithm::RS256,
            token_lifetime_seconds: 900,
            key_style: KeyStyle::BoundServiceAccount,
            one_active_per_tenant: true,
            requires_all_apps: true,
            required_permissions: vec!["a".into(), "b".into()],
            expires_with_license: true,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other half of the type is a policy without a role")]
    fn role(permissions: &[&str]) -> AllApps {
        Some(permissions.iter().map(|&p| p.to_owned()).collect())
    }

    fn code(grants: &[AllApps], allow_without_role: bool) -> Result<(), &'static str> {
        entitled(&product(), "c", grants, allow_without_role).map_err(|e| e.code())
    }

    #[test]
    fn all_apps_need_one_role_with_all_permissions() {
        assert_eq!(code(&[], true), Err("all_apps_required"));
        assert_eq!(code(&[None], false), Err("all_apps_without_role"));
        assert_eq!(code(&[None], true), Ok(()));
        assert_eq!(code(&[None, role(&["a"])], true), Err("permissions_missing"));
        assert_eq!(code(&[role(&["a"]), role(&["b"])], false), Err("permissions_missing"));
        assert_eq!(code(&[role(&["a"]), role(&["b", "x", "a"])], false), Ok(()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = entitled(&product(), "c", &[role(&[]), role(&["a", "x"])], false);
        assert!(matches!(error, Err(ManageError::PermissionsMissing(missing)) if missing == ["b"]));
    }

    #[test]
    fn a_product_may_ask_for_none_of_it() {
        let product = Product { requires_all_apps: false, ..product() };
        assert!(entitled(&product, "c", &[], false).is_ok());
    }
}
