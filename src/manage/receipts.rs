//! Receipts: taking something away is answered with the proof of who has heard, as soon as everybody has.

use uuid::Uuid;

use super::{Caller, Manage, ManageError, reads};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::receipts::{self, Receipt, ReceiptName};
use crate::store::{StoreError, Tx};

/// Whether who takes something away waits for the proof, or looks at the receipt later (RFC 7240 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Patience {
    /// For as long as `revoke_wait_seconds`.
    #[default]
    Waits,
    /// Not at all.
    RespondAsync,
}

/// A change that takes something away, and what is known of who has heard of it.
#[derive(Clone, Debug)]
pub struct Withdrawn<T> {
    /// What it is now.
    pub value: T,
    /// The proof, or what there is of it. Nothing when nothing was taken away.
    pub receipt: Option<Receipt>,
}

/// Who holds one of these is promised receipts.
const WITHDRAWING: [Permission; 3] =
    [Permission::ApiKey, Permission::ServiceAccount, Permission::AccessPolicy];

impl<T> Withdrawn<T> {
    /// Whether nobody honours any more what was taken away.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.receipt.as_ref().is_none_or(|receipt| receipt.effective_everywhere_at.is_some())
    }
}

impl Manage {
    /// One transaction of a use case that takes something away. `body` also tells the receipt to wait for when this
    /// one changes nothing: who asks again waits again.
    pub(super) async fn withdraw<T>(
        &self,
        name: &'static str,
        tsg_id: &TsgId,
        patience: Patience,
        body: impl AsyncFn(&mut Tx) -> Result<(T, Option<ReceiptName>), ManageError>,
    ) -> Result<Withdrawn<T>, ManageError> {
        let done = self.store.run_tx(name, tsg_id, body).await?;
        let (value, before) = done.value;
        let Some(ReceiptName { id, seq }) = done.receipt.or(before) else {
            self.tell(done.seq).await;
            return Ok(Withdrawn { value, receipt: None });
        };
        if patience == Patience::Waits {
            self.spread.reached(seq, self.revoke_wait).await;
        }
        let find = async |tx: &mut Tx| receipts::find(tx, tsg_id, id).await;
        let receipt = self.store.run_tx::<_, StoreError>("receipt.find", tsg_id, find).await?.value;
        // A primary that lost its tail has lost the withdrawal with it, and may have given the change to another.
        let Some(receipt) = receipt else {
            return Err(StoreError::Unavailable("the change was lost".into()).into());
        };
        Ok(Withdrawn { value, receipt: Some(receipt) })
    }

    /// One receipt of a tenant, for whoever may take something away, or read everything.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn receipt(&self, caller: &Caller, tsg_id: &TsgId, id: Uuid) -> Result<Receipt, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            let held = |permission: Permission| standing.rights.hold(permission.name());
            if !WITHDRAWING.into_iter().any(held) {
                reads(&standing.rights, Permission::ApiKey)?;
            }
            receipts::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
        };
        Ok(self.in_tenant("receipt.find", tsg_id, find).await?.value)
    }
}
