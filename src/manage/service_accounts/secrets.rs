//! The secrets of an account, one by one. A new one is shown once; one that is over stays in sight, with its receipt.
//!
//! Whoever could give an account a secret could act as that account: so nobody does who holds less than it.

use garde::Validate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::change::found;
use super::{FIRST_SECRET_NAME, FIRST_SECRET_WAIT};
use crate::domain::ids::PublicId;
use crate::domain::rights::Permission;
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::manage::once::{self, Made, Once};
use crate::manage::{
    Caller, Manage, ManageError, Patience, Withdrawn, holds_no_more, needs, reads, record, text,
};
use crate::store::caller::{Hold, Standing};
use crate::store::client_secrets::{self, ClientSecret, NewClientSecret, SecretStatus};
use crate::store::receipts::{self, Receipt};
use crate::store::service_accounts::ServiceAccount;
use crate::store::{Changed, StoreError, Tx};

/// How many secrets of an account may work at once; those that rotations are about to add come on top.
pub const MOST_SECRETS: i64 = 10;

/// A secret to make beside the others.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub name: Option<String>,
    /// When it will end; never when not given.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::date_time")]
    pub expires_at: Option<Timestamp>,
}

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
    /// Makes another secret of an account, and waits a little until it is valid everywhere.
    ///
    /// # Errors
    /// [`ManageError`]: `too_many_secrets`, `expires_in_past`, and what every use case may say.
    pub async fn create_secret(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        new: &NewSecret,
        once: Option<&Once>,
    ) -> Result<Made<CreatedSecret>, ManageError> {
        let create = async |tx: &mut Tx| {
            let (standing, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            let secret = self.draw_secret()?;
            let at = SecretAt { tsg_id, account: account.id, credential_id: secret.public_id() };
            let id = at.credential_id.as_str();
            if let Some(first) = once::claim(tx, caller, tsg_id, once, id).await? {
                let first = SecretAt { credential_id: once::resource(&first)?, ..at };
                let shown = read(tx, first).await?;
                return Ok((Made::before(CreatedSecret { shown, secret: None }), account.client_id));
            }
            in_future(new.expires_at, standing.now)?;
            if client_secrets::count_live(tx, tsg_id, account.id).await? >= MOST_SECRETS {
                return Err(ManageError::TooManySecrets);
            }
            let name = new.name.as_deref().unwrap_or(FIRST_SECRET_NAME);
            let wanted = Wanted { name, expires_at: new.expires_at, replaces: None };
            self.write_secret(tx, &account, &secret, wanted).await?;
            let details = json!({ "name": name, "client_id": account.client_id });
            record(tx, caller, tsg_id, "client_secret.create", id, details).await?;
            let shown = read(tx, at).await?;
            Ok((Made::now(CreatedSecret { shown, secret: Some(secret) }), account.client_id))
        };
        let (mut made, client_id) = self.in_tenant("client_secret.create", tsg_id, create).await?.value;
        if let Some(secret) = &made.value.secret {
            let at = SecretAt { tsg_id, account, credential_id: secret.public_id() };
            self.await_secret(at, &client_id, &mut made.value.shown).await;
        }
        Ok(made)
    }

    /// As for the first secret of an account: should the reading fail, what was read before stands.
    async fn await_secret(&self, at: SecretAt<'_>, client_id: &str, shown: &mut ClientSecret) {
        self.spread.flipped(client_id, FIRST_SECRET_WAIT).await;
        let again = async |tx: &mut Tx| read(tx, at).await;
        if let Ok(now) = self.in_tenant("client_secret.find", at.tsg_id, again).await {
            *shown = now.value;
        }
    }

    /// Takes a secret away, and waits until nobody accepts it. Who asks again waits again.
    ///
    /// # Errors
    /// [`ManageError`]: `secret_expired`, and what every use case may say.
    pub async fn delete_secret(
        &self,
        caller: &Caller,
        at: SecretAt<'_>,
        patience: Patience,
    ) -> Result<Withdrawn<()>, ManageError> {
        let SecretAt { tsg_id, .. } = at;
        let delete = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, at.account).await?;
            let secret = read(tx, at).await?;
            match secret.status {
                SecretStatus::Expired => return Err(ManageError::SecretExpired),
                SecretStatus::Revoking | SecretStatus::Revoked => {
                    // One that was revoked before there were receipts has nothing more to tell.
                    let before = find_receipt(tx, at).await?.ok_or(ManageError::NotFound)?;
                    return Ok(((), Some(before.name())));
                }
                SecretStatus::Pending | SecretStatus::Valid => {}
            }
            let id = &secret.credential_id;
            if client_secrets::revoke(tx, tsg_id, &account.client_id, id).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let details = json!({ "name": secret.name, "client_id": account.client_id });
            record(tx, caller, tsg_id, "client_secret.revoke", id, details).await?;
            Ok(((), None))
        };
        self.withdraw("client_secret.delete", tsg_id, patience, delete).await
    }

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
