//! Why an issuer is not trusted, or a rule not written.

use crate::domain::trust::IssuerKind;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TrustRefused {
    /// Not a name of that kind of issuer.
    #[error(
        "issuer must be an https URL as its tokens spell it, without query and fragment (google: \
         https://accounts.google.com; spiffe: spiffe:// and the trust domain)."
    )]
    Issuer,
    /// What Carnet itself has issued says nothing new.
    #[error("Carnet's own tokens are no proof of anybody.")]
    OwnIssuer,
    /// A trust domain has no address.
    #[error("A SPIFFE trust domain has no discovery document: give keys or jwks_uri.")]
    NoDiscovery,
    /// The tenant trusts it already.
    #[error("The tenant trusts {0} already.")]
    IssuerExists(String),
    /// A bound.
    #[error("The tenant trusts as many issuers as it may; delete one first.")]
    TooManyIssuers,
    /// Not an issuer of this tenant.
    #[error("rules[{0}].issuer_id: There is no such trusted issuer in this tenant.")]
    UnknownIssuer(usize),
    /// It would let in more than one owner's workloads.
    #[error("rules[{at}]: {}.", who(*.1), at = .0)]
    NamesNobody(usize, IssuerKind),
    /// The very same rule.
    #[error("rules[{0}] comes twice.")]
    RuleTwice(usize),
}

/// What a rule must say of `sub`.
fn who(kind: IssuerKind) -> &'static str {
    match kind {
        IssuerKind::Kubernetes => {
            "a rule must say who: sub equals, or begins with system:serviceaccount: and a namespace"
        }
        IssuerKind::GithubActions => "a rule must say who: sub equals, or begins with repo: and an owner",
        IssuerKind::Spiffe => {
            "a rule must say who: sub equals, or begins with spiffe://, the trust domain and part of a path"
        }
        IssuerKind::Google | IssuerKind::Aws | IssuerKind::Azure => "a rule must say who: sub equals",
        IssuerKind::Generic => "a rule must say who: sub equals, or begins with eight characters or more",
    }
}

impl TrustRefused {
    /// The stable name of this kind, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Issuer | Self::OwnIssuer | Self::NoDiscovery => "invalid_issuer",
            Self::IssuerExists(_) => "trusted_issuer_exists",
            Self::TooManyIssuers => "too_many_trusted_issuers",
            Self::UnknownIssuer(_) => "unknown_trusted_issuer",
            Self::NamesNobody(..) | Self::RuleTwice(_) => "invalid_trust_rule",
        }
    }

    /// The field of the request that it is about.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Issuer | Self::OwnIssuer | Self::IssuerExists(_) => Some("issuer"),
            Self::NoDiscovery => Some("keys"),
            Self::TooManyIssuers => None,
            Self::UnknownIssuer(_) | Self::NamesNobody(..) | Self::RuleTwice(_) => Some("rules"),
        }
    }

    /// Whether something that is there stands against it, and not the request itself.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::IssuerExists(_) | Self::TooManyIssuers)
    }
}
