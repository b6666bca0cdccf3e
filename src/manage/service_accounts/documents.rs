//! What every account has one of, as a rule an empty one: its keys, its certificates, its trust rules, who may act for it.
//!
//! Such a document is read whole, and replaced whole by who has seen its latest revision; where something of it goes, that is
//! waited for. Whoever could write one could act as the account: so nobody does who holds less than it.

use garde::Validate;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::change::found;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::outgoing::Outgoing;
use crate::store::caller::Hold;
use crate::store::receipts::{self, ReceiptName};
use crate::store::revised::Revised;
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx};

/// One kind of document, as it is shown.
pub(crate) trait Document: Serialize + Sized + 'static {
    /// What the use cases are called.
    const FIND: &'static str;
    /// And the audit event of a change.
    const REPLACE: &'static str;

    /// As a request brings it.
    type New: DeserializeOwned + Validate<Context: Default> + 'static;
    /// The same, read.
    type Wanted;
    /// As it is kept.
    type Kept;

    /// What is kept of an account.
    async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<Self::Kept>, StoreError>;

    /// Reads what a request brings.
    async fn read(new: &Self::New, with: &Reading<'_>) -> Result<Self::Wanted, ManageError>;

    /// Whether that is there already.
    fn is(kept: &Self::Kept, wanted: &Self::Wanted) -> bool;

    /// Judges what can only be judged by what is there.
    async fn admit(_: &Tx, _: &ServiceAccount, _: &Self::Kept, _: &Self::Wanted) -> Result<(), ManageError> {
        Ok(())
    }

    /// Writes it; a withdrawal, where something goes.
    async fn write(
        tx: &mut Tx,
        account: &ServiceAccount,
        kept: &Self::Kept,
        wanted: &Self::Wanted,
    ) -> Result<(), StoreError>;

    /// What the audit trail says of a change, besides whose it is.
    fn told(before: &Self::Kept, after: &Self::Kept) -> Value;

    /// What is shown.
    async fn show(
        tx: &Tx,
        tsg_id: &TsgId,
        account: Uuid,
        kept: Revised<Self::Kept>,
    ) -> Result<Self, StoreError>;

    /// Which revision that is of.
    fn revision(&self) -> i32;
}

/// One that can be taken away whole.
pub(crate) trait Removable: Document<Wanted: Default> {
    /// What that is called.
    const DELETE: &'static str;
}

/// What there is to read a document with.
pub(crate) struct Reading<'a> {
    /// Which addresses may be asked.
    pub outgoing: &'a Outgoing,
    /// What else is there.
    pub tx: &'a Tx,
    /// Whose account it is for.
    pub tsg_id: &'a TsgId,
    /// The authority's time.
    pub now: Timestamp,
}

/// Where a document is to be written.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    /// In which tenant.
    pub tsg_id: &'a TsgId,
    /// Of which account.
    pub account: Uuid,
    /// Over which revisions.
    pub expected: &'a Expected,
}

impl Manage {
    /// A document of an account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub(crate) async fn document<D: Document>(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
    ) -> Result<D, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            found(tx, tsg_id, account).await?;
            let kept = D::find(tx, tsg_id, account).await?;
            Ok(D::show(tx, tsg_id, account, kept).await?)
        };
        Ok(self.in_tenant(D::FIND, tsg_id, find).await?.value)
    }

    /// Puts another in the place of what is there. Where something goes, waits until nobody accepts it; what is new is accepted
    /// at once.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, what can be wrong with such a document, and what every use case may say.
    pub(crate) async fn replace_document<D: Document>(
        &self,
        caller: &Caller,
        at: At<'_>,
        new: &D::New,
        patience: Patience,
    ) -> Result<Withdrawn<D>, ManageError> {
        let At { tsg_id, .. } = at;
        let replace = async |tx: &mut Tx| {
            let (standing, account) = self.hold_account(tx, caller, tsg_id, at.account).await?;
            let with = Reading { outgoing: &self.outgoing, tx, tsg_id, now: standing.now };
            let wanted = D::read(new, &with).await?;
            write::<D>(tx, caller, &account, at.expected, D::REPLACE, &wanted).await
        };
        self.withdraw(D::REPLACE, tsg_id, patience, replace).await
    }

    /// Takes all of it away, and waits until nobody accepts it.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub(crate) async fn delete_document<D: Removable>(
        &self,
        caller: &Caller,
        at: At<'_>,
        patience: Patience,
    ) -> Result<Withdrawn<D>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, at.tsg_id, at.account).await?;
            write::<D>(tx, caller, &account, at.expected, D::DELETE, &D::Wanted::default()).await
        };
        self.withdraw(D::DELETE, at.tsg_id, patience, delete).await
    }
}

/// Writes a document of an account that is held; and the receipt to wait for where there is nothing to change.
async fn write<D: Document>(
    tx: &mut Tx,
    caller: &Caller,
    account: &ServiceAccount,
    expected: &Expected,
    action: &'static str,
    wanted: &D::Wanted,
) -> Result<(D, Option<ReceiptName>), ManageError> {
    let ServiceAccount { id, tsg_id, client_id, .. } = account;
    let before = D::find(tx, tsg_id, *id).await?;
    expected.check(before.revision)?;
    if D::is(&before.value, wanted) {
        // Who asks again waits for what was withdrawn before.
        let told = receipts::name_of_credential(tx, tsg_id, client_id).await?;
        return Ok((D::show(tx, tsg_id, *id, before).await?, told));
    }
    D::admit(tx, account, &before.value, wanted).await?;
    D::write(tx, account, &before.value, wanted).await?;
    let after = D::find(tx, tsg_id, *id).await?;
    let mut details = D::told(&before.value, &after.value);
    details["client_id"] = json!(client_id);
    record(tx, caller, tsg_id, action, &id.to_string(), details).await?;
    Ok((D::show(tx, tsg_id, *id, after).await?, None))
}

/// Takes a document away with its account, and says why.
pub(super) async fn withdraw<D: Removable>(
    tx: &mut Tx,
    caller: &Caller,
    account: &ServiceAccount,
    why: &Value,
) -> Result<(), StoreError> {
    let kept = D::find(tx, &account.tsg_id, account.id).await?.value;
    let nothing = D::Wanted::default();
    if D::is(&kept, &nothing) {
        return Ok(());
    }
    D::write(tx, account, &kept, &nothing).await?;
    record(tx, caller, &account.tsg_id, D::DELETE, &account.id.to_string(), why.clone()).await
}
