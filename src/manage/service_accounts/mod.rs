//! Service accounts: made with their first secret, which is shown once.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::once::{self, Made, Once};
use super::{Caller, Listing, Manage, ManageError, Page, needs, reads, record, text};
use crate::domain::ids::{NoRandomness, PublicId};
use crate::domain::rights::Permission;
use crate::domain::secret::{Secret, SecretKind};
use crate::domain::tenant::{TsgId, client_id, slug};
use crate::store::caller::Hold;
use crate::store::client_secrets::{self, ClientSecret, NewClientSecret};
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::usage::{self, Advice};
use crate::store::{Inserted, Tx};

pub mod actors;
pub mod certificates;
pub mod change;
pub mod client_keys;
pub(crate) mod documents;
pub mod retire;
pub mod rotate;
pub mod secrets;
pub mod trust_rules;

/// The longest that a creation waits for its secret to be valid everywhere.
const FIRST_SECRET_WAIT: Duration = Duration::from_secs(1);
/// What the first secret is called.
const FIRST_SECRET_NAME: &str = "default";

/// An account to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewServiceAccount {
    /// What people will call it; its slug begins the `client_id`.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub name: String,
    /// What it is for.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub description: Option<String>,
    /// Whom to ask about it.
    #[garde(email, length(chars, max = 254))]
    pub contact_email: Option<String>,
    /// Whether it gets tokens with a proof of possession only (RFC 9449 §5.2); not unless told.
    #[garde(skip)]
    pub dpop_bound_access_tokens: Option<bool>,
}

/// An account and what may be shown of its secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The account.
    #[serde(flatten)]
    pub account: ServiceAccount,
    /// Its secrets, oldest first.
    pub secrets: Vec<ClientSecret>,
    /// What could be better about how it uses this service.
    pub advice: Vec<Advice>,
}

/// A new account, with its first secret unless this is a replay.
#[derive(Debug)]
pub struct Created {
    /// The account.
    pub shown: Shown,
    /// To be shown this once.
    pub secret: Option<Secret>,
}

impl Manage {
    /// Makes an account and its first secret.
    ///
    /// # Errors
    /// [`ManageError`]: `invalid_name`, `service_account_name_taken`, and what every use case may
    /// say.
    pub async fn create_service_account(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewServiceAccount,
        once: Option<&Once>,
    ) -> Result<Made<Created>, ManageError> {
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::ServiceAccount)?;
            let id = self.row_id(standing.now)?;
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                let shown = read(tx, tsg_id, once::resource(&first)?).await?;
                return Ok(Made::before(Created { shown, secret: None }));
            }
            let client_id = client_id(&slug(&new.name)?, tsg_id, &self.domain);
            let row = service_accounts::NewServiceAccount {
                id,
                tsg_id,
                name: &new.name,
                client_id: &client_id,
                description: new.description.as_deref(),
                contact_email: new.contact_email.as_deref(),
                dpop_bound: new.dpop_bound_access_tokens.unwrap_or(false),
                created_by: &caller.client_id,
            };
            if service_accounts::insert(tx, &row).await? == Inserted::AlreadyThere {
                return Err(ManageError::ServiceAccountNameTaken(client_id));
            }
            let secret = self.first_secret(tx, &row).await?;
            let details = json!({
                "name": new.name, "client_id": client_id, "credential_id": secret.public_id().as_str(),
            });
            record(tx, caller, tsg_id, "service_account.create", &id.to_string(), details).await?;
            let shown = read(tx, tsg_id, id).await?;
            Ok(Made::now(Created { shown, secret: Some(secret) }))
        };
        let mut made = self.in_tenant("service_account.create", tsg_id, create).await?.value;
        if !made.replayed {
            self.await_first_secret(tsg_id, &mut made.value.shown).await;
        }
        Ok(made)
    }

    async fn first_secret(
        &self,
        tx: &mut Tx,
        account: &service_accounts::NewServiceAccount<'_>,
    ) -> Result<Secret, ManageError> {
        let secret = self.draw_secret()?;
        let pepper = self.keys.pepper();
        let (pepper, hash) = pepper.hash(&secret);
        let public_id = secret.public_id();
        let row = NewClientSecret {
            credential_id: public_id.as_str(),
            tsg_id: account.tsg_id,
            service_account_id: account.id,
            client_id: account.client_id,
            name: FIRST_SECRET_NAME,
            pepper,
            hash,
            expires_at: None,
            replaces: None,
        };
        client_secrets::insert(tx, &row).await?;
        Ok(secret)
    }

    fn draw_secret(&self) -> Result<Secret, NoRandomness> {
        Secret::generate(SecretKind::Client, PublicId::generate(&*self.rng)?, &*self.rng)
    }

    /// Waits a little until every region has the new secret, so that a client which asks for a
    /// token at once does not meet a 503. Should the reading fail, what was read before stands: the
    /// secret is in no other answer than this one.
    async fn await_first_secret(&self, tsg_id: &TsgId, shown: &mut Shown) {
        self.spread.flipped(&shown.account.client_id, FIRST_SECRET_WAIT).await;
        let id = shown.account.id;
        let again = async |tx: &mut Tx| read(tx, tsg_id, id).await;
        if let Ok(now) = self.in_tenant("service_account.find", tsg_id, again).await {
            *shown = now.value;
        }
    }

    /// One account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn service_account(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
    ) -> Result<Shown, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("service_account.find", tsg_id, find).await?.value)
    }

    /// The accounts of a tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_service_accounts(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<Uuid>,
    ) -> Result<Listing<Shown, Uuid>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            let rows = service_accounts::list(tx, tsg_id, page.after, page.probe()).await?;
            let Listing { items, next } = Listing::of(rows, page, |account| account.id);
            Ok(Listing { items: with_secrets(tx, tsg_id, items).await?, next })
        };
        Ok(self.in_tenant("service_account.list", tsg_id, list).await?.value)
    }
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Shown, ManageError> {
    let account = service_accounts::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)?;
    let secrets = client_secrets::list(tx, tsg_id, &[id]).await?;
    let advice = usage::advice(tx, tsg_id, &[id]).await?.into_values().collect();
    Ok(Shown { account, secrets, advice })
}

async fn with_secrets(
    tx: &Tx,
    tsg_id: &TsgId,
    accounts: Vec<ServiceAccount>,
) -> Result<Vec<Shown>, ManageError> {
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.id).collect();
    let all = client_secrets::list(tx, tsg_id, &ids).await?;
    let mut advice = usage::advice(tx, tsg_id, &ids).await?;
    let mut shown = |account: ServiceAccount| {
        let own = all.iter().filter(|secret| secret.service_account_id == account.id);
        let advice = advice.remove(&account.id).into_iter().collect();
        Shown { secrets: own.cloned().collect(), advice, account }
    };
    Ok(accounts.into_iter().map(&mut shown).collect())
}
