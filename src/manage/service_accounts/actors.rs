//! Who may act for an account (RFC 8693): whoever is among them may exchange its tokens for delegated ones.
//!
//! Accounts of the same tenant only. Whoever lets another act for an account lends it all that the account may do: so nobody
//! does who holds less than it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::documents::{Document, Reading};
use crate::domain::tenant::TsgId;
use crate::manage::ManageError;
use crate::store::revised::Revised;
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx, may_act};

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
    revision: i32,
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

impl Document for ShownActors {
    const FIND: &'static str = "actors.find";
    const REPLACE: &'static str = "actors.replace";

    type New = NewActors;
    type Wanted = Vec<String>;
    type Kept = Vec<String>;

    async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<Vec<String>>, StoreError> {
        may_act::find(tx, tsg_id, account).await
    }

    async fn read(new: &NewActors, _: &Reading<'_>) -> Result<Vec<String>, ManageError> {
        Ok(new.in_order())
    }

    fn is(kept: &Vec<String>, wanted: &Vec<String>) -> bool {
        kept == wanted
    }

    /// Who is gone meanwhile may stay: a `client_id` is never given twice.
    async fn admit(
        tx: &Tx,
        account: &ServiceAccount,
        kept: &Vec<String>,
        wanted: &Vec<String>,
    ) -> Result<(), ManageError> {
        let added: Vec<String> = wanted.iter().filter(|actor| !kept.contains(actor)).cloned().collect();
        let unknown = may_act::list_unknown(tx, &account.tsg_id, &added).await?;
        if unknown.is_empty() { Ok(()) } else { Err(ManageError::UnknownActor(unknown)) }
    }

    async fn write(
        tx: &mut Tx,
        account: &ServiceAccount,
        kept: &Vec<String>,
        wanted: &Vec<String>,
    ) -> Result<(), StoreError> {
        may_act::replace(tx, account, kept, wanted).await
    }

    fn told(before: &Vec<String>, after: &Vec<String>) -> Value {
        json!({ "actors": after, "before": before })
    }

    async fn show(
        _: &Tx,
        _: &TsgId,
        _: Uuid,
        Revised { value: actors, revision }: Revised<Vec<String>>,
    ) -> Result<Self, StoreError> {
        Ok(Self { actors, revision })
    }

    fn revision(&self) -> i32 {
        self.revision
    }
}
