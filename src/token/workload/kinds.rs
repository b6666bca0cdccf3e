//! What a token of each kind looks like, so that no other token of the same issuer passes for one.
//!
//! Issuers sign many things with the same keys: ID tokens for people, access tokens for APIs, tokens that only the holder of some
//! key may use. None of those says who a workload is to whoever happens to be shown it.

use serde_json::{Map, Value};

use super::WorkloadToken;
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::trust::{IssuerKind, TrustedIssuerPart, spiffe_id};

/// What a token says that is for something else.
const OF_OTHER_TOKENS: [&str; 11] = [
    // Access tokens (RFC 9068 §2.2): they are for an API, which can pass them on.
    "scope",
    "scp",
    "client_id",
    // ID tokens of people who logged in (OpenID Connect Core 1.0 §2, §3.3.2.11).
    "nonce",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    // Events (RFC 8417 §2.2), and tokens by which somebody acts for another (RFC 8693 §4.1).
    "events",
    "act",
    // Bound to a key that nobody has shown here (RFC 7800 §3.1).
    "cnf",
];

/// Whether it is a token of this issuer's kind.
pub(super) fn is_of(token: &WorkloadToken, issuer: &TrustedIssuerPart) -> bool {
    let claims = token.claims();
    if OF_OTHER_TOKENS.iter().any(|name| claims.contains_key(*name)) {
        return false;
    }
    let said = |names: &[&str]| names.iter().all(|name| text(claims, name).is_some());
    match issuer.kind {
        IssuerKind::Kubernetes => is_kubernetes(token),
        IssuerKind::GithubActions => {
            said(&["repository", "repository_owner", "job_workflow_ref", "run_id", "jti"])
        }
        IssuerKind::Google => is_google(token),
        IssuerKind::Aws => is_aws(token),
        IssuerKind::Azure => is_azure(token, issuer),
        IssuerKind::Spiffe => is_spiffe(token),
        IssuerKind::Generic => true,
    }
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A projected token says whose it is twice, and from when on. Those of before, kept in secrets, say neither, and never end.
fn is_kubernetes(token: &WorkloadToken) -> bool {
    let claims = token.claims();
    let named = || {
        let own = claims.get("kubernetes.io")?.as_object()?;
        let name = text(own.get("serviceaccount")?.as_object()?, "name")?;
        Some(format!("system:serviceaccount:{}:{name}", text(own, "namespace")?))
    };
    named().as_deref() == Some(token.subject()) && claims.contains_key("nbf")
}

/// A service account has got it for itself; an application gets those of people, whom another number names.
fn is_google(token: &WorkloadToken) -> bool {
    let claims = token.claims();
    let own = text(claims, "azp") == Some(token.subject());
    let of_service_account = match claims.get("email") {
        None => true,
        Some(email) => {
            let email = email.as_str().unwrap_or_default();
            email.ends_with(".gserviceaccount.com")
                && claims.get("email_verified") == Some(&Value::Bool(true))
        }
    };
    own && of_service_account
}

fn is_aws(token: &WorkloadToken) -> bool {
    let claims = token.claims();
    let own = claims.get("https://sts.amazonaws.com/").and_then(Value::as_object);
    let account = own.and_then(|own| text(own, "aws_account"));
    // arn:<partition>:<service>:<region>:<account>:<resource>
    let mut arn = token.subject().split(':');
    arn.next() == Some("arn") && account.is_some() && arn.nth(3) == account && text(claims, "jti").is_some()
}

/// JWT-SVID §2.1 names the algorithms, and those of RFC 8037 are not among them: what is signed with one is to be refused.
fn is_spiffe(token: &WorkloadToken) -> bool {
    spiffe_id(token.subject()).is_some() && token.signed().algorithm() != AssertionAlgorithm::EdDSA
}

/// Of an application or managed identity, in the directory that its issuer is of. A person's has another `sub`, and a scope.
fn is_azure(token: &WorkloadToken, issuer: &TrustedIssuerPart) -> bool {
    let claims = token.claims();
    let of_directory =
        text(claims, "tid").is_some_and(|directory| issuer.issuer.split('/').any(|part| part == directory));
    let of_application = text(claims, "azp").or(text(claims, "appid")).is_some();
    let for_itself = text(claims, "idtyp").is_none_or(|kind| kind == "app");
    of_directory && of_application && for_itself && text(claims, "oid") == Some(token.subject())
}
