//! The public keys of an account, by which its assertions are verified (RFC 7523 §2.2): a JWK set of its own, or the address
//! of one.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::documents::{Document, Reading, Removable};
use crate::domain::credential_id::CredentialId;
use crate::domain::last_use::{LastUse, Watched};
use crate::domain::record::{ClientKeyPart, ClientKeys, KeyAddressPart};
use crate::domain::tenant::TsgId;
use crate::manage::ManageError;
use crate::outgoing::Outgoing;
use crate::store::revised::Revised;
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx, client_keys, usage};
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
    revision: i32,
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

impl Document for ShownKeys {
    const FIND: &'static str = "client_keys.find";
    const REPLACE: &'static str = "client_keys.replace";

    type New = NewClientKeys;
    type Wanted = ClientKeys;
    type Kept = ClientKeys;

    async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<ClientKeys>, StoreError> {
        client_keys::find(tx, tsg_id, account).await
    }

    async fn read(new: &NewClientKeys, with: &Reading<'_>) -> Result<ClientKeys, ManageError> {
        new.read(with.outgoing)
    }

    fn is(kept: &ClientKeys, wanted: &ClientKeys) -> bool {
        kept == wanted
    }

    async fn write(
        tx: &mut Tx,
        account: &ServiceAccount,
        kept: &ClientKeys,
        wanted: &ClientKeys,
    ) -> Result<(), StoreError> {
        client_keys::replace(tx, account, kept, wanted).await
    }

    fn told(before: &ClientKeys, after: &ClientKeys) -> Value {
        let told = |of: &ClientKeys| {
            let named: Vec<_> = of.keys.iter().map(|key| key.credential_id).collect();
            json!({ "keys": named, "jwks_uri": of.jwks_uri.as_ref().map(|address| &address.uri) })
        };
        let mut details = told(after);
        details["before"] = told(before);
        details
    }

    async fn show(
        tx: &Tx,
        tsg_id: &TsgId,
        account: Uuid,
        Revised { value: ClientKeys { keys, jwks_uri }, revision }: Revised<ClientKeys>,
    ) -> Result<Self, StoreError> {
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

    fn revision(&self) -> i32 {
        self.revision
    }
}

impl Removable for ShownKeys {
    const DELETE: &'static str = "client_keys.delete";
}
