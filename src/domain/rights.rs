//! Who may do what: permissions held in a tenant, for all apps or for some products.

use serde::Deserialize;

/// The permissions of the management API. The catalogue in the database describes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Create and read tenants below this one.
    Tenant,
    /// Grant and read licenses.
    License,
    /// Create, read, change and delete service accounts.
    ServiceAccount,
    /// Create and read the tenant's own roles.
    CustomRole,
    /// Grant, read and withdraw access.
    AccessPolicy,
    /// Create, read and revoke API keys.
    ApiKey,
    /// Read, drain and remove regions; at the root only.
    Region,
    /// Read, make, promote and revoke signing keys; at the root only.
    SigningKey,
    /// Make and change products; at the root only.
    Product,
    /// Have keys for the API.
    ApiAccess,
    /// Read everything of the above.
    Read,
}

impl Permission {
    /// Its name in the catalogue.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant => "iam.tenant",
            Self::License => "iam.license",
            Self::ServiceAccount => "iam.service_account",
            Self::CustomRole => "iam.custom_role",
            Self::AccessPolicy => "iam.access_policy",
            Self::ApiKey => "iam.api_key",
            Self::Region => "iam.region",
            Self::SigningKey => "iam.signing_key",
            Self::Product => "iam.product",
            Self::ApiAccess => "iam.api_access",
            Self::Read => "iam.read",
        }
    }
}

/// One permission and the products it is held for.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// A name of the catalogue.
    pub permission: String,
    /// Nothing means all apps and services.
    pub products: Option<Vec<String>>,
}

/// All that a caller holds in one tenant.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Rights(Vec<Right>);

impl Rights {
    /// Whether `permission` is held for all apps and services.
    #[must_use]
    pub fn hold(&self, permission: &str) -> bool {
        self.0.iter().any(|r| r.permission == permission && r.products.is_none())
    }

    /// Whether `permission` is held for this product, by name or with all apps.
    #[must_use]
    pub fn hold_for(&self, permission: &str, product: &str) -> bool {
        let covers = |r: &Right| r.products.as_ref().is_none_or(|p| p.iter().any(|p| p == product));
        self.0.iter().any(|r| r.permission == permission && covers(r))
    }

    /// Whether `permission` is held for any product at all.
    #[must_use]
    pub fn hold_for_some(&self, permission: &str) -> bool {
        self.0.iter().any(|r| r.permission == permission)
    }

    /// Whether everything in `permissions` is held at least as widely: for all apps when
    /// `products` is nothing, for each of them otherwise. Nobody grants what they do not hold.
    #[must_use]
    pub fn cover(&self, permissions: &[String], products: Option<&[String]>) -> bool {
        permissions.iter().all(|p| match products {
            None => self.hold(p),
            Some(products) => products.iter().all(|product| self.hold_for(p, product)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(json: &str) -> Rights {
        serde_json::from_str(json).expect("rights")
    }

    #[test]
    fn a_right_for_some_products_is_not_one_for_all() {
        let some = rights(r#"[{"permission":"iam.api_key","products":["a","b"]}]"#);
        assert!(some.hold_for("iam.api_key", "a") && !some.hold_for("iam.api_key", "c"));
        assert!(!some.hold("iam.api_key") && some.hold_for_some("iam.api_key"));
        assert!(!some.hold_for_some("iam.read"));
        let keys = ["iam.api_key".to_owned()];
        assert!(some.cover(&keys, Some(&["a".into(), "b".into()])));
        assert!(!some.cover(&keys, Some(&["a".into(), "c".into()])));
        assert!(!some.cover(&keys, None));
    }

    #[test]
    fn holding_nothing_covers_only_nothing() {
        assert!(Rights::default().cover(&[], None));
        assert!(!Rights::default().cover(&["iam.read".into()], Some(&["a".into()])));
    }
}
