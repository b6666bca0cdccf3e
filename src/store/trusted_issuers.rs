//! Issuers of workload tokens that a tenant trusts.

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::caller::Asker;
use super::columns::{tsg_id, variant};
use super::{Changed, Inserted, StoreError, Tx};
use crate::domain::record::ClientKeyPart;
use crate::domain::tenant::TsgId;
use crate::domain::trust::IssuerKind;

/// An issuer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedIssuer {
    /// Its id.
    pub id: Uuid,
    /// Who trusts it.
    pub tsg_id: TsgId,
    /// What people call it.
    pub name: String,
    /// What its tokens call it.
    pub issuer: String,
    /// What its tokens look like.
    pub kind: IssuerKind,
    /// Whom they must be for; nothing for Carnet's issuer.
    pub audience: Option<String>,
    /// Its keys, when they are here.
    pub keys: Vec<ClientKeyPart>,
    /// Where they are; with neither, its discovery document tells.
    pub jwks_uri: Option<String>,
    /// Raised by every change.
    pub revision: i32,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl TrustedIssuer {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let Json(keys) = row.try_get("keys")?;
        Ok(Self {
            id: row.try_get("id")?,
            tsg_id: tsg_id(row, "tsg_id")?,
            name: row.try_get("name")?,
            issuer: row.try_get("issuer")?,
            kind: variant(row, "kind")?,
            audience: row.try_get("audience")?,
            keys,
            jwks_uri: row.try_get("jwks_uri")?,
            revision: row.try_get("revision")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// What an issuer is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewTrustedIssuer<'a> {
    /// Its id.
    pub id: Uuid,
    /// Who will trust it.
    pub tsg_id: &'a TsgId,
    /// What people will call it.
    pub name: &'a str,
    /// What its tokens call it.
    pub issuer: &'a str,
    /// What its tokens look like.
    pub kind: IssuerKind,
    /// Whom they must be for.
    pub audience: Option<&'a str>,
    /// Its keys.
    pub keys: &'a [ClientKeyPart],
    /// Where they are.
    pub jwks_uri: Option<&'a str>,
}

/// An account that trusts an issuer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trusting {
    /// Its id.
    pub id: Uuid,
    /// Its credential.
    pub client_id: String,
}

/// One issuer that a tenant trusts.
///
/// # Errors
/// [`StoreError`].
pub async fn find(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Option<TrustedIssuer>, StoreError> {
    const FIND: &str = include_str!("../../sql/queries/trusted_issuer_find_one.sql");
    tx.opt(FIND, &[&tsg_id.as_str(), &id]).await?.as_ref().map(TrustedIssuer::from_row).transpose()
}

/// The issuers that a tenant trusts, oldest first, after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    tx: &Tx,
    tsg_id: &TsgId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TrustedIssuer>, StoreError> {
    const LIST: &str = include_str!("../../sql/queries/trusted_issuer_list_page.sql");
    tx.all(LIST, &[&tsg_id.as_str(), &after, &limit]).await?.iter().map(TrustedIssuer::from_row).collect()
}

/// How many issuers a tenant trusts.
///
/// # Errors
/// [`StoreError`].
pub async fn count(tx: &Tx, tsg_id: &TsgId) -> Result<i64, StoreError> {
    const COUNT: &str = include_str!("../../sql/queries/trusted_issuer_count.sql");
    Ok(tx.one(COUNT, &[&tsg_id.as_str()]).await?.try_get(0)?)
}

/// Writes an issuer; not where the tenant trusts that one already. Nobody's record names it yet.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &Tx, new: &NewTrustedIssuer<'_>) -> Result<Inserted, StoreError> {
    const INSERT: &str = include_str!("../../sql/queries/trusted_issuer_insert_new.sql");
    let NewTrustedIssuer { id, tsg_id, name, issuer, kind, audience, keys, jwks_uri } = new;
    let columns: super::Params<'_> =
        &[&tsg_id.as_str(), id, name, issuer, &kind.as_str(), audience, &Json(keys), jwks_uri];
    Ok(Inserted::from_count(tx.run(INSERT, columns).await?))
}

/// Holds an issuer until the end of the transaction, and those who trust it.
///
/// # Errors
/// [`StoreError`].
pub async fn hold(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<Vec<Trusting>, StoreError> {
    const HOLD: &str = include_str!("../../sql/queries/trusted_issuer_hold_one.sql");
    const LIST: &str = include_str!("../../sql/queries/trusted_issuer_list_accounts.sql");
    tx.opt(HOLD, &[&tsg_id.as_str(), &id]).await?;
    let rows = tx.all(LIST, &[&tsg_id.as_str(), &id]).await?;
    let trusting = |row: &Row| Ok(Trusting { id: row.try_get("id")?, client_id: row.try_get("client_id")? });
    rows.iter().map(trusting).collect()
}

/// Of which kind these issuers are, as far as they are there, until the end of the transaction.
///
/// # Errors
/// [`StoreError`].
pub async fn use_all(tx: &Tx, tsg_id: &TsgId, ids: &[Uuid]) -> Result<Vec<(Uuid, IssuerKind)>, StoreError> {
    const USE: &str = include_str!("../../sql/queries/trusted_issuer_use_many.sql");
    let rows = tx.all(USE, &[&tsg_id.as_str(), &ids]).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, variant(row, "kind")?))).collect()
}

/// The permissions that any of these accounts holds somewhere and the caller does not hold there.
///
/// # Errors
/// [`StoreError`].
pub async fn read_lacking(
    tx: &Tx,
    asker: Asker<'_>,
    trusting: &[Trusting],
) -> Result<Vec<String>, StoreError> {
    const READ: &str = include_str!("../../sql/queries/trusted_issuer_read_lacking.sql");
    let principals: Vec<&str> = trusting.iter().map(|account| account.client_id.as_str()).collect();
    let row = tx.one(READ, &[&asker.client_id, &asker.token_tsg.as_str(), &principals]).await?;
    Ok(row.try_get(0)?)
}

/// Writes what may change of an issuer that is held. With another generation, whatever it has vouched for is withdrawn.
///
/// # Errors
/// [`StoreError`].
pub async fn update(
    tx: &mut Tx,
    after: &TrustedIssuer,
    generation: Option<Uuid>,
    trusting: &[Trusting],
) -> Result<Changed, StoreError> {
    const UPDATE: &str = include_str!("../../sql/queries/trusted_issuer_update_one.sql");
    let TrustedIssuer { id, tsg_id, name, audience, keys, jwks_uri, .. } = after;
    let columns: super::Params<'_> =
        &[&tsg_id.as_str(), id, name, audience, &Json(keys), jwks_uri, &generation];
    let changed = Changed::from_count(tx.run(UPDATE, columns).await?);
    for account in trusting {
        if generation.is_some() { tx.withdraw(&account.client_id) } else { tx.touch(&account.client_id) }
    }
    Ok(changed)
}

/// Takes an issuer that is held away, with the rules that name it.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(
    tx: &mut Tx,
    issuer: &TrustedIssuer,
    trusting: &[Trusting],
) -> Result<Changed, StoreError> {
    const RULES: &str = include_str!("../../sql/queries/trust_rules_remove_issuer.sql");
    const DELETE: &str = include_str!("../../sql/queries/trusted_issuer_delete_one.sql");
    let at: super::Params<'_> = &[&issuer.tsg_id.as_str(), &issuer.id];
    tx.run(RULES, at).await?;
    for account in trusting {
        tx.withdraw(&account.client_id);
    }
    Ok(Changed::from_count(tx.run(DELETE, at).await?))
}
