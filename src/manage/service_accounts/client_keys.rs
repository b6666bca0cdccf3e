//! The public keys of an account, by which its assertions are verified (RFC 7523 §2.2): a JWK set of its own, or the address
//! of one. Every account has such a set; as a rule it is empty.
//!
//! Whoever could give an account a key could act as that account: so nobody does who holds less than it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::change::found;
use crate::domain::credential_id::CredentialId;
use crate::domain::last_use::{LastUse, Watched};
use crate::domain::record::{ClientKeyPart, ClientKeys, KeyAddressPart};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::outgoing::Outgoing;
use crate::store::caller::Hold;
use crate::store::client_keys::{self, Revised};
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx, receipts, usage};
use crate::token::client_jwks::{ClientJwk, MOST_CLIENT_KEYS, ShownKey, read_all};

/// Keys to put in the place of those that are there.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewClientKeys {
    /// The keys.
    #[garde(length(min = 1, max = MOST_CLIENT_KEYS))]
    keys: Option<Vec<ClientJwk>>,
    /// Or where they are.
    #[garde(length(chars, min = 1, max = 2048))]
    jwks_uri: Option<String>,
}

/// What is shown of an account's keys: a JWK set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownKeys {
    keys: Vec<Watched<ShownKey>>,
    jwks_uri: Option<String>,
    /// Of the keys at that address, whichever of them it was.
    #[serde(flatten)]
    last_use: LastUse,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl ShownKeys {
    async fn read(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Self, StoreError> {
        let Revised { keys: ClientKeys { keys, jwks_uri }, revision } =
            client_keys::find(tx, tsg_id, account).await?;
        let uses = usage::of_account(tx, tsg_id, account).await?;
        let last_use = jwks_uri.as_ref().map(|address| uses.of(&address.credential_id));
        let shown = |key: ClientKeyPart| uses.watch(key.credential_id, ShownKey::from(key));
        Ok(Self {
            keys: keys.into_iter().map(shown).collect(),
            last_use: last_use.unwrap_or_default(),
            jwks_uri: jwks_uri.map(|address| address.uri),
            revision,
        })
    }
}

impl NewClientKeys {
    fn read(&self, outgoing: &Outgoing) -> Result<ClientKeys, ManageError> {
        match (&self.keys, &self.jwks_uri) {
            (Some(jwks), None) => {
                let keys = read_all(jwks).map_err(|(at, why)| ManageError::InvalidClientKey(at, why))?;
                Ok(ClientKeys { keys, jwks_uri: None })
            }
            (None, Some(uri)) => {
                outgoing.check(uri)?;
                let address =
                    KeyAddressPart { credential_id: CredentialId::of_address(uri), uri: uri.clone() };
                Ok(ClientKeys { keys: vec![], jwks_uri: Some(address) })
            }
            (Some(_), Some(_)) | (None, None) => Err(ManageError::KeysOrAddress),
        }
    }
}

impl Manage {
    /// The keys of an account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn client_keys(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
    ) -> Result<ShownKeys, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            found(tx, tsg_id, account).await?;
            Ok(ShownKeys::read(tx, tsg_id, account).await?)
        };
        Ok(self.in_tenant("client_keys.find", tsg_id, find).await?.value)
    }

    /// Puts other keys in the place of those that are there. Where one goes, waits until nobody accepts it; a new one is
    /// accepted at once.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, `keys_or_jwks_uri`, `private_key`, `invalid_client_key`, `invalid_jwks_uri`, and what
    /// every use case may say.
    pub async fn replace_client_keys(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        new: &NewClientKeys,
        patience: Patience,
    ) -> Result<Withdrawn<ShownKeys>, ManageError> {
        let replace = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            let after = new.read(&self.outgoing)?;
            write(tx, caller, &account, expected, "client_keys.replace", after).await
        };
        self.withdraw("client_keys.replace", tsg_id, patience, replace).await
    }

    /// Takes all keys of an account away, and waits until nobody accepts them.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_client_keys(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<ShownKeys>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            write(tx, caller, &account, expected, "client_keys.delete", ClientKeys::default()).await
        };
        self.withdraw("client_keys.delete", tsg_id, patience, delete).await
    }
}

/// Writes the keys of an account that is held; and the receipt to wait for where there is nothing to change.
async fn write(
    tx: &mut Tx,
    caller: &Caller,
    account: &ServiceAccount,
    expected: &Expected,
    action: &'static str,
    after: ClientKeys,
) -> Result<(ShownKeys, Option<receipts::ReceiptName>), ManageError> {
    let ServiceAccount { id, tsg_id, client_id, .. } = account;
    let before = client_keys::find(tx, tsg_id, *id).await?;
    expected.check(before.revision)?;
    if before.keys == after {
        // Who asks again waits for what was withdrawn before.
        let told = receipts::name_of_credential(tx, tsg_id, client_id).await?;
        return Ok((ShownKeys::read(tx, tsg_id, *id).await?, told));
    }
    client_keys::replace(tx, account, &before.keys, &after).await?;
    let named = |keys: &[ClientKeyPart]| keys.iter().map(|key| key.credential_id).collect::<Vec<_>>();
    let details = json!({
        "client_id": client_id,
        "keys": named(&after.keys),
        "jwks_uri": after.jwks_uri.as_ref().map(|address| &address.uri),
        "before": { "keys": named(&before.keys.keys), "jwks_uri": before.keys.jwks_uri.map(|address| address.uri) },
    });
    record(tx, caller, tsg_id, action, &id.to_string(), details).await?;
    Ok((ShownKeys::read(tx, tsg_id, *id).await?, None))
}
