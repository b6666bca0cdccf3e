//! Tenants: made below the caller's own or below a descendant; we choose the number.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::once::{self, Made, Once};
use super::{Caller, Listing, Manage, ManageError, Page, needs, reads, record, redrawn, text};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::Tx;
use crate::store::caller::Hold;
use crate::store::tenants::{self, Tenant};

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
        redrawn("tenant_pkey", run).await
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

async fn read(tx: &Tx, top: &TsgId, tsg_id: &TsgId) -> Result<Tenant, ManageError> {
    tenants::find(tx, top, tsg_id).await?.ok_or(ManageError::NotFound)
}
