//! How many tokens a tenant may get. It is said from above: nobody would need a quota who could raise it.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::{Caller, Expected, Manage, ManageError, needs, reads, record};
use crate::domain::quota::QuotaMode;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::quotas::{self, Quota};
use crate::store::{Tx, tenants};

/// The most tokens that a quota may name.
const MOST: i64 = 1_000_000_000_000;

/// A quota to put in the place of the one that is there.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewQuota {
    /// What becomes of what exceeds it.
    #[garde(skip)]
    pub mode: QuotaMode,
    /// In a day; any number when not given.
    #[garde(range(min = 0, max = MOST))]
    pub tokens_per_day: Option<i64>,
    /// In a month; any number when not given.
    #[garde(range(min = 0, max = MOST))]
    pub tokens_per_month: Option<i64>,
}

impl Manage {
    /// What a tenant may get, and has got.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn quota(&self, caller: &Caller, tsg_id: &TsgId) -> Result<Quota, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::Tenant)?;
            Ok(quotas::find(tx, tsg_id).await?)
        };
        Ok(self.in_tenant("quota.find", tsg_id, find).await?.value)
    }

    /// Says what a tenant may get. Every instance hears of it with its next flush.
    ///
    /// # Errors
    /// [`ManageError`]: `own_tenant`, `stale_etag`, and what every use case may say.
    pub async fn replace_quota(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        expected: &Expected,
        new: &NewQuota,
    ) -> Result<Quota, ManageError> {
        let replace = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::Tenant)?;
            tenants::hold(tx, tsg_id).await?;
            if caller.tsg_id == *tsg_id && !is_root(tx, tsg_id).await? {
                return Err(ManageError::QuotaFromAbove);
            }
            let before = quotas::find(tx, tsg_id).await?;
            expected.check(before.revision)?;
            let NewQuota { mode, tokens_per_day, tokens_per_month } = *new;
            let same = (before.mode, before.tokens_per_day, before.tokens_per_month)
                == (mode, tokens_per_day, tokens_per_month);
            if !same {
                quotas::replace(tx, tsg_id, mode, tokens_per_day, tokens_per_month).await?;
                let details = json!({
                    "mode": mode, "tokens_per_day": tokens_per_day, "tokens_per_month": tokens_per_month,
                });
                record(tx, caller, tsg_id, "quota.replace", tsg_id.as_str(), details).await?;
            }
            Ok(quotas::find(tx, tsg_id).await?)
        };
        Ok(self.in_tenant("quota.replace", tsg_id, replace).await?.value)
    }
}

async fn is_root(tx: &Tx, tsg_id: &TsgId) -> Result<bool, ManageError> {
    let tenant = tenants::find(tx, tsg_id, tsg_id).await?.ok_or(ManageError::NotFound)?;
    Ok(tenant.parent_tsg_id.is_none())
}
