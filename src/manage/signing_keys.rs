//! Signing keys and master keys: for who runs the installation, which is who acts for a tenant at the root.

use std::sync::Arc;
use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::once::{self, Made, Once};
use super::{Caller, Listing, Manage, ManageError, Page, Patience, needs, reads, text};
use crate::domain::algorithm::Algorithm;
use crate::domain::rights::Permission;
use crate::domain::signing_key::Kid;
use crate::seal::Purpose;
use crate::store::caller::Hold;
use crate::store::master_keys::{self, MasterKeyUse};
use crate::store::signing_keys::{self, NewSigningKey, NotStepped, SigningKeyShown};
use crate::store::{StoreError, Tx};
use crate::sync::make_signing_key;

/// How often it is seen whether everybody has heard of a revocation.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A key to be made.
#[derive(Clone, Copy, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it will sign with.
    #[garde(skip)]
    pub algorithm: Algorithm,
}

/// Why a key is taken out at once.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Compromise {
    /// For the audit trail.
    #[garde(length(chars, min = 1, max = 1024), custom(text::lines))]
    pub reason: String,
}

/// A master key, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MasterKeyShown {
    /// What it is needed for.
    #[serde(flatten)]
    pub needed_for: MasterKeyUse,
    /// Whether the instance that answers makes everything new with it.
    pub current: bool,
}

impl Manage {
    /// The signing keys.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_signing_keys(
        &self,
        caller: &Caller,
        page: &Page<Kid>,
    ) -> Result<Listing<SigningKeyShown, Kid>, ManageError> {
        let list = async |tx: &mut Tx| {
            reads(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::SigningKey)?;
            let after = page.after.as_ref().map(Kid::as_str);
            let rows = signing_keys::list(tx, after, page.probe()).await?;
            Ok(Listing::of(rows, page, |shown| shown.kid.clone()))
        };
        Ok(self.in_tenant("signing_key.list", &caller.tsg_id, list).await?.value)
    }

    /// One signing key.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn signing_key(&self, caller: &Caller, kid: &Kid) -> Result<SigningKeyShown, ManageError> {
        let find = async |tx: &mut Tx| {
            reads(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::SigningKey)?;
            signing_keys::find(tx, kid).await?.ok_or(ManageError::NotFound)
        };
        Ok(self.in_tenant("signing_key.find", &caller.tsg_id, find).await?.value)
    }

    /// Publishes a new key, which signs by itself as soon as every verifier can have it.
    ///
    /// # Errors
    /// [`ManageError`]: `signing_key_under_way`, and what every use case may say.
    pub async fn create_signing_key(
        &self,
        caller: &Caller,
        algorithm: Algorithm,
        once: Option<&Once>,
    ) -> Result<Made<SigningKeyShown>, ManageError> {
        // Nobody makes us make keys who may not have one.
        let allowed = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::SigningKey)
        };
        self.in_tenant("signing_key.create", &caller.tsg_id, allowed).await?;
        let key = self.new_signing_key(algorithm).await?;
        let create = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::SigningKey)?;
            let before = once::claim(tx, caller, &caller.tsg_id, once, &key.kid).await?;
            let kid = before.as_deref().unwrap_or(&key.kid);
            let kid = Kid::parse(kid).map_err(|e| StoreError::Broken(e.to_string().into()))?;
            if before.is_none() {
                refused(signing_keys::publish(tx, &key, &caller.client_id).await?)?;
            }
            let value = signing_keys::find(tx, &kid).await?.ok_or(ManageError::NotFound)?;
            Ok(Made { value, replayed: before.is_some() })
        };
        Ok(self.in_tenant("signing_key.create", &caller.tsg_id, create).await?.value)
    }

    /// Lets a published key sign, if every verifier can have it by now.
    ///
    /// # Errors
    /// [`ManageError`]: `signing_key_not_everywhere`, `signing_key_too_early`, `signing_key_retired`, and what every use
    /// case may say.
    pub async fn promote_signing_key(
        &self,
        caller: &Caller,
        kid: &Kid,
        once: Option<&Once>,
    ) -> Result<Made<SigningKeyShown>, ManageError> {
        let promote = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::SigningKey)?;
            let replayed = once::claim(tx, caller, &caller.tsg_id, once, kid.as_str()).await?.is_some();
            if !replayed {
                refused(signing_keys::promote(tx, kid, &caller.client_id).await?)?;
            }
            let value = signing_keys::find(tx, kid).await?.ok_or(ManageError::NotFound)?;
            Ok(Made { value, replayed })
        };
        Ok(self.in_tenant("signing_key.promote", &caller.tsg_id, promote).await?.value)
    }

    /// Takes a compromised key out at once, and waits until no instance honours it. Whoever asks again waits again.
    ///
    /// # Errors
    /// [`ManageError`]: `signing_key_retired`, and what every use case may say.
    pub async fn revoke_signing_key(
        &self,
        caller: &Caller,
        kid: &Kid,
        reason: &str,
        patience: Patience,
    ) -> Result<SigningKeyShown, ManageError> {
        let find = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::SigningKey)?;
            signing_keys::find(tx, kid).await?.ok_or(ManageError::NotFound)
        };
        let known = self.in_tenant("signing_key.find", &caller.tsg_id, find).await?.value;
        let successor = self.new_signing_key(known.algorithm).await?;
        let revoke = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::SigningKey)?;
            refused(signing_keys::revoke(tx, kid, reason, &caller.client_id, &successor).await?)
        };
        self.in_tenant("signing_key.revoke", &caller.tsg_id, revoke).await?;
        self.until_everywhere(caller, kid, patience).await
    }

    /// Nobody asks again who may know: the token of the caller may have been signed by that very key.
    async fn until_everywhere(
        &self,
        caller: &Caller,
        kid: &Kid,
        patience: Patience,
    ) -> Result<SigningKeyShown, ManageError> {
        let end = Instant::now() + self.revoke_wait;
        let find = async |tx: &mut Tx| signing_keys::find(tx, kid).await?.ok_or(ManageError::NotFound);
        loop {
            let shown = self.in_tenant("signing_key.find", &caller.tsg_id, find).await?.value;
            let over = patience == Patience::RespondAsync || Instant::now() >= end;
            if shown.everywhere_at.is_some() || over {
                return Ok(shown);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The master keys that there were, and what each is still needed for.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_master_keys(&self, caller: &Caller) -> Result<Vec<MasterKeyShown>, ManageError> {
        let list = async |tx: &mut Tx| {
            reads(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::SigningKey)?;
            Ok(master_keys::list(tx).await?)
        };
        let keys = self.in_tenant("master_key.list", &caller.tsg_id, list).await?.value;
        let current = self.keys.pepper().current_id().to_owned();
        let shown =
            |key: MasterKeyUse| MasterKeyShown { current: key.master_key_id == current, needed_for: key };
        Ok(keys.into_iter().map(shown).collect())
    }

    async fn new_signing_key(&self, algorithm: Algorithm) -> Result<NewSigningKey, ManageError> {
        let sealer = Arc::new(self.keys.sealer(Purpose::SigningKey));
        Ok(make_signing_key(sealer, algorithm).await?)
    }
}

fn refused(stepped: Option<NotStepped>) -> Result<(), ManageError> {
    Err(match stepped {
        None => return Ok(()),
        Some(NotStepped::Unknown) => ManageError::NotFound,
        Some(NotStepped::UnderWay) => ManageError::SigningKeyUnderWay,
        Some(NotStepped::Retired) => ManageError::SigningKeyRetired,
        Some(NotStepped::NotEverywhere(awaited)) => ManageError::SigningKeyNotEverywhere(awaited),
        Some(NotStepped::TooEarly(possible_at)) => ManageError::SigningKeyTooEarly(possible_at),
    })
}
