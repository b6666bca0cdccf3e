//! Tenants, seen from one of them: itself and what is below it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::columns::{tsg_id, tsg_id_opt, variant};
use super::{Changed, StoreError, Tx};
use crate::domain::tenant::TsgId;

/// Whether a tenant's accounts may authenticate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// They may.
    Active,
    /// None of them may.
    Suspended,
}

/// An organisation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tenant {
    /// Its number.
    pub tsg_id: TsgId,
    /// What people call it.
    pub name: String,
    /// The tenant above it, unless it is a root.
    pub parent_tsg_id: Option<TsgId>,
    /// Whether its accounts may authenticate.
    pub status: TenantStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl TenantStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl Tenant {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            tsg_id: tsg_id(row, "tsg_id")?,
            name: row.try_get("name")?,
            parent_tsg_id: tsg_id_opt(row, "parent_tsg_id")?,
            status: variant(row, "status")?,
            created_at: row.try_get("created_at")?,
            revision: row.try_get("revision")?,
        })
    }
}

/// One tenant, if it is `top` itself or below it.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, top: &TsgId, tsg_id: &TsgId) -> Result<Option<Tenant>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/tenant_find_one.sql");
    let row = tx.opt(FIND, &[&top.as_str(), &tsg_id.as_str()]).await?;
    row.as_ref().map(Tenant::from_row).transpose()
}

/// `top` and all below it, by number, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    top: &TsgId,
    after: Option<&TsgId>,
    limit: i64,
) -> Result<Vec<Tenant>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/tenant_list_page.sql");
    let after = after.map(TsgId::as_str);
    let rows = tx.all(LIST, &[&top.as_str(), &after, &limit]).await?;
    rows.iter().map(Tenant::from_row).collect()
}

/// Holds a tenant as it is until the end of the transaction, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn hold(tx: &Tx, tsg_id: &TsgId) -> Result<(), StoreError> {
    const HOLD: &str = include_str!("../../sql/queries/tenant_hold_one.sql");
    tx.run(HOLD, &[&tsg_id.as_str()]).await?;
    Ok(())
}

/// Lets nobody change anything as an account of this tenant until the end of the transaction. Whose own account is of
/// this tenant must not ask for it, and it comes before [`hold`].
///
/// # Errors
/// [`StoreError`].
pub async fn hold_callers(tx: &Tx, tsg_id: &TsgId) -> Result<(), StoreError> {
    const HOLD: &str = include_str!("../../sql/queries/tenant_hold_callers.sql");
    tx.one(HOLD, &[&tsg_id.as_str()]).await?;
    Ok(())
}

/// Writes what may change of the transaction's own tenant, which is held, as a new revision. Touches all its accounts
/// when the status is another; suspending takes everything away from them.
///
/// # Errors
/// [`StoreError`].
pub async fn update(tx: &mut Tx, before: &Tenant, after: &Tenant) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/tenant_update_one.sql");
    let columns: super::Params<'_> = &[&after.tsg_id.as_str(), &after.name, &after.status.name()];
    let changed = Changed::from_count(tx.run(UPDATE, columns).await?);
    match after.status {
        status if status == before.status => {}
        TenantStatus::Active => tx.touch_tenant(),
        TenantStatus::Suspended => tx.withdraw_tenant(),
    }
    Ok(changed)
}

/// Writes a tenant below `parent`.
///
/// # Errors
/// [`StoreError`]; constraint `tenant_pkey` when the number is taken.
pub async fn insert(tx: &Tx, parent: &TsgId, tsg_id: &TsgId, name: &str) -> Result<(), StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/tenant_insert_child.sql");
    match tx.run(INSERT, &[&parent.as_str(), &tsg_id.as_str(), &name]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Broken("a tenant's parent is where it was a moment ago".into())),
    }
}

/// Writes a tenant that has no parent; the authority's time.
///
/// # Errors
/// [`StoreError`]; constraint `tenant_pkey` when the number is taken.
pub async fn insert_root(tx: &Tx, tsg_id: &TsgId, name: &str) -> Result<Timestamp, StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/tenant_insert_root.sql");
    let row = tx.one(INSERT, &[&tsg_id.as_str(), &name]).await?;
    Ok(row.try_get("now")?)
}
