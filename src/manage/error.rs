//! Why a use case did not do what it was asked: one variant per `code` of the contract.
//!
//! The messages are for people and go into answers, so they say nothing of what the caller may
//! not know. What is not the caller's doing ([`ManageError::Store`]) is not shown to it.

use jiff::Timestamp;

use super::api_keys::refused::KeyRefused;
use super::products_refused::ProductRefused;
use super::service_accounts::retire::InUse;
use super::trust_refused::TrustRefused;
use crate::domain::ids::NoRandomness;
use crate::domain::rights::Permission;
use crate::domain::tenant::NoSlug;
use crate::outgoing::NoAddress;
use crate::store::StoreError;
use crate::store::tx::Caused;
use crate::sync::CannotMake;
use crate::token::certificate::{NoCertificate, NoName};
use crate::token::client_jwks::NoClientKey;

/// A refusal, or a failure of ours.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The account, secret or tenant behind the token no longer authenticates.
    #[error("The access token is not valid.")]
    InvalidToken,
    /// There is none, or it belongs to somebody out of reach: the same to the caller.
    #[error("There is no such thing within your reach.")]
    NotFound,
    /// The caller lacks a permission in this tenant.
    #[error("This needs the permission {} in this tenant.", .0.name())]
    PermissionDenied(Permission),
    /// The caller would hand out what it does not hold itself.
    #[error("You can only grant what you hold yourself, in the same tenant and for the same products: {}.", .0.join(", "))]
    CannotGrant(Vec<String>),
    /// It has changed since the caller read it.
    #[error("It has changed since you read it; its revision is {0} now.")]
    StaleEtag(i32),
    /// Another request came with this key first.
    #[error("This Idempotency-Key came before, with another method, path or body.")]
    IdempotencyKeyReused,

    /// The tenant to be named is neither this one nor below it, or there is none.
    #[error("{tsg_id} is neither this tenant nor below it.")]
    NotADescendant {
        /// The field that names it.
        field: &'static str,
        /// What it names.
        tsg_id: String,
    },
    /// Nobody locks himself out.
    #[error("Your own token is for this tenant; it can be suspended from above only.")]
    OwnTenant,
    /// Nobody raises what he is limited by.
    #[error("Your own token is for this tenant; its quota is set from above only.")]
    QuotaFromAbove,
    /// It cannot be done in one transaction, however often it is tried.
    #[error(
        "The tenant has more service accounts than its status can be changed for at once; nothing was changed. \
         Disable its service accounts one by one, or delete those that it does not need, and ask again."
    )]
    TenantTooLarge,
    /// No such products.
    #[error("There is no product {}.", .names.join(", "))]
    UnknownProduct {
        /// The field that names them.
        field: &'static str,
        /// What it names.
        names: Vec<String>,
    },
    /// A license must end later than now.
    #[error("ends_at must be in the future.")]
    EndsInPast,
    /// The tenant has a current one.
    #[error("The tenant already has a license for {0}.")]
    LicenseExists(String),

    /// It has ended, so there is nothing left to change.
    #[error("The license has ended; grant another one.")]
    LicenseEnded,

    /// No `client_id` can be made of the name.
    #[error("{0}.")]
    InvalidName(#[from] NoSlug),
    /// The `client_id` that the name makes was given before; they are never given twice.
    #[error("{0} belongs, or once belonged, to another service account.")]
    ServiceAccountNameTaken(String),

    /// A secret must end later than now.
    #[error("expires_at must be in the future.")]
    ExpiresInPast,
    /// A bound, so that a record stays small.
    #[error("The service account has as many secrets as it may have; delete one first.")]
    TooManySecrets,
    /// There is nothing left to delete.
    #[error("The secret has expired: it is accepted nowhere, for good.")]
    SecretExpired,
    /// It would be missed.
    #[error("{0}")]
    SecretInUse(InUse),
    /// Its account could not authenticate any more.
    #[error(
        "The account has no other secret that is valid in every region, and no key, certificate or trust rule; make one first. now retires this one all the same."
    )]
    NoOtherSecret,
    /// Only a secret that works can be rotated.
    #[error("The secret is not valid, so nothing can take its place; make another one.")]
    SecretNotActive,
    /// Another new secret is on its way to take its place.
    #[error("The secret is being rotated: another one is about to take its place.")]
    RotationUnderWay,

    /// Keys are here or elsewhere.
    #[error("Give keys or jwks_uri, and not both.")]
    KeysOrAddress,
    /// One of the keys is not one that assertions could be verified by.
    #[error("keys[{0}]: {1}.")]
    InvalidClientKey(usize, NoClientKey),
    /// The keys cannot be fetched from there.
    #[error("jwks_uri {0}.")]
    InvalidAddress(#[from] NoAddress),

    /// More than one thing that its certificates are known by, or none.
    #[error(
        "Give exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, \
         tls_client_auth_san_email and certificates; none of them only with tls_client_certificate_bound_access_tokens."
    )]
    OneCertificateName,
    /// No certificate could carry it.
    #[error("{0} {1}.")]
    InvalidCertificateName(&'static str, NoName),
    /// One of the certificates is none.
    #[error("certificates[{0}]: {1}.")]
    InvalidCertificate(usize, NoCertificate),
    /// Nobody else's accounts act for an account.
    #[error("There is no service account {} in this tenant.", .0.join(", "))]
    UnknownActor(Vec<String>),
    /// An issuer that is not trusted, or a rule that is not written.
    #[error(transparent)]
    Trust(#[from] TrustRefused),
    /// What a product's key policy says.
    #[error(transparent)]
    Key(#[from] KeyRefused),
    /// Why a product is not made.
    #[error(transparent)]
    Product(#[from] ProductRefused),

    /// No such permissions.
    #[error("There is no permission {}.", .0.join(", "))]
    UnknownPermission(Vec<String>),
    /// A predefined role or one of the tenant has the name.
    #[error("There is a role {0} already.")]
    RoleNameTaken(String),

    /// Access without a role only where it is asked for by name.
    #[error("A role is missing; allow_without_role grants access without any right.")]
    RoleRequired,
    /// Neither predefined nor the tenant's.
    #[error("There is no role {0}.")]
    UnknownRole(String),
    /// Not a service account of this tenant.
    #[error("There is no service account {0} in this tenant.")]
    UnknownPrincipal(String),
    /// The very same grant.
    #[error("The same access policy is there already.")]
    AccessPolicyExists,

    /// No license, no key.
    #[error("The tenant has no current license for {0}.")]
    LicenseRequired(String),
    /// Not a service account of this tenant.
    #[error("There is no such service account in this tenant.")]
    UnknownServiceAccount,
    /// A key would be of no use to it.
    #[error("{0} is disabled.")]
    ServiceAccountDisabled(String),
    /// The account is not granted all apps and services.
    #[error("{0} needs an access policy for all products in this tenant.")]
    AllAppsRequired(String),
    /// It is, but without any role.
    #[error("{0} is granted all products only without a role; allow_without_role accepts that.")]
    AllAppsWithoutRole(String),
    /// It is, but no role holds what the product requires.
    #[error("No role that the service account holds for all products has all the permissions it needs; missing: {}.", .0.join(", "))]
    PermissionsMissing(Vec<String>),
    /// Migrate or revoke it first.
    #[error("The tenant has an unmigrated key for {0}: migrate or revoke it first.")]
    UnmigratedKeyExists(String),
    /// One per tenant.
    #[error("The tenant already has a key for {0}.")]
    ActiveKeyExists(String),
    /// One-to-one both ways.
    #[error("{0} is bound to another key.")]
    ServiceAccountAlreadyBound(String),
    /// There is nothing left to revoke or change.
    #[error("The key has expired: it is accepted nowhere, for good.")]
    ApiKeyExpired,
    /// There is nothing left to change.
    #[error("The key has been revoked.")]
    ApiKeyRevoked,
    /// A key's end comes nearer or stays.
    #[error("The key ends earlier than that already; its end can only be brought forward.")]
    ExpiresLater,

    /// Regions and signing keys belong to no tenant.
    #[error("Regions and signing keys are for those who act for a tenant at the root.")]
    OnlyAtRoot,
    /// Without one nothing would ever be valid.
    #[error("{0} is the last region that keys wait for: let another join or rejoin first.")]
    LastRequiredRegion(String),
    /// What may still answer is not forgotten.
    #[error("An instance of {0} is alive: stop its instances, and wait until their leases have ended.")]
    RegionInUse(String),
    /// Every other region comes back by itself.
    #[error("{0} is not draining.")]
    NotDraining(String),

    /// One at a time.
    #[error(
        "A new key of this algorithm is published already; it signs by itself as soon as every verifier can have it."
    )]
    SigningKeyUnderWay,
    /// No key signs twice.
    #[error("The key has stopped signing for good.")]
    SigningKeyRetired,
    /// An instance would refuse what it signs.
    #[error(
        "Not every instance has the key yet ({0} to go); the wait for verifiers begins when all have it."
    )]
    SigningKeyNotEverywhere(i64),
    /// A verifier may still go by a JWKS without it.
    #[error("Verifiers may keep a JWKS without the key for some time yet; it can sign from {0} on.")]
    SigningKeyTooEarly(Timestamp),
    /// No key could be made.
    #[error(transparent)]
    NoSigningKey(#[from] CannotMake),

    /// Nothing may be issued without it.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The authority.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ManageError {
    /// The stable name of this kind, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::NotFound => "not_found",
            Self::PermissionDenied(_) | Self::OnlyAtRoot => "permission_denied",
            Self::CannotGrant(_) => "cannot_grant",
            Self::StaleEtag(_) => "stale_etag",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::NotADescendant { .. } => "not_a_descendant",
            Self::OwnTenant | Self::QuotaFromAbove => "own_tenant",
            Self::TenantTooLarge => "tenant_too_large",
            Self::UnknownProduct { .. } => "unknown_product",
            Self::EndsInPast => "ends_in_past",
            Self::LicenseExists(_) => "license_exists",
            Self::LicenseEnded => "license_ended",
            Self::InvalidName(_) => "invalid_name",
            Self::ServiceAccountNameTaken(_) => "service_account_name_taken",
            Self::ExpiresInPast => "expires_in_past",
            Self::TooManySecrets => "too_many_secrets",
            Self::SecretExpired => "secret_expired",
            Self::SecretInUse(_) => "secret_in_use",
            Self::NoOtherSecret => "no_other_secret",
            Self::SecretNotActive => "secret_not_active",
            Self::RotationUnderWay => "rotation_under_way",
            Self::KeysOrAddress => "keys_or_jwks_uri",
            Self::InvalidClientKey(_, NoClientKey::Private(_))
            | Self::InvalidCertificate(_, NoCertificate::Private) => "private_key",
            Self::InvalidClientKey(..) => "invalid_client_key",
            Self::InvalidAddress(_) => "invalid_jwks_uri",
            Self::OneCertificateName => "one_certificate_name",
            Self::InvalidCertificateName(..) => "invalid_certificate_name",
            Self::InvalidCertificate(..) => "invalid_certificate",
            Self::UnknownActor(_) => "unknown_actor",
            Self::Trust(refused) => refused.code(),
            Self::Key(refused) => refused.code(),
            Self::Product(refused) => refused.code(),
            Self::UnknownPermission(_) => "unknown_permission",
            Self::RoleNameTaken(_) => "role_name_taken",
            Self::RoleRequired => "role_required",
            Self::UnknownRole(_) => "unknown_role",
            Self::UnknownPrincipal(_) => "unknown_principal",
            Self::AccessPolicyExists => "access_policy_exists",
            Self::LicenseRequired(_) => "license_required",
            Self::UnknownServiceAccount => "unknown_service_account",
            Self::ServiceAccountDisabled(_) => "service_account_disabled",
            Self::AllAppsRequired(_) => "all_apps_required",
            Self::AllAppsWithoutRole(_) => "all_apps_without_role",
            Self::PermissionsMissing(_) => "permissions_missing",
            Self::UnmigratedKeyExists(_) => "unmigrated_key_exists",
            Self::ActiveKeyExists(_) => "active_key_exists",
            Self::ServiceAccountAlreadyBound(_) => "service_account_already_bound",
            Self::ApiKeyExpired => "api_key_expired",
            Self::ApiKeyRevoked => "api_key_revoked",
            Self::ExpiresLater => "expires_later",
            Self::LastRequiredRegion(_) => "last_required_region",
            Self::RegionInUse(_) => "region_in_use",
            Self::NotDraining(_) => "not_draining",
            Self::SigningKeyUnderWay => "signing_key_under_way",
            Self::SigningKeyRetired => "signing_key_retired",
            Self::SigningKeyNotEverywhere(_) => "signing_key_not_everywhere",
            Self::SigningKeyTooEarly(_) => "signing_key_too_early",
            Self::Store(e) if e.is_outage() => "unavailable",
            Self::Store(_) | Self::Randomness(_) | Self::NoSigningKey(_) => "internal",
        }
    }

    /// The field of the request that it is about, where it is about one.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::NotADescendant { field, .. } | Self::UnknownProduct { field, .. } => Some(field),
            Self::LicenseRequired(_) => Some("product"),
            Self::EndsInPast => Some("ends_at"),
            Self::ExpiresInPast | Self::ExpiresLater => Some("expires_at"),
            Self::InvalidName(_) | Self::ServiceAccountNameTaken(_) | Self::RoleNameTaken(_) => Some("name"),
            Self::KeysOrAddress | Self::InvalidClientKey(..) => Some("keys"),
            Self::InvalidAddress(_) => Some("jwks_uri"),
            Self::InvalidCertificateName(member, _) => Some(member),
            Self::InvalidCertificate(..) => Some("certificates"),
            Self::UnknownActor(_) => Some("actors"),
            Self::Trust(refused) => refused.field(),
            Self::Key(refused) => refused.field(),
            Self::Product(refused) => refused.field(),
            Self::UnknownPermission(_) => Some("permissions"),
            Self::RoleRequired | Self::UnknownRole(_) => Some("role"),
            Self::UnknownPrincipal(_) => Some("principal"),
            Self::UnknownServiceAccount => Some("service_account_id"),
            Self::InvalidToken
            | Self::NotFound
            | Self::OneCertificateName
            | Self::PermissionDenied(_)
            | Self::CannotGrant(_)
            | Self::StaleEtag(_)
            | Self::IdempotencyKeyReused
            | Self::OwnTenant
            | Self::QuotaFromAbove
            | Self::SecretInUse(_)
            | Self::NoOtherSecret
            | Self::TenantTooLarge
            | Self::LicenseExists(_)
            | Self::LicenseEnded
            | Self::TooManySecrets
            | Self::SecretExpired
            | Self::SecretNotActive
            | Self::RotationUnderWay
            | Self::AccessPolicyExists
            | Self::ServiceAccountDisabled(_)
            | Self::AllAppsRequired(_)
            | Self::AllAppsWithoutRole(_)
            | Self::PermissionsMissing(_)
            | Self::UnmigratedKeyExists(_)
            | Self::ActiveKeyExists(_)
            | Self::ServiceAccountAlreadyBound(_)
            | Self::ApiKeyExpired
            | Self::ApiKeyRevoked
            | Self::OnlyAtRoot
            | Self::LastRequiredRegion(_)
            | Self::RegionInUse(_)
            | Self::NotDraining(_)
            | Self::SigningKeyUnderWay
            | Self::SigningKeyRetired
            | Self::SigningKeyNotEverywhere(_)
            | Self::SigningKeyTooEarly(_)
            | Self::NoSigningKey(_)
            | Self::Randomness(_)
            | Self::Store(_) => None,
        }
    }
}

impl Caused for ManageError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}
