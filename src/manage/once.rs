//! A POST that is sent again makes nothing again: the first transaction to write the key wins,
//! and whoever comes later, even at the same moment, is shown what that one made.

use crate::domain::tenant::TsgId;
use crate::store::idempotency::{self, Owner};
use crate::store::{Inserted, StoreError, Tx};

use super::{Caller, ManageError};

/// A request that may be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Once {
    /// The key that the caller chose.
    pub key: String,
    /// A SHA-256 of method, path and body: what the same key must come with.
    pub fingerprint: [u8; 32],
}

/// What a creation answers with.
#[derive(Clone, Debug)]
pub struct Made<T> {
    /// What was made, as it is now.
    pub value: T,
    /// By an earlier request with the same key.
    pub replayed: bool,
}

impl<T> Made<T> {
    pub(super) fn now(value: T) -> Self {
        Self { value, replayed: false }
    }

    pub(super) fn before(value: T) -> Self {
        Self { value, replayed: true }
    }
}

/// Claims the request's key, if it has one, for the thing that is about to be made. Gives the id
/// of what an earlier request made, if there was one: then nothing may be made now.
pub(super) async fn claim(
    tx: &Tx,
    caller: &Caller,
    tsg_id: &TsgId,
    once: Option<&Once>,
    resource: &str,
) -> Result<Option<String>, ManageError> {
    let Some(Once { key, fingerprint }) = once else {
        return Ok(None);
    };
    let owner = Owner { tsg_id, caller: &caller.client_id, key };
    if idempotency::claim(tx, owner, fingerprint, resource).await? == Inserted::New {
        return Ok(None);
    }
    let first = idempotency::find(tx, owner).await?;
    let first = first.ok_or_else(|| StoreError::Broken("a claimed key is there".into()))?;
    if first.fingerprint != fingerprint {
        return Err(ManageError::IdempotencyKeyReused);
    }
    Ok(Some(first.resource))
}

/// Reads the id that was kept with a key.
pub(super) fn resource<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Broken("the resource of an idempotency key is an id".into()))
}
