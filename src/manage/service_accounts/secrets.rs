//! The secrets of an account, one by one. A new one is shown once; one that is over stays in sight, with its receipt.
//!
//! Whoever could give an account a secret could act as that account: so nobody does who holds less than it.

use jiff::Timestamp;
use uuid::Uuid;

use super::change::found;
use crate::domain::ids::PublicId;
use crate::domain::rights::Permission;
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Manage, ManageError, holds_no_more, needs, reads};
use crate::store::caller::{Hold, Standing};
use crate::store::client_secrets::{self, ClientSecret, NewClientSecret};
use crate::store::receipts::{self, Receipt};
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx};

/// One secret, by its path.
#[derive(Clone, Copy, Debug)]
pub struct SecretAt<'a> {
    /// The tenant.
    pub tsg_id: &'a TsgId,
    /// Its account.
    pub account: Uuid,
    /// The secret of that account.
    pub credential_id: PublicId,
}

/// A new secret, shown this once unless this is a replay.
#[derive(Debug)]
pub struct CreatedSecret {
    /// What may be shown of it for ever.
    pub shown: ClientSecret,
    /// To be shown this once.
    pub secret: Option<Secret>,
}

/// What a caller says of a secret to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub expires_at: Option<Timestamp>,
    pub replaces: Option<&'a str>,
}

impl Manage {
    /// What may be shown of a secret.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn secret(&self, caller: &Caller, at: SecretAt<'_>) -> Result<ClientSecret, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, at.tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            read(tx, at).await
        };
        Ok(self.in_tenant("client_secret.find", at.tsg_id, find).await?.value)
    }

    /// The receipt of a secret that was deleted or replaced, or whose account was deleted.
    ///
    /// # Errors
    /// [`ManageError`]; it is not found, too, when the secret was never taken away.
    pub async fn secret_receipt(&self, caller: &Caller, at: SecretAt<'_>) -> Result<Receipt, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, at.tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            find_receipt(tx, at).await?.ok_or(ManageError::NotFound)
        };
        Ok(self.in_tenant("receipt.find", at.tsg_id, find).await?.value)
    }

    /// Holds an account whose secrets are about to be changed, by who may do so.
    pub(super) async fn hold_account(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
    ) -> Result<(Standing, ServiceAccount), ManageError> {
        let standing = self.admit(tx, caller, tsg_id, Hold::Change(id)).await?;
        needs(&standing.rights, Permission::ServiceAccount)?;
        let account = found(tx, tsg_id, id).await?;
        holds_no_more(tx, caller, &account.client_id).await?;
        Ok((standing, account))
    }

    /// Writes a secret, which exists nowhere else.
    pub(super) async fn write_secret(
        &self,
        tx: &mut Tx,
        account: &ServiceAccount,
        secret: &Secret,
        wanted: Wanted<'_>,
    ) -> Result<(), StoreError> {
        let pepper = self.keys.pepper();
        let (pepper, hash) = pepper.hash(secret);
        let public_id = secret.public_id();
        let row = NewClientSecret {
            credential_id: public_id.as_str(),
            tsg_id: &account.tsg_id,
            service_account_id: account.id,
            client_id: &account.client_id,
            name: wanted.name,
            pepper,
            hash,
            expires_at: wanted.expires_at,
            replaces: wanted.replaces,
        };
        client_secrets::insert(tx, &row).await
    }
}

/// What ends ends later than now.
pub(super) fn in_future(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), ManageError> {
    if expires_at.is_some_and(|end| end <= now) { Err(ManageError::ExpiresInPast) } else { Ok(()) }
}

pub(super) async fn read(tx: &Tx, at: SecretAt<'_>) -> Result<ClientSecret, ManageError> {
    let SecretAt { tsg_id, account, credential_id } = at;
    // A deleted account has no path any more, and so have its secrets.
    found(tx, tsg_id, account).await?;
    client_secrets::find(tx, tsg_id, account, credential_id.as_str()).await?.ok_or(ManageError::NotFound)
}

pub(super) async fn find_receipt(tx: &Tx, at: SecretAt<'_>) -> Result<Option<Receipt>, StoreError> {
    let SecretAt { tsg_id, account, credential_id } = at;
    receipts::find_of_secret(tx, tsg_id, account, credential_id.as_str()).await
}
