//! Access policies: grants of a role, for all products or some, in this tenant or a descendant.
//! They are made and taken back, never changed.

use garde::Validate;
use serde::de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use uuid::Uuid;

use super::once::{self, Made, Once};
use super::roles::may_grant;
use super::{
    Caller, Expected, Listing, Manage, ManageError, Page, Patience, Withdrawn, holds_no_more, needs, reads,
    record, text,
};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::access_policies::{self, AccessPolicy};
use crate::store::caller::Hold;
use crate::store::roles::{self, Role};
use crate::store::{Changed, Inserted, Tx, caller, products, service_accounts};

/// Every policy is in its first revision for ever.
pub const REVISION: i32 = 1;

/// For which products: `"all"`, those of the future included, or some by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Products {
    /// All apps and services.
    All,
    /// These.
    Some(Vec<String>),
}

impl<'de> Deserialize<'de> for Products {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrSome;
        impl<'de> Visitor<'de> for AllOrSome {
            type Value = Products;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"all\" or a list of products")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Products, E> {
                if text == "all" {
                    Ok(Products::All)
                } else {
                    Err(E::custom("must be \"all\" or a list of products"))
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Products, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(Products::Some)
            }
        }
        deserializer.deserialize_any(AllOrSome)
    }
}

impl Serialize for Products {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Some(names) => names.serialize(serializer),
        }
    }
}

fn some_names<C>(products: &Products, context: &C) -> garde::Result {
    let Products::Some(names) = products else {
        return Ok(());
    };
    if !(1..=64).contains(&names.len()) {
        return Err(garde::Error::new("must be \"all\" or 1 to 64 products"));
    }
    names.iter().try_for_each(|name| text::one_line(name, context))
}

/// A grant to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewAccessPolicy {
    /// The `client_id` of an account of this tenant.
    #[garde(length(chars, min = 1, max = 512), custom(text::one_line))]
    pub principal: String,
    /// The name of a role.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub role: Option<String>,
    /// For which products.
    #[garde(custom(some_names))]
    pub products: Products,
    /// Where; this tenant when not given.
    #[garde(skip)]
    pub tenant: Option<TsgId>,
    /// Access without any right is meant.
    #[garde(skip)]
    #[serde(default)]
    pub allow_without_role: bool,
}

impl Manage {
    /// Makes a grant.
    ///
    /// # Errors
    /// [`ManageError`]: `role_required`, `unknown_role`, `unknown_principal`, `unknown_product`,
    /// `not_a_descendant`, `cannot_grant`, `access_policy_exists`, and what every use case may say.
    pub async fn create_access_policy(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewAccessPolicy,
        once: Option<&Once>,
    ) -> Result<Made<AccessPolicy>, ManageError> {
        let create = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::AccessPolicy)?;
            let id = self.row_id(standing.now)?;
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &id.to_string()).await? {
                return Ok(Made::before(read(tx, tsg_id, once::resource(&first)?).await?));
            }
            let grant = self.judge(tx, caller, tsg_id, new).await?;
            let row = access_policies::NewAccessPolicy {
                id,
                tsg_id,
                principal: &new.principal,
                role_id: grant.role.as_ref().map(|role| role.id),
                products: grant.products.as_deref(),
                target: &grant.target,
            };
            if access_policies::insert(tx, &row).await? == Inserted::AlreadyThere {
                return Err(ManageError::AccessPolicyExists);
            }
            let details = json!({
                "principal": new.principal, "role": new.role, "products": new.products, "tenant": grant.target,
            });
            record(tx, caller, tsg_id, "access_policy.create", &id.to_string(), details).await?;
            Ok(Made::now(read(tx, tsg_id, id).await?))
        };
        Ok(self.in_tenant("access_policy.create", tsg_id, create).await?.value)
    }

    /// What a request means, if all that it names exists and the caller may grant it.
    async fn judge(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        new: &NewAccessPolicy,
    ) -> Result<Granted, ManageError> {
        let role = match &new.role {
            None if new.allow_without_role => None,
            None => return Err(ManageError::RoleRequired),
            Some(name) => {
                let role = roles::find_by_name(tx, tsg_id, name).await?;
                Some(role.ok_or_else(|| ManageError::UnknownRole(name.clone()))?)
            }
        };
        if service_accounts::find_by_client_id(tx, tsg_id, &new.principal).await?.is_none() {
            return Err(ManageError::UnknownPrincipal(new.principal.clone()));
        }
        let products = named_products(tx, &new.products).await?;
        let target = new.tenant.clone().unwrap_or_else(|| tsg_id.clone());
        // Row-level security shows this tenant and what is below it, and the query asks the same.
        if crate::store::tenants::find(tx, tsg_id, &target).await?.is_none() {
            return Err(ManageError::NotADescendant { field: "tenant", tsg_id: target.to_string() });
        }
        let there = caller::read_rights(tx, caller.asker(), &target, Hold::Nothing).await?;
        let permissions = role.as_ref().map_or(&[][..], |role| &role.permissions);
        may_grant(&there.rights, permissions, products.as_deref())?;
        Ok(Granted { role, products, target })
    }

    /// One policy.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn access_policy(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
    ) -> Result<AccessPolicy, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::AccessPolicy)?;
            read(tx, tsg_id, id).await
        };
        Ok(self.in_tenant("access_policy.find", tsg_id, find).await?.value)
    }

    /// The policies that were written in a tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_access_policies(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        page: &Page<Uuid>,
    ) -> Result<Listing<AccessPolicy, Uuid>, ManageError> {
        let list = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::AccessPolicy)?;
            let rows = access_policies::list(tx, tsg_id, page.after, page.probe()).await?;
            Ok(Listing::of(rows, page, |policy| policy.id))
        };
        Ok(self.in_tenant("access_policy.list", tsg_id, list).await?.value)
    }

    /// Takes a grant back, and waits until nobody acts on it.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_access_policy(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<()>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs(&standing.rights, Permission::AccessPolicy)?;
            let policy = read(tx, tsg_id, id).await?;
            expected.check(REVISION)?;
            holds_no_more(tx, caller, &policy.principal).await?;
            if access_policies::delete(tx, &policy).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let details = json!({ "principal": policy.principal, "role": policy.role });
            record(tx, caller, tsg_id, "access_policy.delete", &id.to_string(), details).await?;
            Ok(((), None))
        };
        self.withdraw("access_policy.delete", tsg_id, patience, delete).await
    }
}

struct Granted {
    role: Option<Role>,
    products: Option<Vec<String>>,
    target: TsgId,
}

/// The products in one order, each once, so that the same grant looks the same.
async fn named_products(tx: &Tx, products: &Products) -> Result<Option<Vec<String>>, ManageError> {
    let Products::Some(names) = products else {
        return Ok(None);
    };
    let mut names = names.clone();
    names.sort_unstable();
    names.dedup();
    let unknown = products::list_unknown(tx, &names).await?;
    if unknown.is_empty() {
        Ok(Some(names))
    } else {
        Err(ManageError::UnknownProduct { field: "products", names: unknown })
    }
}

async fn read(tx: &Tx, tsg_id: &TsgId, id: Uuid) -> Result<AccessPolicy, ManageError> {
    access_policies::find(tx, tsg_id, id).await?.ok_or(ManageError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_word_all_or_a_list() {
        let read = |json: &str| serde_json::from_str::<Products>(json);
        assert_eq!(read(r#""all""#).ok(), Some(Products::All));
        assert_eq!(read(r#"["a","b"]"#).ok(), Some(Products::Some(vec!["a".into(), "b".into()])));
        for bad in [r#""All""#, "null", "1", r#"{"all":true}"#, r#"["a",1]"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(some_names(&Products::Some(vec![]), &()).is_err());
    }
}
