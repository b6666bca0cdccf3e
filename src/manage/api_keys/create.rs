//! Making an API key: the product's key policy, rule by rule. Which rules there are is code; which
//! of them a product has is data, in its row.

use garde::Validate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::ending::{Wish, ending};
use super::entitled::entitled;
use super::refused::KeyRefused;
use super::slot::{self, Holder};
use super::{denied, read};
use crate::domain::key::credential_of;
use crate::domain::key_policy::{KeyOwner, KeyStyle, SecurityLevel};
use crate::domain::numbering;
use crate::domain::rights::{Permission, Rights};
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::manage::once::{self, Made, Once};
use crate::manage::roles::may_grant;
use crate::manage::{Caller, Manage, ManageError, record, redrawn, text};
use crate::store::api_keys::{self, ApiKey};
use crate::store::caller::{self, Hold};
use crate::store::products::{self, Product};
use crate::store::roles::{self, Role};
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::{Tx, access_policies, licenses};

/// What two makers who are equally fast can meet in: tried again, the slower one is told what stands in its way.
const OUTRUN: [&str; 4] =
    ["api_key_pkey", "api_key_one_per_slot", "api_key_one_per_account", "api_key_name_once"];

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
    pub service_account_id: Option<Uuid>,
    /// The name of the role that will own it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub role: Option<String>,
    /// What of its secret will be sent.
    #[garde(skip)]
    pub security_level: Option<SecurityLevel>,
    /// When it will end.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::date_time")]
    pub expires_at: Option<Timestamp>,
    /// Whether it will end at all: after a month where it is not said when.
    #[garde(skip)]
    pub expires: Option<bool>,
    /// What people say of it.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub comment: Option<String>,
    /// All apps and services without a role are meant.
    #[garde(skip)]
    #[serde(default)]
    pub allow_without_role: bool,
}

/// A key that was made, with its secret unless this is a replay, or it has none of its own.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// To be shown this once.
    pub secret: Option<Secret>,
}

/// What is known of a key before it is known whose it will be.
struct Order<'a> {
    caller: &'a Caller,
    tsg_id: &'a TsgId,
    now: Timestamp,
    id: i64,
    product: &'a Product,
    /// When the tenant's license ends.
    license: Timestamp,
}

/// Whose a key will be.
enum Owner {
    Account(ServiceAccount),
    Tenant,
    Role(Role),
}

impl Owner {
    fn holder(&self) -> Holder<'_> {
        match self {
            Self::Account(account) => Holder::Account(account.id, &account.client_id),
            Self::Tenant => Holder::Tenant,
            Self::Role(role) => Holder::Role(role),
        }
    }
}

impl Manage {
    /// Makes a key, pending.
    ///
    /// # Errors
    /// [`ManageError`]: what [`KeyRefused`] says of the product's policy; `unknown_product`, `license_required`,
    /// `unknown_service_account`, `service_account_disabled`, `all_apps_required`,
    /// `all_apps_without_role`, `permissions_missing`, `unknown_role`, `cannot_grant`, `unmigrated_key_exists`,
    /// `active_key_exists`, `service_account_already_bound`; and what every use case may say.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewApiKey,
        once: Option<&Once>,
    ) -> Result<Made<CreatedApiKey>, ManageError> {
        let hold = new.service_account_id.map_or(Hold::Caller, Hold::Use);
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, hold).await?;
            if !standing.rights.hold_for(Permission::ApiKey.name(), &new.product) {
                return Err(denied());
            }
            let id = numbering::api_key_id(standing.now, self.draw()?);
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                let key = read(tx, tsg_id, once::resource(&first)?).await?;
                return Ok(Made::before(CreatedApiKey { key, secret: None }));
            }
            let product = products::find(tx, &new.product).await?;
            let unknown =
                || ManageError::UnknownProduct { field: "product", names: vec![new.product.clone()] };
            let product = product.ok_or_else(unknown)?;
            let license = licensed(tx, tsg_id, &product).await?;
            let owner = owner(tx, caller, tsg_id, &standing.rights, &product, new).await?;
            let order = Order { caller, tsg_id, now: standing.now, id, product: &product, license };
            Ok(Made::now(self.make_key(tx, &order, &owner, new).await?))
        };
        let run = async || Ok(self.in_tenant("api_key.create", tsg_id, create).await?.value);
        redrawn(&OUTRUN, run).await
    }

    /// Makes the key that comes with a license, which whoever grants that may have made. Nothing where the tenant has one.
    pub(in crate::manage) async fn first_key(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        now: Timestamp,
        product: &Product,
    ) -> Result<Option<CreatedApiKey>, ManageError> {
        let id = numbering::api_key_id(now, self.draw()?);
        let license = licensed(tx, tsg_id, product).await?;
        let order = Order { caller, tsg_id, now, id, product, license };
        match self.make_key(tx, &order, &Owner::Tenant, &NewApiKey::of(&product.product)).await {
            Ok(made) => Ok(Some(made)),
            Err(ManageError::ActiveKeyExists(_) | ManageError::UnmigratedKeyExists(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a key for this owner, and says so.
    async fn make_key(
        &self,
        tx: &mut Tx,
        order: &Order<'_>,
        owner: &Owner,
        new: &NewApiKey,
    ) -> Result<CreatedApiKey, ManageError> {
        let Order { caller, tsg_id, now, id, product, license } = order;
        let id = *id;
        let policy = &product.key_policy;
        let level = level(product, new)?;
        named(product, new)?;
        let wish = Wish { expires_at: new.expires_at, expires: new.expires };
        let end = ending(product, wish, *license, *now)?;
        let slot = slot::free(tx, tsg_id, product, &owner.holder(), id).await?;
        if policy.name_is_unique
            && let Some(name) = &new.name
        {
            name_is_free(tx, tsg_id, &product.product, name).await?;
        }
        let (drawn, own) = (self.draw_key(id, product.key_style, level)?, credential_of(id));
        let (secret, proof) = drawn.map(|drawn| (drawn.secret, drawn.proof)).unzip();
        let (account, role) = match owner {
            Owner::Account(account) => (Some(account), None),
            Owner::Tenant => (None, None),
            Owner::Role(role) => (None, Some(role)),
        };
        let row = api_keys::NewApiKey {
            api_key_id: id,
            tsg_id,
            product: &product.product,
            slot: Some(&slot),
            name: new.name.as_deref(),
            name_is_unique: policy.name_is_unique,
            service_account_id: account.map(|account| account.id),
            role_id: role.map(|role| role.id),
            credential: account.map_or(&own, |account| &account.client_id),
            proof,
            security_level: level,
            comment: new.comment.as_deref(),
            asked_expires_at: end.asked,
            expires_at: Some(end.expires_at),
            created_by: &caller.client_id,
            replaces: None,
        };
        api_keys::insert(tx, &row).await?;
        let details = json!({
            "product": product.product, "client_id": account.map(|account| &account.client_id),
            "role": role.map(|role| &role.name),
        });
        record(tx, caller, tsg_id, "api_key.create", &id.to_string(), details).await?;
        Ok(CreatedApiKey { key: read(tx, tsg_id, id).await?, secret })
    }
}

impl NewApiKey {
    /// With nothing said but what it opens.
    fn of(product: &str) -> Self {
        Self {
            product: product.to_owned(),
            name: None,
            service_account_id: None,
            role: None,
            security_level: None,
            expires_at: None,
            expires: None,
            comment: None,
            allow_without_role: false,
        }
    }
}

/// Until when the tenant has a license, which stays as it is until the end of the transaction.
pub(super) async fn licensed(tx: &Tx, tsg_id: &TsgId, product: &Product) -> Result<Timestamp, ManageError> {
    let license = licenses::find_current(tx, tsg_id, &product.product).await?;
    let license = license.ok_or_else(|| ManageError::LicenseRequired(product.product.clone()))?;
    Ok(license.ends_at)
}

/// Whose the key will be, if the caller may make it that one's.
async fn owner(
    tx: &Tx,
    caller: &Caller,
    tsg_id: &TsgId,
    rights: &Rights,
    product: &Product,
    new: &NewApiKey,
) -> Result<Owner, ManageError> {
    let (policy, name) = (&product.key_policy, &product.product);
    let not_for = |field| Err(KeyRefused::NotForProduct { field, product: name.clone() }.into());
    if policy.requires_api_access && !rights.hold_for(Permission::ApiAccess.name(), name) {
        return Err(KeyRefused::ApiAccessRequired.into());
    }
    match (policy.owner, new.service_account_id, &new.role) {
        (KeyOwner::ServiceAccount, Some(id), None) => {
            let account = usable_account(tx, tsg_id, id).await?;
            let grants = access_policies::list_all_apps(tx, tsg_id, &account.client_id).await?;
            entitled(product, &account.client_id, &grants, new.allow_without_role)?;
            Ok(Owner::Account(account))
        }
        (KeyOwner::ServiceAccount, None, None) => Err(KeyRefused::AccountRequired(name.clone()).into()),
        (KeyOwner::Tenant, None, None) => Ok(Owner::Tenant),
        (KeyOwner::Role, None, Some(role)) => {
            let found = roles::find_by_name(tx, tsg_id, role).await?;
            let role = found.ok_or_else(|| ManageError::UnknownRole(role.clone()))?;
            if policy.requires_held_role
                && !caller::holds_role(tx, caller.asker(), tsg_id, role.id, name).await?
            {
                return Err(KeyRefused::RoleNotHeld(role.name).into());
            }
            may_grant(rights, &role.permissions, Some(std::slice::from_ref(name)))?;
            Ok(Owner::Role(role))
        }
        (KeyOwner::Role, None, None) => Err(KeyRefused::RoleRequired(name.clone()).into()),
        (KeyOwner::Tenant | KeyOwner::Role, Some(_), _) => not_for("service_account_id"),
        (KeyOwner::ServiceAccount | KeyOwner::Tenant, _, Some(_)) => not_for("role"),
    }
}

async fn usable_account(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<ServiceAccount, ManageError> {
    let account = service_accounts::find(tx, tsg_id, id).await?;
    let account = account.ok_or(ManageError::UnknownServiceAccount)?;
    if account.enabled { Ok(account) } else { Err(ManageError::ServiceAccountDisabled(account.client_id)) }
}

/// What of the secret is sent: the first that the product offers where it is not said.
fn level(product: &Product, new: &NewApiKey) -> Result<Option<SecurityLevel>, KeyRefused> {
    let name = || product.product.clone();
    match (product.key_style, new.security_level) {
        (KeyStyle::Signed, None) => Ok(product.key_policy.security_levels.first().copied()),
        (KeyStyle::Signed, Some(level)) if product.key_policy.security_levels.contains(&level) => {
            Ok(Some(level))
        }
        (KeyStyle::Signed, Some(_)) => Err(KeyRefused::LevelNotOffered(name())),
        (_, Some(_)) => Err(KeyRefused::NotForProduct { field: "security_level", product: name() }),
        (_, None) => Ok(None),
    }
}

fn named(product: &Product, new: &NewApiKey) -> Result<(), KeyRefused> {
    if product.key_policy.requires_name && new.name.is_none() {
        return Err(KeyRefused::NameRequired(product.product.clone()));
    }
    Ok(())
}

/// Whether no active key of the product is called so; those that are over give up their names with their slots.
pub(super) async fn name_is_free(
    tx: &Tx,
    tsg_id: &TsgId,
    product: &str,
    name: &str,
) -> Result<(), ManageError> {
    if api_keys::has_name(tx, tsg_id, product, name).await? {
        return Err(KeyRefused::NameTaken(name.to_owned()).into());
    }
    Ok(())
}
