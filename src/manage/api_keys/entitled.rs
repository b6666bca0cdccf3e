//! Which accounts may be bound to a key: those that hold all apps and services, with one role that holds what the product asks
//! for.

use crate::manage::ManageError;
use crate::store::access_policies::AllApps;
use crate::store::products::Product;

/// Whether an account that holds these for all apps and services may own a key of the product.
pub(super) fn entitled(
    product: &Product,
    client_id: &str,
    grants: &[AllApps],
    allow_without_role: bool,
) -> Result<(), ManageError> {
    if !product.key_policy.requires_all_apps {
        return Ok(());
    }
    if grants.is_empty() {
        return Err(ManageError::AllAppsRequired(client_id.to_owned()));
    }
    let lacking = |held: &Vec<String>| -> Vec<String> {
        product.key_policy.required_permissions.iter().filter(|p| !held.contains(p)).cloned().collect()
    };
    // One role must hold all of them; if none does, the one that comes closest says what is missing.
    match grants.iter().flatten().map(lacking).min_by_key(Vec::len) {
        None if allow_without_role => Ok(()),
        None => Err(ManageError::AllAppsWithoutRole(client_id.to_owned())),
        Some(missing) if missing.is_empty() => Ok(()),
        Some(missing) => Err(ManageError::PermissionsMissing(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::api_keys::a_product;

    fn product() -> Product {
        let mut product = a_product();
        product.key_policy.requires_all_apps = true;
        product.key_policy.required_permissions = vec!["a".into(), "b".into()];
        product
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other half of the type is a policy without a role")]
    fn role(permissions: &[&str]) -> AllApps {
        Some(permissions.iter().map(|&p| p.to_owned()).collect())
    }

    fn code(grants: &[AllApps], allow_without_role: bool) -> Result<(), &'static str> {
        entitled(&product(), "c", grants, allow_without_role).map_err(|e| e.code())
    }

    #[test]
    fn all_apps_need_one_role_with_all_permissions() {
        assert_eq!(code(&[], true), Err("all_apps_required"));
        assert_eq!(code(&[None], false), Err("all_apps_without_role"));
        assert_eq!(code(&[None], true), Ok(()));
        assert_eq!(code(&[None, role(&["a"])], true), Err("permissions_missing"));
        assert_eq!(code(&[role(&["a"]), role(&["b"])], false), Err("permissions_missing"));
        assert_eq!(code(&[role(&["a"]), role(&["b", "x", "a"])], false), Ok(()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = entitled(&product(), "c", &[role(&[]), role(&["a", "x"])], false);
        assert!(matches!(error, Err(ManageError::PermissionsMissing(missing)) if missing == ["b"]));
    }

    #[test]
    fn a_product_may_ask_for_none_of_it() {
        let mut product = product();
        product.key_policy.requires_all_apps = false;
        assert!(entitled(&product, "c", &[], false).is_ok());
    }
}
