//! The OAuth endpoints: tokens, what is told of them, and metadata.

mod asked;
mod body;
pub mod error;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod status_lists;
mod token;

use super::routes::{Routes, get, post};

/// Where tokens are issued; the first is the one that discovery names, the others are those that
/// clients of the TSG kind have built in.
const TOKEN_PATHS: [&str; 4] =
    ["/oauth2/token", "/oauth2/access_token", "/am/oauth2/access_token", "/auth/v1/oauth2/access_token"];

/// Where keys are published; besides the first, those that are expected beside each token path.
const JWKS_PATHS: [&str; 4] = [
    "/.well-known/jwks.json",
    "/oauth2/connect/jwk_uri",
    "/am/oauth2/connect/jwk_uri",
    "/auth/v1/oauth2/connect/jwk_uri",
];

/// Registers them.
pub fn register(routes: &mut Routes<'_>) {
    for path in TOKEN_PATHS {
        routes.at(path, [post(token::issue_token)]);
    }
    for path in JWKS_PATHS {
        routes.at(path, [get(metadata::get_jwks)]);
    }
    routes.at("/oauth2/introspect", [post(introspect::introspect)]);
    routes.at("/oauth2/revoke", [post(revoke::revoke)]);
    routes.at("/status-lists", [get(status_lists::list_lists)]);
    routes.at("/status-lists/{list}", [get(status_lists::get_list)]);
    routes.at("/.well-known/oauth-protected-resource", [get(metadata::get_protected_resource)]);
    routes.at("/.well-known/oauth-authorization-server", [get(metadata::get_authorization_server)]);
    routes.at("/.well-known/openid-configuration", [get(metadata::get_openid_configuration)]);
    routes.at("/oauth2/authorize", [get(metadata::refuse_authorization)]);
}
