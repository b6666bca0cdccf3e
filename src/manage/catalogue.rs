//! Permissions: the same for everybody, and shown to every account that is alive.

use super::{Caller, Listing, Manage, ManageError, Page};
use crate::store::Tx;
use crate::store::caller::Hold;
use crate::store::products::{self, PermissionText};

impl Manage {
    /// The permissions that a role can be made of.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_permissions(
        &self,
        caller: &Caller,
        page: &Page<String>,
    ) -> Result<Listing<PermissionText, String>, ManageError> {
        let list = async |tx: &mut Tx| {
            self.admit(tx, caller, &caller.tsg_id, Hold::Nothing).await?;
            let rows = products::list_permissions(tx, page.after.as_deref(), page.probe()).await?;
            Ok(Listing::of(rows, page, |p| p.permission.clone()))
        };
        Ok(self.in_tenant("permission.list", &caller.tsg_id, list).await?.value)
    }
}
