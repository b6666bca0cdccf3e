//! Why a product is not made.

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProductRefused {
    /// Its name or its audience is another one's.
    #[error("There is a product of this name, or with this audience: give it others.")]
    Exists,
    /// The issuer is the audience of the management API.
    #[error("The issuer is the audience of Carnet's own API: give the product another one.")]
    OwnAudience,
    /// Its rules are not of one mind.
    #[error("key_policy contradicts itself: {0}.")]
    Contradicts(&'static str),
}

impl ProductRefused {
    /// The stable name of this kind, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists => "product_exists",
            Self::OwnAudience => "invalid_audience",
            Self::Contradicts(_) => "policy_contradicts",
        }
    }

    /// The field of the request that it is about.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists => Some("product"),
            Self::OwnAudience => Some("audience"),
            Self::Contradicts(_) => Some("key_policy"),
        }
    }
}
