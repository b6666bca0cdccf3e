//! Issuers of workload tokens that a tenant trusts. None of their tokens lets anybody in before a rule of an account's says so.
//!
//! Whoever could give an issuer other keys could act as every account that trusts it: so nobody changes or takes one away who
//! holds less than any of them. They are the tenant's own, and not inherited: what is taken away is taken from accounts of one
//! tenant, in one transaction with one receipt.

use serde_json::json;
use uuid::Uuid;

use super::once::{self, Made, Once};
use super::trust_refused::TrustRefused;
use super::{
    Caller, Expected, Listing, Manage, ManageError, Page, Patience, Withdrawn, needs, reads, record,
};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::{Hold, Standing};
use crate::store::trusted_issuers::{self, TrustedIssuer, Trusting};
use crate::store::{Changed, Inserted, Tx, receipts};

mod description;

pub use description::{NewTrustedIssuer, ShownIssuer, TrustedIssuerChange};
use description::{details, takes_away};

/// The most issuers that a tenant trusts.
pub const MOST_ISSUERS: i64 = 100;

impl Manage {
    /// Registers an issuer.
    ///
    /// # Errors
    /// [`ManageError`]: `invalid_issuer`, `trusted_issuer_exists`, `too_many_trusted_issuers`, `keys_or_jwks_uri`, `private_key`,
    /// `invalid_client_key`, `invalid_jwks_uri`, and what every use case may say.
    pub async fn create_trusted_issuer(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewTrustedIssuer,
        once: Option<&Once>,
    ) -> Result<Made<ShownIssuer>, ManageError> {
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::ServiceAccount)?;
            let id = self.row_id(standing.now)?;
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                return Ok(Made::before(read(tx, tsg_id, once::resource(&first)?).await?.into()));
            }
            let (keys, jwks_uri) = new.keys(&self.issuer, &self.outgoing)?;
            if trusted_issuers::count(tx, tsg_id).await? >= MOST_ISSUERS {
                return Err(TrustRefused::TooManyIssuers.into());
            }
            let row = trusted_issuers::NewTrustedIssuer {
                id,
                tsg_id,
                name: &new.name,
                issuer: &new.issuer,
                kind: new.kind,
                audience: new.audience.as_deref(),
                keys: &keys,
                jwks_uri: jwks_uri.as_deref(),
            };
            if trusted_issuers::insert(tx, &row).await? == Inserted::AlreadyThere {
                return Err(TrustRefused::IssuerExists(new.issuer.clone()).into());
            }
            let made = read(tx, tsg_id, id).await?;
            record(tx, caller, tsg_id, "trusted_issuer.create", &id.to_string(), details(&made)).await?;
            Ok(Made::now(made.into()))
        };
        Ok(self.in_tenant("trusted_issuer.create", tsg_id, create).await?.value)
    }

    /// One issuer.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn trusted_issuer(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
    ) -> Result<ShownIssuer, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("trusted_issuer.find", tsg_id, find).await?.value.into())
    }

    /// The issuers that a tenant trusts.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_trusted_issuers(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<Uuid>,
    ) -> Result<Listing<ShownIssuer, Uuid>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            let rows = trusted_issuers::list(tx, tsg_id, page.after, page.probe()).await?;
            let Listing { items, next } = Listing::of(rows, page, |issuer| issuer.id);
            Ok(Listing { items: items.into_iter().map(ShownIssuer::from).collect(), next })
        };
        Ok(self.in_tenant("trusted_issuer.list", tsg_id, list).await?.value)
    }

    /// Changes an issuer. Where it vouches by less than before, waits until nobody accepts what it has vouched for.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, what a creation may say of keys, and what every use case may say.
    pub async fn change_trusted_issuer(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        change: &TrustedIssuerChange,
        patience: Patience,
    ) -> Result<Withdrawn<ShownIssuer>, ManageError> {
        let update = async |tx: &mut Tx| {
            let (standing, before, trusting) = self.hold_issuer(tx, caller, tsg_id, id, expected).await?;
            let after = change.apply(&before, &self.outgoing)?;
            if after == before {
                return Ok((before.into(), None::<receipts::ReceiptName>));
            }
            let withdraws = takes_away(&before, &after);
            let generation = if withdraws { Some(self.row_id(standing.now)?) } else { None };
            if trusted_issuers::update(tx, &after, generation, &trusting).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let mut details = details(&after);
            details["before"] = description::details(&before);
            record(tx, caller, tsg_id, "trusted_issuer.update", &id.to_string(), details).await?;
            Ok((read(tx, tsg_id, id).await?.into(), None))
        };
        self.withdraw("trusted_issuer.update", tsg_id, patience, update).await
    }

    /// Takes an issuer away with the rules that name it, and waits until nobody accepts what it has vouched for.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_trusted_issuer(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<()>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let (_, issuer, trusting) = self.hold_issuer(tx, caller, tsg_id, id, expected).await?;
            if trusted_issuers::delete(tx, &issuer, &trusting).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let why = json!({ "reason": "its issuer is not trusted any more", "issuer": issuer.issuer });
            for account in &trusting {
                let target = account.id.to_string();
                record(tx, caller, tsg_id, "trust_rules.delete", &target, why.clone()).await?;
            }
            record(tx, caller, tsg_id, "trusted_issuer.delete", &id.to_string(), details(&issuer)).await?;
            Ok(((), None))
        };
        self.withdraw("trusted_issuer.delete", tsg_id, patience, delete).await
    }

    /// Holds an issuer that is about to be changed, and those who trust it, by who holds no less than they do.
    async fn hold_issuer(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
    ) -> Result<(Standing, TrustedIssuer, Vec<Trusting>), ManageError> {
        let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
        needs(&standing.rights, Permission::ServiceAccount)?;
        let trusting = trusted_issuers::hold(tx, tsg_id, id).await?;
        let issuer = read(tx, tsg_id, id).await?;
        let lacking = trusted_issuers::read_lacking(tx, caller.asker(), &trusting).await?;
        if !lacking.is_empty() {
            return Err(ManageError::CannotGrant(lacking));
        }
        expected.check(issuer.revision)?;
        Ok((standing, issuer, trusting))
    }
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<TrustedIssuer, ManageError> {
    trusted_issuers::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}
