//! Products and permissions: the same for everybody, and shown to every account that is alive.

use super::{Caller, Listing, Manage, ManageError, Page};
use crate::store::Tx;
use crate::store::caller::Hold;
use crate::store::products::{self, PermissionText, Product};

impl Manage {
    /// The products.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_products(
        &self,
        caller: &Caller,
        page: &Page<String>,
    ) -> Result<Listing<Product, String>, ManageError> {
        let list = async |tx: &mut Tx| {
            self.admit(tx, caller, &caller.tsg_id, Hold::Nothing).await?;
            let rows = products::list(tx, page.after.as_deref(), page.probe()).await?;
            Ok(Listing::of(rows, page, |p| p.product.clone()))
        };
        Ok(self.in_tenant("product.list", &caller.tsg_id, list).await?.value)
    }

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
