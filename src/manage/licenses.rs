//! Licenses: without one there is no key, and the key ends with it.

use garde::Validate;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::api_keys::create::CreatedApiKey;
use super::once::{self, Made, Once};
use super::{
    Caller, Expected, Listing, Manage, ManageError, Page, Patience, Withdrawn, needs, reads, record, redrawn,
    text,
};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::licenses::{self, License};
use crate::store::{Changed, Inserted, Tx, api_keys, products, receipts};

/// A license to grant.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewLicense {
    /// For what.
    #[garde(length(chars, min = 1, max = 63), custom(text::one_line))]
    pub product: String,
    /// Until when; a year from now when not given.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::date_time")]
    pub ends_at: Option<Timestamp>,
}

/// What to change of a license; what is not given stays (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LicenseChange {
    /// Until when: earlier or later than so far. A moment that is over means now.
    #[garde(skip)]
    #[serde(default, deserialize_with = "text::moment")]
    pub ends_at: Option<Timestamp>,
}

/// A license, and the key that came with it, where its product makes one.
#[derive(Debug)]
pub struct Granted {
    /// The license.
    pub license: License,
    /// The key and, unless this is a replay, its secret.
    pub api_key: Option<CreatedApiKey>,
}

impl Manage {
    /// Grants a license; with it the first key, where the product's policy says so.
    ///
    /// # Errors
    /// [`ManageError`]: `unknown_product`, `ends_in_past`, `license_exists`, and what every use
    /// case may say.
    pub async fn create_license(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewLicense,
        once: Option<&Once>,
    ) -> Result<Made<Granted>, ManageError> {
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::License)?;
            let id = self.row_id(standing.now)?;
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                let license = read(tx, tsg_id, once::resource(&first)?).await?;
                return Ok(Made::before(Granted { license, api_key: None }));
            }
            let product = products::find(tx, &new.product).await?;
            let unknown =
                || ManageError::UnknownProduct { field: "product", names: vec![new.product.clone()] };
            let product = product.ok_or_else(unknown)?;
            let ends_at = new.ends_at.unwrap_or_else(|| a_year_after(standing.now));
            if ends_at <= standing.now {
                return Err(ManageError::EndsInPast);
            }
            let row = licenses::NewLicense { id, tsg_id, product: &new.product, ends_at };
            if licenses::insert(tx, &row).await? == Inserted::AlreadyThere {
                return Err(ManageError::LicenseExists(new.product.clone()));
            }
            let details = json!({ "product": new.product, "ends_at": ends_at });
            record(tx, caller, tsg_id, "license.create", &id.to_string(), details).await?;
            let api_key = if product.key_policy.first_key_with_license {
                self.first_key(tx, caller, tsg_id, standing.now, &product).await?
            } else {
                None
            };
            Ok(Made::now(Granted { license: read(tx, tsg_id, id).await?, api_key }))
        };
        let run = async || Ok(self.in_tenant("license.create", tsg_id, create).await?.value);
        redrawn(&["api_key_pkey", "api_key_one_per_slot"], run).await
    }

    /// Changes when a license ends. Keys that end with their license come to an earlier end with it, and the answer
    /// waits until everybody has heard; a later one is for keys that are made from then on.
    ///
    /// # Errors
    /// [`ManageError`]: `license_ended`, `stale_etag`, and what every use case may say.
    pub async fn change_license(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        change: &LicenseChange,
        patience: Patience,
    ) -> Result<Withdrawn<License>, ManageError> {
        let update = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::License)?;
            licenses::hold(tx, tsg_id, id).await?;
            let before = read(tx, tsg_id, id).await?;
            if before.ends_at <= standing.now {
                return Err(ManageError::LicenseEnded);
            }
            expected.check(before.revision)?;
            let Some(ends_at) = change.ends_at.map(|asked| asked.max(standing.now)) else {
                return Ok((before, None));
            };
            if ends_at == before.ends_at {
                // Who asks again for the end that it has waits for the change that brought it there.
                let told = receipts::name_of_license(tx, tsg_id, &before.product, ends_at).await?;
                return Ok((before, told));
            }
            end_at(tx, caller, before.ends_at, &License { ends_at, ..before.clone() }).await?;
            Ok((read(tx, tsg_id, id).await?, None))
        };
        self.withdraw("license.update", tsg_id, patience, update).await
    }

    /// One license.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn license(&self, caller: &Caller, tsg_id: &TsgId, id: Uuid) -> Result<License, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::License)?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("license.find", tsg_id, find).await?.value)
    }

    /// The licenses of a tenant, current and past.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_licenses(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<Uuid>,
    ) -> Result<Listing<License, Uuid>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::License)?;
            let rows = licenses::list(tx, tsg_id, page.after, page.probe()).await?;
            Ok(Listing::of(rows, page, |license| license.id))
        };
        Ok(self.in_tenant("license.list", tsg_id, list).await?.value)
    }
}

/// Writes the end of a license, and that of the keys that would outlive it. Those that would have gone on but for the end that it
/// had go on, unless they are of those that end with the license that they were made under.
async fn end_at(
    tx: &mut Tx,
    caller: &Caller,
    before: Timestamp,
    license: &License,
) -> Result<(), ManageError> {
    let License { id, tsg_id, product, ends_at, .. } = license;
    if licenses::update(tx, license).await? == Changed::NotThere {
        return Err(ManageError::NotFound);
    }
    let details = json!({ "product": product, "ends_at": ends_at });
    record(tx, caller, tsg_id, "license.update", &id.to_string(), details).await?;
    let by = &caller.client_id;
    if *ends_at < before {
        api_keys::shorten_all(tx, tsg_id, product, *ends_at, by).await?;
    } else if products::find(tx, product).await?.is_some_and(|p| !p.key_policy.expires_with_license) {
        api_keys::lengthen_all(tx, tsg_id, product, before, *ends_at, by).await?;
    }
    Ok(())
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<License, ManageError> {
    licenses::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}

fn a_year_after(now: Timestamp) -> Timestamp {
    let then = now.to_zoned(TimeZone::UTC).checked_add(1.year());
    then.map_or(Timestamp::MAX, |then| then.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_a_calendar_year() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a date");
        assert_eq!(a_year_after(at("2026-11-22T08:30:00Z")), at("2027-11-22T08:30:00Z"));
        assert_eq!(a_year_after(at("2028-02-29T00:00:00Z")), at("2029-02-28T00:00:00Z"));
        assert_eq!(a_year_after(Timestamp::MAX), Timestamp::MAX);
    }
}
