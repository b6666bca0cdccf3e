//! API keys: what a tenant creates to use a product. A right to them may be held for some products
//! only; then the caller sees and changes the keys of those, and no others.

use jiff::Timestamp;

use crate::domain::key::KeyStatus;
#[cfg(test)]
use crate::domain::key_policy::KeyPolicy;
use crate::domain::rights::{Permission, Rights};
use crate::domain::tenant::TsgId;
use crate::store::api_keys::{self, ApiKey};
use crate::store::caller::{Hold, Standing};
use crate::store::products::{self, Product};
use crate::store::receipts::{self, Receipt};
use crate::store::{StoreError, Tx};

use super::{Caller, Listing, Manage, ManageError, Page};

pub mod activity;
pub mod change;
pub mod create;
pub mod refused;
pub mod regenerate;
pub mod revoke;
pub mod watch;

mod ending;
mod entitled;
mod making;
mod slot;

/// More products than anybody has.
const ALL_PRODUCTS: i64 = 10_000;

impl Manage {
    /// One key, with today's status.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn api_key(&self, caller: &Caller, tsg_id: &TsgId, id: i64) -> Result<ApiKey, ManageError> {
        let find = async |tx: &mut Tx| Ok(self.visible(tx, caller, tsg_id, id).await?.0);
        Ok(self.in_tenant("api_key.find", tsg_id, find).await?.value)
    }

    /// The receipt of the last withdrawal that concerned a key.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn receipt_of_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
    ) -> Result<Receipt, ManageError> {
        let find = async |tx: &mut Tx| {
            self.visible(tx, caller, tsg_id, id).await?;
            receipts::find_of_key(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
        };
        Ok(self.in_tenant("receipt.find_of_key", tsg_id, find).await?.value)
    }

    /// A key that the caller may see, and the authority's time.
    async fn visible(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
    ) -> Result<(ApiKey, Timestamp), ManageError> {
        let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
        needs_some(&standing.rights, &[Permission::Read, Permission::ApiKey])?;
        let key = read(tx, tsg_id, id).await?;
        if sees(&standing.rights, &key.product) {
            Ok((key, standing.now))
        } else {
            Err(ManageError::NotFound)
        }
    }

    /// The keys of a tenant that the caller may see.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_api_keys(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<i64>,
    ) -> Result<Listing<ApiKey, i64>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            needs_some(&standing.rights, &[Permission::Read, Permission::ApiKey])?;
            let all = products::list(tx, None, ALL_PRODUCTS).await?;
            let names = all.into_iter().map(|product| product.product);
            let seen: Vec<String> = names.filter(|name| sees(&standing.rights, name)).collect();
            let rows = api_keys::list(tx, tsg_id, &seen, page.after, page.probe()).await?;
            Ok(Listing::of(rows, page, |key| key.api_key_id))
        };
        Ok(self.in_tenant("api_key.list", tsg_id, list).await?.value)
    }
}

fn sees(rights: &Rights, product: &str) -> bool {
    rights.hold_for(Permission::Read.name(), product) || rights.hold_for(Permission::ApiKey.name(), product)
}

fn denied() -> ManageError {
    ManageError::PermissionDenied(Permission::ApiKey)
}

/// One of these, for any product: before it is known which key, and so which product, it is about.
fn needs_some(rights: &Rights, permissions: &[Permission]) -> Result<(), ManageError> {
    let held = permissions.iter().any(|permission| rights.hold_for_some(permission.name()));
    if held { Ok(()) } else { Err(denied()) }
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: i64) -> Result<ApiKey, ManageError> {
    api_keys::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}

/// A key that is about to be changed, by who may change keys of its product.
async fn changeable(tx: &Tx, rights: &Rights, tsg_id: &TsgId, id: i64) -> Result<ApiKey, ManageError> {
    needs_some(rights, &[Permission::ApiKey])?;
    let key = read(tx, tsg_id, id).await?;
    if rights.hold_for(Permission::ApiKey.name(), &key.product) {
        return Ok(key);
    }
    // Who may not see it is told what is told of a key that does not exist.
    Err(if sees(rights, &key.product) { denied() } else { ManageError::NotFound })
}

/// A key that somebody is changing, held as it is, with its product and the authority's time.
struct Held {
    key: ApiKey,
    product: Product,
    now: Timestamp,
}

impl Manage {
    /// Holds a key that is alive and about to be changed, by who may change keys of its product.
    async fn hold_key(&self, tx: &Tx, caller: &Caller, tsg_id: &TsgId, id: i64) -> Result<Held, ManageError> {
        let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
        held(tx, &standing, tsg_id, id).await
    }
}

/// Holds it for who has been admitted.
async fn held(tx: &Tx, standing: &Standing, tsg_id: &TsgId, id: i64) -> Result<Held, ManageError> {
    api_keys::hold(tx, tsg_id, id).await?;
    let key = changeable(tx, &standing.rights, tsg_id, id).await?;
    match key.status {
        KeyStatus::Expired => return Err(ManageError::ApiKeyExpired),
        KeyStatus::Revoking | KeyStatus::Revoked => return Err(ManageError::ApiKeyRevoked),
        KeyStatus::Unmigrated | KeyStatus::Pending | KeyStatus::Valid | KeyStatus::Inactive => {}
    }
    let product = products::find(tx, &key.product).await?;
    let product = product.ok_or_else(|| StoreError::Broken("a key has a product".into()))?;
    Ok(Held { key, product, now: standing.now })
}

/// A product whose keys the tenant has, and which has no other rule.
#[cfg(test)]
fn a_product() -> Product {
    serde_json::from_value::<KeyPolicy>(serde_json::json!({ "owner": "tenant" }))
        .map(|key_policy| Product {
            product: "p".into(),
            title: "P".into(),
            audience: "urn:p".into(),
            algorithm: crate::domain::algorithm::Algorithm::RS256,
            token_lifetime_seconds: 900,
            key_style: crate::domain::key_policy::KeyStyle::Opaque,
            key_policy,
            revision: 1,
        })
        .expect("a policy")
}
