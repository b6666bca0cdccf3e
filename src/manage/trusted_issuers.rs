//! Issuers of workload tokens that a tenant trusts. None of their tokens lets anybody in before a rule of an account's says so.
//!
//! Whoever could give an issuer other keys could act as every account that trusts it: so nobody changes or takes one away who
//! holds less than any of them. They are the tenant's own, and not inherited: what is taken away is taken from accounts of one
//! tenant, in one transaction with one receipt.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::once::{self, Made, Once};
use super::trust_refused::TrustRefused;
use super::{
    Caller, Expected, Listing, Manage, ManageError, Page, Patience, Withdrawn, needs, reads, record, text,
};
use crate::domain::record::ClientKeyPart;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::domain::trust::IssuerKind;
use crate::outgoing::Outgoing;
use crate::store::caller::{Hold, Standing};
use crate::store::trusted_issuers::{self, TrustedIssuer, Trusting};
use crate::store::{Changed, Inserted, Tx, receipts};
use crate::token::client_jwks::{ClientJwk, MOST_CLIENT_KEYS, ShownKey, read_all};

/// The most issuers that a tenant trusts.
pub const MOST_ISSUERS: i64 = 100;

/// An issuer to trust.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewTrustedIssuer {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub name: String,
    /// What its tokens call it.
    #[garde(length(chars, min = 1, max = 512))]
    pub issuer: String,
    /// What its tokens look like.
    #[garde(skip)]
    pub kind: IssuerKind,
    /// Whom they must be for, when it is not Carnet's issuer.
    #[garde(length(chars, min = 1, max = 512), inner(custom(text::one_line)))]
    pub audience: Option<String>,
    /// Its keys.
    #[garde(length(min = 1, max = MOST_CLIENT_KEYS))]
    keys: Option<Vec<ClientJwk>>,
    /// Or where they are. With neither, its discovery document tells.
    #[garde(length(chars, min = 1, max = 2048))]
    jwks_uri: Option<String>,
}

/// What to change of an issuer; what is not given stays (RFC 7396). Its name and kind are what it is.
#[derive(Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuerChange {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    #[serde(default, deserialize_with = "text::given")]
    pub name: Option<String>,
    /// Whom its tokens must be for; `null` for Carnet's issuer.
    #[garde(length(chars, min = 1, max = 512), inner(inner(custom(text::one_line))))]
    #[serde(default, deserialize_with = "text::given")]
    pub audience: Option<Option<String>>,
    /// Its keys.
    #[garde(length(min = 1, max = MOST_CLIENT_KEYS))]
    #[serde(default, deserialize_with = "text::given")]
    keys: Option<Vec<ClientJwk>>,
    /// Where they are; `null` for where its discovery document says.
    #[garde(length(chars, min = 1, max = 2048))]
    #[serde(default, deserialize_with = "text::given")]
    pub jwks_uri: Option<Option<String>>,
}

/// What is shown of an issuer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownIssuer {
    /// Its id.
    pub id: Uuid,
    tsg_id: TsgId,
    name: String,
    issuer: String,
    kind: IssuerKind,
    audience: Option<String>,
    keys: Vec<ShownKey>,
    jwks_uri: Option<String>,
    created_at: jiff::Timestamp,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl From<TrustedIssuer> for ShownIssuer {
    fn from(issuer: TrustedIssuer) -> Self {
        let TrustedIssuer { id, tsg_id, name, issuer, kind, audience, keys, jwks_uri, revision, created_at } =
            issuer;
        let keys = keys.into_iter().map(ShownKey::from).collect();
        Self { id, tsg_id, name, issuer, kind, audience, keys, jwks_uri, created_at, revision }
    }
}

/// Keys, or where they are.
type KeysOrAddress = (Vec<ClientKeyPart>, Option<String>);

fn read_keys(jwks: &[ClientJwk]) -> Result<KeysOrAddress, ManageError> {
    let keys = read_all(jwks).map_err(|(at, why)| ManageError::InvalidClientKey(at, why))?;
    Ok((keys, None))
}

fn read_address(outgoing: &Outgoing, uri: &str) -> Result<KeysOrAddress, ManageError> {
    outgoing.check(uri)?;
    Ok((vec![], Some(uri.to_owned())))
}

fn discovered(outgoing: &Outgoing, kind: IssuerKind, issuer: &str) -> Result<KeysOrAddress, ManageError> {
    if kind == IssuerKind::Spiffe {
        return Err(TrustRefused::NoDiscovery.into());
    }
    outgoing.check(issuer)?;
    Ok((vec![], None))
}

impl NewTrustedIssuer {
    fn keys(&self, own_issuer: &str, outgoing: &Outgoing) -> Result<KeysOrAddress, ManageError> {
        if self.issuer == own_issuer {
            return Err(TrustRefused::OwnIssuer.into());
        }
        if !self.kind.may_be_called(&self.issuer) {
            return Err(TrustRefused::Issuer.into());
        }
        match (&self.keys, &self.jwks_uri) {
            (Some(jwks), None) => read_keys(jwks),
            (None, Some(uri)) => read_address(outgoing, uri),
            (None, None) => discovered(outgoing, self.kind, &self.issuer),
            (Some(_), Some(_)) => Err(ManageError::KeysOrAddress),
        }
    }
}

impl TrustedIssuerChange {
    fn apply(&self, before: &TrustedIssuer, outgoing: &Outgoing) -> Result<TrustedIssuer, ManageError> {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(audience) = &self.audience {
            after.audience.clone_from(audience);
        }
        (after.keys, after.jwks_uri) = match (&self.keys, &self.jwks_uri) {
            (None, None) => (after.keys, after.jwks_uri),
            (Some(jwks), None) => read_keys(jwks)?,
            (None, Some(Some(uri))) => read_address(outgoing, uri)?,
            (None, Some(None)) => discovered(outgoing, before.kind, &before.issuer)?,
            (Some(_), Some(_)) => return Err(ManageError::KeysOrAddress),
        };
        Ok(after)
    }
}

/// Whether something that it vouched for before it would not vouch for now.
fn takes_away(before: &TrustedIssuer, after: &TrustedIssuer) -> bool {
    let kept = !before.keys.is_empty() && before.keys.iter().all(|key| after.keys.contains(key));
    let same_place = before.keys.is_empty() && after.keys.is_empty() && before.jwks_uri == after.jwks_uri;
    before.audience != after.audience || !kept && !same_place
}

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
            details["before"] = self::details(&before);
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

fn details(issuer: &TrustedIssuer) -> serde_json::Value {
    let TrustedIssuer { name, issuer, kind, audience, keys, jwks_uri, .. } = issuer;
    let keys: Vec<_> = keys.iter().map(|key| key.credential_id).collect();
    json!({
        "name": name, "issuer": issuer, "kind": kind, "audience": audience, "keys": keys, "jwks_uri": jwks_uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::token::signer::SigningKey;

    fn issuer(keys: &[ClientKeyPart], jwks_uri: Option<&str>) -> TrustedIssuer {
        TrustedIssuer {
            id: Uuid::nil(),
            tsg_id: TsgId::parse("1000000001").expect("a number"),
            name: "i".into(),
            issuer: "https://i.example".into(),
            kind: IssuerKind::Generic,
            audience: None,
            keys: keys.to_vec(),
            jwks_uri: jwks_uri.map(str::to_owned),
            revision: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_an_issuer_no_longer_vouches_for_is_taken_away() {
        let (key, _) = SigningKey::generate(Algorithm::EdDSA).expect("a key");
        let jwk =
            serde_json::from_value(serde_json::to_value(key.public_jwk()).expect("JSON")).expect("a JWK");
        let a = read_all(&[jwk]).expect("keys");
        let (kid, alg) = (Some("other".to_owned()), None);
        let b = ClientKeyPart { kid, alg, ..a[0].clone() };
        let both = [a[0].clone(), b.clone()];
        let (here, found, there) =
            (issuer(&a, None), issuer(&[], None), issuer(&[], Some("https://k.example")));
        for same in [&here, &found, &there] {
            assert!(!takes_away(same, &TrustedIssuer { name: "another".into(), ..same.clone() }));
            let audience = Some("urn:a".to_owned());
            assert!(takes_away(same, &TrustedIssuer { audience, ..same.clone() }));
        }
        assert!(!takes_away(&here, &issuer(&both, None)), "one more");
        for (before, after) in [
            (&issuer(&both, None), &here),
            (&here, &issuer(&[b], None)),
            (&here, &there),
            (&here, &found),
            (&there, &found),
            (&found, &there),
            (&found, &here),
        ] {
            assert!(takes_away(before, after), "{before:?} {after:?}");
        }
    }
}
