//! The audit trail: who did what, written in the transaction of the change, never changed.

use serde_json::Value;

use super::{StoreError, Tx};
use crate::domain::tenant::TsgId;

/// Something that was done.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Where.
    pub tsg_id: &'a TsgId,
    /// By whom: a `client_id`.
    pub actor: &'a str,
    /// `noun.verb`.
    pub action: &'static str,
    /// The id of what was changed.
    pub target: &'a str,
    /// What else there is to say. Never a secret.
    pub details: Value,
}

/// Writes an event.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &Tx, event: &Event<'_>) -> Result<(), StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/audit_event_insert_new.sql");
    let Event { tsg_id, actor, action, target, details } = event;
    tx.run(INSERT, &[&tsg_id.as_str(), actor, action, target, details]).await?;
    Ok(())
}
