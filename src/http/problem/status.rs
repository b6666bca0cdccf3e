//! Which error of a use case has which status: every one is named, so that a new one is given its own and not that of a rest.

use actix_web::http::StatusCode;

use crate::manage::ManageError as E;
use crate::manage::api_keys::refused::RefusedAs;
use crate::manage::products_refused::ProductRefused;

/// Its status. What is an outage, or our own fault, says no more than that (see the bridge).
pub(super) fn of(error: &E) -> StatusCode {
    match error {
        E::InvalidToken => StatusCode::UNAUTHORIZED,
        E::Key(refused) => match refused.kind() {
            RefusedAs::Forbidden => StatusCode::FORBIDDEN,
            RefusedAs::Conflict => StatusCode::CONFLICT,
            RefusedAs::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        },
        E::PermissionDenied(_) | E::CannotGrant(_) | E::OnlyAtRoot => StatusCode::FORBIDDEN,
        E::NotFound => StatusCode::NOT_FOUND,
        E::StaleEtag(_) => StatusCode::PRECONDITION_FAILED,
        E::OwnTenant
        | E::QuotaFromAbove
        | E::SecretInUse(_)
        | E::NoOtherSecret
        | E::TenantTooLarge
        | E::LicenseExists(_)
        | E::LicenseEnded
        | E::ServiceAccountNameTaken(_)
        | E::TooManySecrets
        | E::SecretExpired
        | E::SecretNotActive
        | E::RotationUnderWay
        | E::RoleNameTaken(_)
        | E::AccessPolicyExists
        | E::ServiceAccountDisabled(_)
        | E::UnmigratedKeyExists(_)
        | E::ActiveKeyExists(_)
        | E::ServiceAccountAlreadyBound(_)
        | E::ApiKeyExpired
        | E::ApiKeyRevoked
        | E::LastRequiredRegion(_)
        | E::RegionInUse(_)
        | E::NotDraining(_)
        | E::SigningKeyUnderWay
        | E::SigningKeyRetired
        | E::SigningKeyNotEverywhere(_)
        | E::Product(ProductRefused::Exists)
        | E::SigningKeyTooEarly(_) => StatusCode::CONFLICT,
        E::Trust(refused) if refused.is_conflict() => StatusCode::CONFLICT,
        E::IdempotencyKeyReused
        | E::NotADescendant { .. }
        | E::UnknownProduct { .. }
        | E::EndsInPast
        | E::ExpiresInPast
        | E::ExpiresLater
        | E::InvalidName(_)
        | E::KeysOrAddress
        | E::InvalidClientKey(..)
        | E::InvalidAddress(_)
        | E::OneCertificateName
        | E::InvalidCertificateName(..)
        | E::InvalidCertificate(..)
        | E::UnknownActor(_)
        | E::Trust(_)
        | E::Product(_)
        | E::UnknownPermission(_)
        | E::RoleRequired
        | E::UnknownRole(_)
        | E::UnknownPrincipal(_)
        | E::LicenseRequired(_)
        | E::UnknownServiceAccount
        | E::AllAppsRequired(_)
        | E::AllAppsWithoutRole(_)
        | E::PermissionsMissing(_) => StatusCode::UNPROCESSABLE_ENTITY,
        E::Store(e) if e.is_outage() => StatusCode::SERVICE_UNAVAILABLE,
        E::Store(_) | E::Randomness(_) | E::NoSigningKey(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
