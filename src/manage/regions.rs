//! Regions: read, drained and removed by who runs the installation, which is who acts for a tenant at the root.

use super::once::{self, Made, Once};
use super::{Caller, Listing, Manage, ManageError, Page, needs, reads};
use crate::domain::region::RegionState;
use crate::domain::region_name::RegionName;
use crate::domain::rights::{Permission, Rights};
use crate::store::caller::Hold;
use crate::store::operated_regions::{self, Move, NotMoved, RegionShown};
use crate::store::{Tx, tenants};
use crate::{clock, protocol_log};

impl Manage {
    /// The regions.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_regions(
        &self,
        caller: &Caller,
        page: &Page<RegionName>,
    ) -> Result<Listing<RegionShown, RegionName>, ManageError> {
        let list = async |tx: &mut Tx| {
            reads(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::Region)?;
            let after = page.after.as_ref().map(RegionName::as_str);
            let rows = operated_regions::list(tx, after, page.probe()).await?;
            Ok(Listing::of(rows, page, |shown| shown.region.clone()))
        };
        Ok(self.in_tenant("region.list", &caller.tsg_id, list).await?.value)
    }

    /// One region.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn region(&self, caller: &Caller, region: &RegionName) -> Result<RegionShown, ManageError> {
        let find = async |tx: &mut Tx| {
            reads(&self.at_root(tx, caller, Hold::Nothing).await?, Permission::Region)?;
            operated_regions::find(tx, region).await?.ok_or(ManageError::NotFound)
        };
        Ok(self.in_tenant("region.find", &caller.tsg_id, find).await?.value)
    }

    /// Drains a region, or lets it come back; how it is then.
    ///
    /// # Errors
    /// [`ManageError`]: `last_required_region`, `not_draining`, and what every use case may say.
    pub async fn move_region(
        &self,
        caller: &Caller,
        what: Move,
        region: &RegionName,
        once: Option<&Once>,
    ) -> Result<Made<RegionShown>, ManageError> {
        let replayed = self.apply_to_region(caller, what, region, once).await?;
        // Not in the same transaction, which holds everybody up: this counts every credential.
        Ok(Made { value: self.region(caller, region).await?, replayed })
    }

    /// Forgets a region in which nobody is alive. Should an instance of it come back, it joins anew.
    ///
    /// # Errors
    /// [`ManageError`]: `region_in_use`, `last_required_region`, and what every use case may say.
    pub async fn remove_region(&self, caller: &Caller, region: &RegionName) -> Result<(), ManageError> {
        self.apply_to_region(caller, Move::Remove, region, None).await?;
        Ok(())
    }

    /// Whether it was done before.
    async fn apply_to_region(
        &self,
        caller: &Caller,
        what: Move,
        region: &RegionName,
        once: Option<&Once>,
    ) -> Result<bool, ManageError> {
        let own = &caller.tsg_id;
        let apply = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::Region)?;
            if once::claim(tx, caller, own, once, region.as_str()).await?.is_some() {
                return Ok(true);
            }
            match operated_regions::apply(tx, what, region, &caller.client_id).await? {
                None => Ok(false),
                Some(NotMoved::Unknown) => Err(ManageError::NotFound),
                Some(NotMoved::LastRequired) => Err(ManageError::LastRequiredRegion(region.to_string())),
                Some(NotMoved::Alive) => Err(ManageError::RegionInUse(region.to_string())),
                Some(NotMoved::NotDraining) => Err(ManageError::NotDraining(region.to_string())),
            }
        };
        let asked = clock::since_boot();
        let replayed = self.in_tenant("region.move", own, apply).await?.value;
        if !replayed {
            let became = match what {
                Move::Drain => RegionState::Draining.as_str(),
                Move::Rejoin => RegionState::Rejoining.as_str(),
                Move::Remove => "removed",
            };
            protocol_log::region_state(region.as_str(), became, asked);
        }
        Ok(replayed)
    }

    /// What the caller holds in the token's own tenant, which must be a root: regions and signing keys belong to no tenant.
    pub(super) async fn at_root(&self, tx: &Tx, caller: &Caller, hold: Hold) -> Result<Rights, ManageError> {
        let own = &caller.tsg_id;
        let standing = self.admit(tx, caller, own, hold).await?;
        let tenant = tenants::find(tx, own, own).await?.ok_or(ManageError::NotFound)?;
        if tenant.parent_tsg_id.is_some() { Err(ManageError::OnlyAtRoot) } else { Ok(standing.rights) }
    }
}
