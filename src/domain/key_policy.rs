//! Key policies: which rules the keys of a product have. Which rules there are is code; which of them a product has is data.

use serde::{Deserialize, Serialize};

/// How a key is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStyle {
    /// As a JWT of the one service account that it is bound to.
    BoundServiceAccount,
    /// By its secret, as a bearer token (RFC 6750 §2.1).
    Opaque,
    /// By its number and its secret, which are exchanged for a JWT.
    AccessKey,
    /// By its number, and its secret or a hash of that, in headers.
    Signed,
}

/// Whose a key is, and so with what it goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOwner {
    /// One account's: key and account are bound to each other.
    ServiceAccount,
    /// The organisation's.
    Tenant,
    /// A role's, which says what the key may do.
    Role,
}

/// What is sent of the secret of a signed key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    /// The secret itself.
    Standard,
    /// A hash of secret, nonce and time, each of which is good once.
    Advanced,
}

/// The rules. The database holds those of a product to be of one mind (`product_…_fits`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that a product has or has not")]
pub struct KeyPolicy {
    /// Whose a key is.
    pub owner: KeyOwner,
    /// A tenant has at most one active key.
    #[serde(default)]
    pub one_active_per_tenant: bool,
    /// A role has at most so many; nothing means as many as it likes.
    #[serde(default)]
    pub most_active_per_role: Option<u32>,
    /// Granting the license makes the first key.
    #[serde(default)]
    pub first_key_with_license: bool,
    /// The account needs an access policy for all apps and services …
    #[serde(default)]
    pub requires_all_apps: bool,
    /// … with one role that holds all of these.
    #[serde(default)]
    pub required_permissions: Vec<String>,
    /// Who makes a key has been given access to the API.
    #[serde(default)]
    pub requires_api_access: bool,
    /// Who makes a key holds its role, and not only as much as its role.
    #[serde(default)]
    pub requires_held_role: bool,
    /// A key has a name …
    #[serde(default)]
    pub requires_name: bool,
    /// … which no other active key of the product has in the tenant.
    #[serde(default)]
    pub name_is_unique: bool,
    /// A key ends with the license, whatever else is asked.
    #[serde(default)]
    pub expires_with_license: bool,
    /// Its maker may say when it ends.
    #[serde(default)]
    pub may_expire: bool,
    /// After so many months, when it is to end and nobody says when.
    #[serde(default = "one")]
    pub expiry_default_months: u32,
    /// Its end may be put off.
    #[serde(default)]
    pub may_be_extended: bool,
    /// It may be switched off and on again.
    #[serde(default)]
    pub may_be_inactive: bool,
    /// Another one may take its place.
    #[serde(default)]
    pub may_be_regenerated: bool,
    /// What of a signed key's secret may be sent.
    #[serde(default)]
    pub security_levels: Vec<SecurityLevel>,
    /// It may be restricted to a part of the product.
    #[serde(default)]
    pub takes_access_scope: bool,
}

impl KeyPolicy {
    /// What of it cannot be, for keys that are presented in this style; nothing where all of it can.
    #[must_use]
    pub fn contradiction(&self, style: KeyStyle) -> Option<&'static str> {
        let bound = style == KeyStyle::BoundServiceAccount;
        let (of_account, of_role) = (self.owner == KeyOwner::ServiceAccount, self.owner == KeyOwner::Role);
        let rules = [
            (of_account != bound, "keys of service accounts are bound to them, and no others are"),
            (!of_role && self.most_active_per_role.is_some(), "most_active_per_role needs the owner role"),
            (
                self.most_active_per_role.is_some_and(|most| !(1..=100).contains(&most)),
                "most_active_per_role is 1 to 100",
            ),
            (!of_role && self.requires_held_role, "requires_held_role needs the owner role"),
            (
                !of_account && (self.requires_all_apps || !self.required_permissions.is_empty()),
                "requires_all_apps and required_permissions need the owner service_account",
            ),
            (
                !self.requires_all_apps && !self.required_permissions.is_empty(),
                "required_permissions need requires_all_apps",
            ),
            (
                self.first_key_with_license
                    && (self.owner != KeyOwner::Tenant || style != KeyStyle::Opaque || self.requires_name),
                "first_key_with_license needs opaque keys of the tenant that need no name",
            ),
            (
                (style == KeyStyle::Signed) == self.security_levels.is_empty(),
                "signed keys have security_levels, and no others have",
            ),
            (
                self.may_expire && self.expires_with_license,
                "keys that end with the license cannot end at another time as well",
            ),
            (self.may_be_extended && !self.may_expire, "may_be_extended needs may_expire"),
            (!(1..=120).contains(&self.expiry_default_months), "expiry_default_months is 1 to 120"),
            (
                bound && (self.may_be_regenerated || self.may_be_inactive),
                "a bound key is neither regenerated nor switched off: its account is",
            ),
        ];
        rules.into_iter().find_map(|(broken, why)| broken.then_some(why))
    }
}

fn one() -> u32 {
    1
}
