//! Roles of a tenant's own: named sets of permissions that their maker holds itself.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::once::{self, Made, Once};
use super::{Caller, Listing, Manage, ManageError, Page, needs, reads, record, text};
use crate::domain::rights::{Permission, Rights};
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::roles::{self, Role};
use crate::store::{Inserted, Tx, products};

/// A role to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// What access policies will call it.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub name: String,
    /// What it is for.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub description: Option<String>,
    /// What it will hold.
    #[garde(length(min = 1, max = 64), inner(length(chars, min = 1, max = 128), custom(text::one_line)))]
    pub permissions: Vec<String>,
}

impl Manage {
    /// Makes a role.
    ///
    /// # Errors
    /// [`ManageError`]: `unknown_permission`, `cannot_grant`, `role_name_taken`, and what every
    /// use case may say.
    pub async fn create_role(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewRole,
        once: Option<&Once>,
    ) -> Result<Made<Role>, ManageError> {
        let mut permissions = new.permissions.clone();
        permissions.sort_unstable();
        permissions.dedup();
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::CustomRole)?;
            let id = self.row_id(standing.now)?;
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                return Ok(Made::before(read(tx, tsg_id, once::resource(&first)?).await?));
            }
            let unknown = products::list_unknown_permissions(tx, &permissions).await?;
            if !unknown.is_empty() {
                return Err(ManageError::UnknownPermission(unknown));
            }
            may_grant(&standing.rights, &permissions, None)?;
            // A predefined role of that name would make the name mean two roles.
            let row = roles::NewRole {
                id,
                tsg_id,
                name: &new.name,
                description: new.description.as_deref(),
                permissions: &permissions,
            };
            let taken = roles::find_by_name(tx, tsg_id, &new.name).await?.is_some();
            if taken || roles::insert(tx, &row).await? == Inserted::AlreadyThere {
                return Err(ManageError::RoleNameTaken(new.name.clone()));
            }
            let details = json!({ "name": new.name, "permissions": permissions });
            record(tx, caller, tsg_id, "role.create", &id.to_string(), details).await?;
            Ok(Made::now(read(tx, tsg_id, id).await?))
        };
        Ok(self.in_tenant("role.create", tsg_id, create).await?.value)
    }

    /// One role: the tenant's own, or a predefined one.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn role(&self, caller: &Caller, tsg_id: &TsgId, id: Uuid) -> Result<Role, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::CustomRole)?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("role.find", tsg_id, find).await?.value)
    }

    /// The roles that a tenant can grant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_roles(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<Uuid>,
    ) -> Result<Listing<Role, Uuid>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::CustomRole)?;
            let rows = roles::list(tx, tsg_id, page.after, page.probe()).await?;
            Ok(Listing::of(rows, page, |role| role.id))
        };
        Ok(self.in_tenant("role.list", tsg_id, list).await?.value)
    }
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Role, ManageError> {
    roles::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}

/// Nobody grants what they do not hold, at least as widely.
pub(super) fn may_grant(
    rights: &Rights,
    permissions: &[String],
    products: Option<&[String]>,
) -> Result<(), ManageError> {
    let lacks = |p: &&String| !rights.cover(std::slice::from_ref(*p), products);
    let lacking: Vec<String> = permissions.iter().filter(lacks).cloned().collect();
    if lacking.is_empty() { Ok(()) } else { Err(ManageError::CannotGrant(lacking)) }
}
