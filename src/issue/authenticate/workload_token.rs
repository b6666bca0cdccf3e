//! A workload that proves itself by what another issuer says of it: as a client (RFC 7523 §2.2), and as a grant (§2.1).
//!
//! The token does not say which account it is for: the client ID beside it does, and then the rules of that account decide
//! whether it is. It may be used more than once, so nothing is used up; what it gets does not outlive it.

use std::sync::Arc;

use jiff::Timestamp;

use super::client_secret::may_be_client_id;
use super::{FetchedKeys, KeySource, PresentedAssertion, Proven, Unproven};
use crate::directory::Verdict;
use crate::domain::record::{ClientKeyPart, Record};
use crate::domain::trust::TrustedIssuerPart;
use crate::issue::TokenError;
use crate::token::assertion::BadAssertion;
use crate::token::workload::WorkloadToken;

/// What a workload's token is presented as: all that this decides is what its failure is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::issue) enum PresentedAs {
    /// RFC 7521 §4.2.1.
    Client,
    /// RFC 7521 §4.1.1.
    Grant,
}

impl PresentedAs {
    fn refused(self) -> TokenError {
        match self {
            Self::Client => TokenError::InvalidClient,
            Self::Grant => TokenError::InvalidGrant,
        }
    }
}

/// A workload's token and the account that it is presented for.
pub(in crate::issue) struct Workload {
    pub client_id: String,
    token: WorkloadToken,
    presented_as: PresentedAs,
    /// Whom it must be for, where nothing else is said of its issuer.
    audience: String,
}

/// The token, if what was sent for this client is one, and not the client's own assertion.
pub(super) fn recognise(presented: &PresentedAssertion) -> Option<WorkloadToken> {
    WorkloadToken::read(presented.text()).ok().filter(WorkloadToken::is_of_another)
}

/// Reads the token of a grant.
pub(in crate::issue) fn read_grant(
    client_id: &str,
    assertion: &str,
    audience: &str,
) -> Result<Workload, TokenError> {
    let token = WorkloadToken::read(assertion).map_err(|why: BadAssertion| {
        metrics::counter!("carnet_assertions_rejected_total", "why" => why.label()).increment(1);
        TokenError::InvalidGrant
    })?;
    of(token, Some(client_id), audience, PresentedAs::Grant)
}

/// For the account that it is presented for, which has to be named.
pub(super) fn of(
    token: WorkloadToken,
    client_id: Option<&str>,
    audience: &str,
    presented_as: PresentedAs,
) -> Result<Workload, TokenError> {
    let client_id = client_id.filter(|id| may_be_client_id(id)).ok_or_else(|| presented_as.refused())?;
    Ok(Workload { client_id: client_id.to_owned(), token, presented_as, audience: audience.to_owned() })
}

/// Whether a rule of the account's lets it in. Rules come and go, so what is held against it is asked of the authority first.
pub(super) fn judge(
    record: Option<&Arc<Record>>,
    workload: &Workload,
    fetched: Option<&FetchedKeys>,
    now: Timestamp,
) -> Result<Proven, Unproven> {
    let Workload { token, presented_as, audience, .. } = workload;
    let no = || {
        token.signed().verify_nothing();
        Unproven::from(Verdict::Doubtful(presented_as.refused()))
    };
    let trust = record.filter(|record| record.enabled).map(|record| &record.trust).ok_or_else(no)?;
    let issuer = trust.issuer_of(token.issuer(), token.subject()).ok_or_else(no)?;
    token.check(issuer, audience, now.as_second()).map_err(|_| no())?;
    // Before any key is fetched: nothing is, for what would not be let in whoever has signed it.
    let rule = trust.rule_for(issuer.id, token.claims()).ok_or_else(no)?;
    let source = source(issuer);
    let keys = match (&source, fetched.filter(|fetched| Some(&fetched.source) == source.as_ref())) {
        (None, _) => &issuer.keys[..],
        (Some(_), Some(fetched)) => &fetched.keys,
        (Some(source), None) => return Err(Unproven::NeedsKeys(source.clone())),
    };
    if token.signed().signer(keys).is_none() {
        return Err(Unproven::from(Verdict::Doubtful(presented_as.refused())));
    }
    let ends_at = Timestamp::from_second(token.ends_at()).map_err(|_| no())?;
    Ok(Proven { credential_id: rule.credential_id, ends_at: Some(ends_at) })
}

/// Where the keys of an issuer are, when they are not here.
fn source(issuer: &TrustedIssuerPart) -> Option<KeySource> {
    match &issuer.jwks_uri {
        Some(uri) => Some(KeySource::Issuer(uri.clone())),
        None if issuer.keys.is_empty() => Some(KeySource::Discovery(issuer.issuer.clone())),
        None => None,
    }
}

impl Workload {
    /// Whether other keys than these could not help.
    pub fn is_settled_by(&self, keys: &[ClientKeyPart]) -> bool {
        self.token.signed().is_settled_by(keys)
    }
}
