//! Rotating a secret: the new one is warmed in every region first; then, in one transaction, it turns valid and the
//! old one is withdrawn (`flip_ready`). At no time are there none.

use garde::Validate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::secrets::{CreatedSecret, SecretAt, Wanted, find_receipt, in_future, read};
use crate::domain::secret::Secret;
use crate::manage::once::{self, Made, Once};
use crate::manage::{Caller, Manage, ManageError, Patience, Withdrawn, record, text};
use crate::store::client_secrets::{self, ClientSecret, SecretStatus};
use crate::store::service_accounts::ServiceAccount;
use crate::store::{Changed, StoreError, Tx};

/// How to rotate a secret.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// What the new one will be called; as the old one when not given.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub name: Option<String>,
    /// When the new one will end; never when not given.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::date_time")]
    pub expires_at: Option<Timestamp>,
    /// The old one goes first: there is a gap until every region has the new one.
    #[garde(skip)]
    #[serde(default)]
    pub immediate: bool,
}

impl Manage {
    /// Makes a secret that takes the place of another, and answers at once: the old one works until the new one does,
    /// and whoever uses it should have the new one by then. Immediately rotated, the old one is withdrawn first, and
    /// the answer waits until nobody accepts it.
    ///
    /// # Errors
    /// [`ManageError`]: `secret_not_active`, `rotation_under_way`, `expires_in_past`, and what every use case may say.
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        at: SecretAt<'_>,
        rotation: &Rotation,
        once: Option<&Once>,
        patience: Patience,
    ) -> Result<Made<Withdrawn<CreatedSecret>>, ManageError> {
        let rotate = async |tx: &mut Tx| {
            let (standing, account) = self.hold_account(tx, caller, at.tsg_id, at.account).await?;
            // In this order. The flip holds no account: it may end the rotation that is under way between the two, and what
            // is read first would be of before it, and what is read next of after it.
            let under_way =
                client_secrets::is_being_rotated(tx, at.tsg_id, at.credential_id.as_str()).await?;
            let old = read(tx, at).await?;
            let secret = self.draw_secret()?;
            let new = SecretAt { credential_id: secret.public_id(), ..at };
            if let Some(first) = once::claim(tx, caller, at.tsg_id, once, new.credential_id.as_str()).await? {
                let first = SecretAt { credential_id: once::resource(&first)?, ..at };
                let shown = read(tx, first).await?;
                // Who asks again waits for the same end.
                let gone = if rotation.immediate { find_receipt(tx, at).await? } else { None };
                let replay = Made::before(CreatedSecret { shown, secret: None });
                return Ok((replay, gone.map(|receipt| receipt.name())));
            }
            rotatable(&old, under_way)?;
            in_future(rotation.expires_at, standing.now)?;
            self.replace(tx, caller, &account, &old, &secret, rotation).await?;
            let shown = read(tx, new).await?;
            Ok((Made::now(CreatedSecret { shown, secret: Some(secret) }), None))
        };
        let Withdrawn { value: Made { value, replayed }, receipt } = if rotation.immediate {
            self.withdraw("client_secret.rotate", at.tsg_id, patience, rotate).await?
        } else {
            let done = self.store.run_tx("client_secret.rotate", at.tsg_id, rotate).await?;
            Withdrawn { value: done.value.0, receipt: None }
        };
        Ok(Made { value: Withdrawn { value, receipt }, replayed })
    }

    async fn replace(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        account: &ServiceAccount,
        old: &ClientSecret,
        secret: &Secret,
        rotation: &Rotation,
    ) -> Result<(), ManageError> {
        let (tsg_id, name) = (&account.tsg_id, rotation.name.as_ref().unwrap_or(&old.name));
        let wanted = Wanted { name, expires_at: rotation.expires_at, replaces: Some(&old.credential_id) };
        self.write_secret(tx, account, secret, wanted).await.map_err(outrun)?;
        let new = secret.public_id();
        let details = json!({ "replaced_by": new.as_str(), "immediate": rotation.immediate });
        record(tx, caller, tsg_id, "client_secret.rotate", &old.credential_id, details).await?;
        if rotation.immediate {
            let revoked = client_secrets::revoke(tx, tsg_id, &account.client_id, &old.credential_id).await?;
            if revoked == Changed::Done {
                let why = json!({ "reason": "rotated at once" });
                record(tx, caller, tsg_id, "client_secret.revoke", &old.credential_id, why).await?;
            }
        }
        Ok(())
    }
}

/// Only one that works is rotated, and only by one at a time.
fn rotatable(old: &ClientSecret, under_way: bool) -> Result<(), ManageError> {
    if old.status != SecretStatus::Valid {
        Err(ManageError::SecretNotActive)
    } else if under_way {
        Err(ManageError::RotationUnderWay)
    } else {
        Ok(())
    }
}

/// Whatever happens, the index lets one new secret wait for the place of an old one.
fn outrun(error: StoreError) -> ManageError {
    if error.constraint() == Some("client_secret_one_rotation") {
        ManageError::RotationUnderWay
    } else {
        error.into()
    }
}
