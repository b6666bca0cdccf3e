//! Who may act for an account (RFC 8693): whoever is among them may exchange its tokens for delegated ones.
//!
//! Accounts of the same tenant only. Whoever lets another act for an account lends it all that the account may do: so nobody
//! does who holds less than it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::change::found;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::store::caller::Hold;
use crate::store::may_act::{self, Revised};
use crate::store::{Tx, receipts};

/// The most who may act for one account. They are in its record, which is read at every request.
const MOST_ACTORS: usize = 20;
/// The most characters of a `client_id`.
const LONGEST_CLIENT_ID: usize = 255;

/// Who is to act from now on, and nobody else.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewActors {
    /// Their `client_id`s.
    #[garde(length(max = MOST_ACTORS), inner(length(chars, min = 1, max = LONGEST_CLIENT_ID)))]
    actors: Vec<String>,
}

/// Who may act for an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownActors {
    actors: Vec<String>,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl From<Revised> for ShownActors {
    fn from(Revised { actors, revision }: Revised) -> Self {
        Self { actors, revision }
    }
}

impl NewActors {
    /// In order, and each once: who may act is a set.
    fn in_order(&self) -> Vec<String> {
        let mut actors = self.actors.clone();
        actors.sort_unstable();
        actors.dedup();
        actors
    }
}

impl Manage {
    /// Who may act for an account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn actors(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
    ) -> Result<ShownActors, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            found(tx, tsg_id, account).await?;
            Ok(may_act::find(tx, tsg_id, account).await?.into())
        };
        Ok(self.in_tenant("actors.find", tsg_id, find).await?.value)
    }

    /// Says who may act for an account. Where one may no more, waits until nobody lets it.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, `unknown_actor`, and what every use case may say.
    pub async fn replace_actors(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        new: &NewActors,
        patience: Patience,
    ) -> Result<Withdrawn<ShownActors>, ManageError> {
        let replace = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            let (before, after) = (may_act::find(tx, tsg_id, account.id).await?, new.in_order());
            expected.check(before.revision)?;
            if before.actors == after {
                // Who asks again waits for what was withdrawn before.
                let told = receipts::name_of_credential(tx, tsg_id, &account.client_id).await?;
                return Ok((before.into(), told));
            }
            // Who is gone meanwhile may stay: a client_id is never given twice.
            let added: Vec<String> = after.iter().filter(|a| !before.actors.contains(a)).cloned().collect();
            let unknown = may_act::list_unknown(tx, tsg_id, &added).await?;
            if !unknown.is_empty() {
                return Err(ManageError::UnknownActor(unknown));
            }
            may_act::replace(tx, &account, &before.actors, &after).await?;
            let details = json!({ "client_id": account.client_id, "actors": after, "before": before.actors });
            record(tx, caller, tsg_id, "actors.replace", &account.id.to_string(), details).await?;
            Ok((may_act::find(tx, tsg_id, account.id).await?.into(), None))
        };
        self.withdraw("actors.replace", tsg_id, patience, replace).await
    }
}
