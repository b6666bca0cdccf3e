//! The management use cases: what administrators do with tenants, accounts, roles and keys.
//!
//! Each is one transaction whose first step asks who the caller is and what it may do there
//! (`admit`), so that nobody changes anything with rights that were taken from them a
//! moment before. Each change writes its audit event in the same transaction, and says which
//! credentials it touched. What takes something away then waits until every instance has heard.
//!
//! Nothing here knows of HTTP: `http` turns [`ManageError`] into answers, in one place.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ring::rand::SecureRandom;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::ids::NoRandomness;
use crate::domain::numbering;
use crate::domain::revoked_token::name_of;
use crate::domain::rights::{Permission, Rights};
use crate::domain::tenant::TsgId;
use crate::outgoing::Outgoing;
use crate::seal::MasterKeys;
use crate::store::caller::{self, Asker, Hold, Standing};
use crate::store::{Committed, Store, StoreError, Tx, audit};
use crate::sync::Spread;
use crate::token::claims::AccessClaims;

pub mod access_policies;
pub mod api_keys;
pub mod bootstrap;
pub mod catalogue;
pub mod error;
pub mod expected;
pub mod licenses;
pub mod once;
pub mod page;
pub mod products;
pub mod products_refused;
pub mod quotas;
pub mod receipts;
pub mod regions;
pub mod roles;
pub mod service_accounts;
pub mod signing_keys;
pub mod tenants;
pub mod tokens;
pub mod trust_refused;
pub mod trusted_issuers;

mod text;

pub use error::ManageError;
pub use expected::Expected;
pub use once::{Made, Once};
pub use page::{Listing, Page};
pub use receipts::{Patience, Withdrawn};

/// How often a number is drawn again when the one that was drawn is taken.
const DRAWS: usize = 4;
/// The longest that a change waits for every instance, when nothing but convenience depends on it.
const HEARD_WAIT: Duration = Duration::from_millis(500);

/// Everything that the use cases need. One for the whole process.
pub struct Manage {
    /// The authority.
    pub store: Store,
    /// Who has heard of what.
    pub spread: Spread,
    /// Whose pepper hashes new secrets.
    pub keys: Arc<MasterKeys>,
    /// Where ids and secrets come from.
    pub rng: Arc<dyn SecureRandom + Send + Sync>,
    /// The audience that a management token must have.
    pub issuer: String,
    /// Where keys may be fetched from.
    pub outgoing: Outgoing,
    /// The end of every `client_id`.
    pub domain: String,
    /// How long a change that takes something away waits for every instance.
    pub revoke_wait: Duration,
}

/// Who asks: what a good token says of its bearer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The service account.
    pub client_id: String,
    /// The secret that it showed.
    pub credential_id: String,
    /// The tenant that the token is for: it may act there and below.
    pub tsg_id: TsgId,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// What the token is listed by when it is taken back, and those that it was exchanged from.
    pub tokens: Vec<Uuid>,
}

impl Caller {
    /// The bearer of a token whose signature, times and audience were right.
    ///
    /// # Errors
    /// [`ManageError::InvalidToken`] when it names no tenant, or somebody acts for its subject: here everybody acts alone, so that
    /// the audit trail says who did what.
    pub fn of(claims: &AccessClaims) -> Result<Self, ManageError> {
        if claims.act.is_some() {
            return Err(ManageError::InvalidToken);
        }
        Ok(Self {
            client_id: claims.client_id.clone(),
            credential_id: claims.credential_id.to_string(),
            tsg_id: TsgId::parse(&claims.tsg_id).map_err(|_| ManageError::InvalidToken)?,
            expires_at: Timestamp::from_second(claims.exp).map_err(|_| ManageError::InvalidToken)?,
            tokens: claims.jtis().map(name_of).collect(),
        })
    }
}

impl Caller {
    fn asker(&self) -> Asker<'_> {
        let Self { client_id, credential_id, tsg_id, tokens, .. } = self;
        Asker { client_id, credential_id, token_tsg: tsg_id, tokens }
    }
}

impl Manage {
    /// One transaction of a use case. Whoever changed something asks next, and an instance that has not
    /// heard of it answers as if it were not so: with a management token, say, when there is a key by
    /// now. So the change is heard of first, as a rule; an instance that is cut off holds nobody up.
    async fn in_tenant<T>(
        &self,
        name: &'static str,
        tsg_id: &TsgId,
        body: impl AsyncFn(&mut Tx) -> Result<T, ManageError>,
    ) -> Result<Committed<T>, ManageError> {
        let done = self.store.run_tx(name, tsg_id, body).await?;
        self.tell(done.seq).await;
        Ok(done)
    }

    /// Waits a moment until everybody has heard of a change.
    async fn tell(&self, seq: Option<i64>) {
        if let Some(seq) = seq {
            self.spread.reached(seq, HEARD_WAIT).await;
        }
    }

    /// The first step of every use case: the caller still authenticates, and reaches the tenant.
    async fn admit(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        hold: Hold,
    ) -> Result<Standing, ManageError> {
        match caller::read_rights(tx, caller.asker(), tsg_id, hold).await? {
            Standing { alive: false, .. } => Err(ManageError::InvalidToken),
            Standing { reaches: false, .. } => Err(ManageError::NotFound),
            standing => Ok(standing),
        }
    }

    fn draw<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(bytes)
    }

    fn row_id(&self, now: Timestamp) -> Result<Uuid, NoRandomness> {
        Ok(numbering::row_id(now, self.draw()?))
    }
}

/// For changes: the noun's own permission, for all apps and services.
fn needs(rights: &Rights, permission: Permission) -> Result<(), ManageError> {
    if rights.hold(permission.name()) { Ok(()) } else { Err(ManageError::PermissionDenied(permission)) }
}

/// For reading: the noun's own permission, or the one to read everything.
fn reads(rights: &Rights, permission: Permission) -> Result<(), ManageError> {
    if rights.hold(Permission::Read.name()) { Ok(()) } else { needs(rights, permission) }
}

/// Nobody changes or takes away what holds more than they do: the last one who may do everything
/// would be at the mercy of whoever may delete accounts, and so would be what they could reset.
async fn holds_no_more(tx: &Tx, caller: &Caller, principal: &str) -> Result<(), ManageError> {
    let lacking = caller::read_lacking(tx, caller.asker(), principal).await?;
    if lacking.is_empty() { Ok(()) } else { Err(ManageError::CannotGrant(lacking)) }
}

/// Writes the audit event of a change.
async fn record(
    tx: &Tx,
    caller: &Caller,
    tsg_id: &TsgId,
    action: &'static str,
    target: &str,
    details: Value,
) -> Result<(), StoreError> {
    audit::insert(tx, &audit::Event { tsg_id, actor: &caller.client_id, action, target, details }).await
}

/// Does the work again, with another draw, while one of `constraints` says that another was faster.
async fn redrawn<T>(
    constraints: &[&str],
    work: impl AsyncFn() -> Result<T, ManageError>,
) -> Result<T, ManageError> {
    for _ in 1..DRAWS {
        match work().await {
            Err(ManageError::Store(e)) if e.constraint().is_some_and(|c| constraints.contains(&c)) => {}
            outcome => return outcome,
        }
    }
    work().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_number_that_is_taken_is_drawn_again_but_not_for_ever() {
        let draws = Cell::new(0);
        let draw = async |taken: usize, constraint: &str| {
            draws.set(0);
            redrawn(&["tenant_pkey"], async || {
                draws.set(draws.get() + 1);
                if draws.get() > taken { Ok(()) } else { Err(StoreError::Violates(constraint.into()).into()) }
            })
            .await
        };
        assert!(draw(2, "tenant_pkey").await.is_ok());
        assert_eq!(draws.get(), 3);
        assert!(draw(100, "tenant_pkey").await.is_err());
        assert_eq!(draws.get(), DRAWS);
        assert!(draw(1, "role_name_once").await.is_err());
        assert_eq!(draws.get(), 1, "another constraint is another matter");
    }
}
