//! Why a key is not made or changed: what its product's policy says, and what to do next.

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyRefused {
    /// A field that means nothing for keys of this product.
    #[error("Keys of {product} have no {field}: leave it out.")]
    NotForProduct {
        /// Which field.
        field: &'static str,
        /// Of which product.
        product: String,
    },
    /// The account is missing.
    #[error("A key of {0} is bound to a service account: give service_account_id.")]
    AccountRequired(String),
    /// The role is missing.
    #[error("A key of {0} belongs to a role: give the name of one as role.")]
    RoleRequired(String),
    /// The caller has not this very role.
    #[error("You do not hold the role {0} for this product here: make the key with a role that you hold.")]
    RoleNotHeld(String),
    /// The caller may not have keys for the API.
    #[error("You have no access to the API: ask a system administrator to give it to you.")]
    ApiAccessRequired,
    /// The name is missing.
    #[error("A key of {0} has a name: give one.")]
    NameRequired(String),
    /// The name is another key's.
    #[error("An active key of this product is called {0} in this tenant: give another name.")]
    NameTaken(String),
    /// The role has as many keys as it may.
    #[error("The role {role} has {most} active keys of this product, which is the most: revoke one first.")]
    TooManyOfRole {
        /// Which role.
        role: String,
        /// How many.
        most: usize,
    },
    /// Not what the product offers.
    #[error("Keys of {0} have another security_level.")]
    LevelNotOffered(String),
    /// Both an end and none.
    #[error("expires is false, and expires_at is given: leave one of them out.")]
    ExpiresOrNot,
    /// The key is off, or over.
    #[error("Only a valid key can be switched off; this one is {0}.")]
    NotValid(&'static str),
    /// The key is not off.
    #[error("Only an inactive key can be switched on; this one is {0}.")]
    NotInactive(&'static str),
    /// What the policy does not let happen to keys.
    #[error("Keys of {product} cannot be {what}: {instead}.")]
    Never {
        /// Of which product.
        product: String,
        /// What.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Another key is to take its place already.
    #[error("Another key is about to take the place of this one: wait until that is valid, or revoke it.")]
    UnderWay,
    /// It ends earlier, or at the same time.
    #[error("The overlap is longer than the key itself lives.")]
    OverlapTooLong,
}

impl KeyRefused {
    /// The stable name of this kind, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotForProduct { .. } => "not_for_product",
            Self::AccountRequired(_) => "service_account_required",
            Self::RoleRequired(_) => "key_role_required",
            Self::RoleNotHeld(_) => "role_not_held",
            Self::ApiAccessRequired => "api_access_required",
            Self::NameRequired(_) => "name_required",
            Self::NameTaken(_) => "duplicate_key_name",
            Self::TooManyOfRole { .. } => "too_many_keys",
            Self::LevelNotOffered(_) => "security_level_not_offered",
            Self::ExpiresOrNot => "expires_contradicts",
            Self::NotValid(_) => "api_key_not_valid",
            Self::NotInactive(_) => "api_key_not_inactive",
            Self::Never { .. } => "not_allowed_by_policy",
            Self::UnderWay => "regeneration_under_way",
            Self::OverlapTooLong => "overlap_too_long",
        }
    }

    /// The field of the request that it is about.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::NotForProduct { field, .. } => Some(field),
            Self::AccountRequired(_) => Some("service_account_id"),
            Self::RoleRequired(_) | Self::RoleNotHeld(_) => Some("role"),
            Self::NameRequired(_) | Self::NameTaken(_) => Some("name"),
            Self::LevelNotOffered(_) => Some("security_level"),
            Self::ExpiresOrNot => Some("expires"),
            Self::OverlapTooLong => Some("overlap_seconds"),
            Self::ApiAccessRequired
            | Self::TooManyOfRole { .. }
            | Self::NotValid(_)
            | Self::NotInactive(_)
            | Self::Never { .. }
            | Self::UnderWay => None,
        }
    }

    /// What kind of answer it is.
    #[must_use]
    pub fn kind(&self) -> RefusedAs {
        match self {
            Self::RoleNotHeld(_) | Self::ApiAccessRequired => RefusedAs::Forbidden,
            Self::NameTaken(_)
            | Self::TooManyOfRole { .. }
            | Self::NotValid(_)
            | Self::NotInactive(_)
            | Self::Never { .. }
            | Self::UnderWay => RefusedAs::Conflict,
            Self::NotForProduct { .. }
            | Self::AccountRequired(_)
            | Self::RoleRequired(_)
            | Self::NameRequired(_)
            | Self::LevelNotOffered(_)
            | Self::ExpiresOrNot
            | Self::OverlapTooLong => RefusedAs::Invalid,
        }
    }
}

/// Whose turn it is to do something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedAs {
    /// The caller's rights stand against it.
    Forbidden,
    /// Something that is there does.
    Conflict,
    /// The request itself.
    Invalid,
}
