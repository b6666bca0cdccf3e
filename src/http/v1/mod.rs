//! The management API: paths, methods, and which handler answers them. A handler takes apart what
//! `ask` read, runs one use case, and dresses its result; it decides nothing.

use super::routes::{Routes, Served, delete, get, patch, post, put};
use crate::manage::service_accounts::actors::ShownActors;
use crate::manage::service_accounts::certificates::ShownCertificates;
use crate::manage::service_accounts::client_keys::ShownKeys;
use crate::manage::service_accounts::documents::Removable;
use crate::manage::service_accounts::trust_rules::ShownRules;

mod access_key_csv;
mod access_policies;
mod answer;
mod api_key_events;
mod api_keys;
mod catalogue;
mod documents;
mod licenses;
mod products;
mod quotas;
mod receipts;
mod regions;
mod roles;
mod secrets;
mod service_accounts;
mod signing_keys;
mod tenants;
mod trusted_issuers;
mod whoami;

/// Everything under `/v1`. The names of the parameters are those of `openapi.yaml`.
pub(super) fn register(routes: &mut Routes<'_>) {
    routes.at("/v1/whoami", [get(whoami::whoami)]);
    routes.at("/v1/products", [get(products::list), post(products::create)]);
    routes.at("/v1/products/{product}", [get(products::find), patch(products::change)]);
    routes.at("/v1/permissions", [get(catalogue::permissions)]);
    routes.at("/v1/regions", [get(regions::list)]);
    routes.at("/v1/regions/{region}", [get(regions::find), delete(regions::remove)]);
    routes.at("/v1/regions/{region}/drain", [post(regions::drain)]);
    routes.at("/v1/regions/{region}/rejoin", [post(regions::rejoin)]);
    routes.at("/v1/signing-keys", [get(signing_keys::list), post(signing_keys::create)]);
    routes.at("/v1/signing-keys/{kid}", [get(signing_keys::find)]);
    routes.at("/v1/signing-keys/{kid}/promote", [post(signing_keys::promote)]);
    routes.at("/v1/signing-keys/{kid}/revoke", [post(signing_keys::revoke)]);
    routes.at("/v1/master-keys", [get(signing_keys::master_keys)]);
    routes.at("/v1/tenants", [get(tenants::list), post(tenants::create)]);
    routes.at("/v1/tenants/{tsg_id}", [get(tenants::find), patch(tenants::change)]);
    routes.at("/v1/tenants/{tsg_id}/quota", [get(quotas::find), put(quotas::replace)]);
    routes.at("/v1/tenants/{tsg_id}/licenses", [get(licenses::list), post(licenses::create)]);
    routes.at("/v1/tenants/{tsg_id}/licenses/{license_id}", [get(licenses::find), patch(licenses::change)]);
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts",
        [get(service_accounts::list), post(service_accounts::create)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}",
        [get(service_accounts::find), patch(service_accounts::change), delete(service_accounts::remove)],
    );
    routes.at("/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets", [post(secrets::create)]);
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets/{credential_id}",
        [get(secrets::find), delete(secrets::remove)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets/{credential_id}/rotate",
        [post(secrets::rotate)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets/{credential_id}/retirement",
        [get(secrets::retirement)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets/{credential_id}/retire",
        [post(secrets::retire)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/secrets/{credential_id}/receipt",
        [get(secrets::receipt)],
    );
    routes.at("/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/jwks", removable::<ShownKeys>());
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/actors",
        [get(documents::find::<ShownActors>), put(documents::replace::<ShownActors>)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/certificates",
        removable::<ShownCertificates>(),
    );
    routes.at(
        "/v1/tenants/{tsg_id}/service-accounts/{service_account_id}/trust-rules",
        removable::<ShownRules>(),
    );
    routes.at(
        "/v1/tenants/{tsg_id}/trusted-issuers",
        [get(trusted_issuers::list), post(trusted_issuers::create)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/trusted-issuers/{trusted_issuer_id}",
        [get(trusted_issuers::find), patch(trusted_issuers::change), delete(trusted_issuers::remove)],
    );
    routes.at("/v1/tenants/{tsg_id}/roles", [get(roles::list), post(roles::create)]);
    routes.at("/v1/tenants/{tsg_id}/roles/{role_id}", [get(roles::find)]);
    routes.at(
        "/v1/tenants/{tsg_id}/access-policies",
        [get(access_policies::list), post(access_policies::create)],
    );
    routes.at(
        "/v1/tenants/{tsg_id}/access-policies/{access_policy_id}",
        [get(access_policies::find), delete(access_policies::remove)],
    );
    routes.at("/v1/tenants/{tsg_id}/api-keys", [get(api_keys::list), post(api_keys::create)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}", [get(api_keys::find), patch(api_keys::change)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/revoke", [post(api_keys::revoke)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/activate", [post(api_keys::activate)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/deactivate", [post(api_keys::deactivate)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/regenerate", [post(api_keys::regenerate)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/receipt", [get(api_keys::receipt)]);
    routes.at("/v1/tenants/{tsg_id}/api-keys/{api_key_id}/events", [get(api_key_events::events)]);
    routes.at("/v1/tenants/{tsg_id}/receipts/{receipt_id}", [get(receipts::find)]);
}

/// All that can be done with a document of an account.
fn removable<D: Removable>() -> [Served; 3] {
    [get(documents::find::<D>), put(documents::replace::<D>), delete(documents::remove::<D>)]
}
