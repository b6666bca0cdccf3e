//! Slots: what a key occupies while it counts as active. How many there are of a kind is how many keys may be active at once, and
//! a unique index sees to it that no two keys have the same.

use uuid::Uuid;

use super::refused::KeyRefused;
use crate::domain::tenant::TsgId;
use crate::manage::ManageError;
use crate::store::Tx;
use crate::store::api_keys;
use crate::store::products::Product;
use crate::store::roles::Role;

/// Who would have the key.
pub(super) enum Holder<'a> {
    /// This account, which is called so.
    Account(Uuid, &'a str),
    /// The tenant.
    Tenant,
    /// This role.
    Role(&'a Role),
}

/// A slot that is free for a key of this number, after those that are over have given up theirs.
pub(super) async fn free(
    tx: &Tx,
    tsg_id: &TsgId,
    product: &Product,
    holder: &Holder<'_>,
    id: i64,
) -> Result<String, ManageError> {
    let name = &product.product;
    let slots = of(product, holder, id);
    let account = if let Holder::Account(id, _) = holder { Some(*id) } else { None };
    api_keys::release_expired(tx, tsg_id, &slots, account).await?;
    let blocking = api_keys::find_blocking(tx, tsg_id, &slots, name, account).await?;
    if blocking.unmigrated {
        return Err(ManageError::UnmigratedKeyExists(name.clone()));
    }
    if let (true, Holder::Account(_, client_id)) = (blocking.bound, holder) {
        // Of two reasons the one that another account would not help with.
        if !blocking.slots.contains(&slots[0]) {
            return Err(ManageError::ServiceAccountAlreadyBound((*client_id).to_owned()));
        }
    }
    let most = slots.len();
    let free = slots.into_iter().find(|slot| !blocking.slots.contains(slot));
    free.ok_or_else(|| match holder {
        Holder::Role(role) => KeyRefused::TooManyOfRole { role: role.name.clone(), most }.into(),
        Holder::Account(..) | Holder::Tenant => ManageError::ActiveKeyExists(name.clone()),
    })
}

/// All slots that a key may have. Where there may be any number of keys each has one of its own: an account is still bound to
/// one key only.
fn of(product: &Product, holder: &Holder<'_>, id: i64) -> Vec<String> {
    let (name, policy) = (&product.product, &product.key_policy);
    if policy.one_active_per_tenant {
        return vec![name.clone()];
    }
    match (holder, policy.most_active_per_role) {
        (Holder::Role(role), Some(most)) => {
            let most = if role.one_access_key { 1 } else { most };
            (1..=most).map(|nth| format!("{name}/{}/{nth}", role.id)).collect()
        }
        _ => vec![format!("{name}/{id}")],
    }
}
