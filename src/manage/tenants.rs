//! Tenants: made below the caller's own or below a descendant; we choose the number. And suspended, from above: then
//! none of its own accounts may authenticate. What is below it, and what acts in it from above, goes on.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::once::{self, Made, Once};
use super::{
    Caller, Expected, Listing, Manage, ManageError, Page, Patience, Withdrawn, needs, reads, record, redrawn,
    text,
};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::tenants::{self, Tenant, TenantStatus};
use crate::store::{Changed, StoreError, Tx, receipts};

/// A tenant to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub name: String,
    /// The tenant above; the caller's own when not given.
    #[garde(skip)]
    pub parent_tsg_id: Option<TsgId>,
}

/// What to change of a tenant; what is not given stays (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct TenantChange {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    #[serde(default, deserialize_with = "text::given")]
    pub name: Option<String>,
    /// Whether its accounts may authenticate.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::given")]
    pub status: Option<TenantStatus>,
}

impl Manage {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`ManageError`]: `not_a_descendant`, and what every use case may say.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        new: &NewTenant,
        once: Option<&Once>,
    ) -> Result<Made<Tenant>, ManageError> {
        let parent = new.parent_tsg_id.as_ref().unwrap_or(&caller.tsg_id);
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, parent, Hold::Caller).await.map_err(|e| match e {
                ManageError::NotFound => {
                    ManageError::NotADescendant { field: "parent_tsg_id", tsg_id: parent.to_string() }
                }
                other => other,
            })?;
            needs(&standing.rights, Permission::Tenant)?;
            let id = TsgId::from_random(u64::from_ne_bytes(self.draw()?));
            if let Some(first) = once::claim(tx, caller, parent, once, id.as_str()).await? {
                let first = TsgId::parse(&first).map_err(|_| ManageError::NotFound)?;
                return Ok(Made::before(read(tx, parent, &first).await?));
            }
            tenants::insert(tx, parent, &id, &new.name).await?;
            record(tx, caller, parent, "tenant.create", id.as_str(), json!({ "name": new.name })).await?;
            Ok(Made::now(read(tx, parent, &id).await?))
        };
        let run = async || Ok(self.in_tenant("tenant.create", parent, create).await?.value);
        redrawn(&["tenant_pkey"], run).await
    }

    /// Changes a tenant. Suspending it waits until nobody accepts any of its accounts.
    ///
    /// # Errors
    /// [`ManageError`]: `own_tenant`, `tenant_too_large`, `stale_etag`, and what every use case may say.
    pub async fn change_tenant(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        expected: &Expected,
        change: &TenantChange,
        patience: Patience,
    ) -> Result<Withdrawn<Tenant>, ManageError> {
        let update = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::Tenant)?;
            let suspends = change.status == Some(TenantStatus::Suspended);
            if suspends {
                // From a token for another tenant, which is then above it, and so is the caller's account.
                if caller.tsg_id == *tsg_id {
                    return Err(ManageError::OwnTenant);
                }
                tenants::hold_callers(tx, tsg_id).await?;
            }
            tenants::hold(tx, tsg_id).await?;
            let before = read(tx, tsg_id, tsg_id).await?;
            expected.check(before.revision)?;
            let after = changed(&before, change);
            if after != before {
                if tenants::update(tx, &before, &after).await? == Changed::NotThere {
                    return Err(ManageError::NotFound);
                }
                let details = json!({ "name": after.name, "status": after.status });
                record(tx, caller, tsg_id, action(&before, &after), tsg_id.as_str(), details).await?;
            }
            // Who asks again to suspend it waits for the change that did so.
            let told = if suspends { receipts::name_of_tenant(tx, tsg_id).await? } else { None };
            Ok((read(tx, tsg_id, tsg_id).await?, told))
        };
        self.withdraw("tenant.update", tsg_id, patience, update).await.map_err(|error| match error {
            ManageError::Store(StoreError::TooMuch(_)) => ManageError::TenantTooLarge,
            other => other,
        })
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn tenant(&self, caller: &Caller, tsg_id: &TsgId) -> Result<Tenant, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::Tenant)?;
            read(tx, tsg_id, tsg_id).await
        };
        Ok(self.in_tenant("tenant.find", tsg_id, find).await?.value)
    }

    /// The caller's tenant and all below it.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_tenants(
        &self,
        caller: &Caller,
        page: &Page<TsgId>,
    ) -> Result<Listing<Tenant, TsgId>, ManageError> {
        let own = &caller.tsg_id;
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, own, Hold::Nothing).await?;
            reads(&standing.rights, Permission::Tenant)?;
            let rows = tenants::list(tx, own, page.after.as_ref(), page.probe()).await?;
            Ok(Listing::of(rows, page, |t| t.tsg_id.clone()))
        };
        Ok(self.in_tenant("tenant.list", own, list).await?.value)
    }
}

fn changed(before: &Tenant, change: &TenantChange) -> Tenant {
    let name = change.name.as_ref().unwrap_or(&before.name).clone();
    Tenant { name, status: change.status.unwrap_or(before.status), ..before.clone() }
}

fn action(before: &Tenant, after: &Tenant) -> &'static str {
    match after.status {
        status if status == before.status => "tenant.update",
        TenantStatus::Active => "tenant.activate",
        TenantStatus::Suspended => "tenant.suspend",
    }
}

async fn read(tx: &Tx, top: &TsgId, tsg_id: &TsgId) -> Result<Tenant, ManageError> {
    tenants::find(tx, top, tsg_id).await?.ok_or(ManageError::NotFound)
}
