//! Authentication by an assertion that the client has signed (RFC 7523 §2.2, RFC 7521 §4.2).

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::client_secret::may_be_client_id;
use super::{FetchedKeys, KeySource, Proven, Unproven};
use crate::directory::Verdict;
use crate::domain::record::Record;
use crate::issue::TokenError;
use crate::once::{Once, Use};
use crate::sabotage::Switch;
use crate::token::assertion::{Assertion, BadAssertion};

/// What a client sent as its assertion. Cannot be printed: until it is used, who has it is the client.
pub struct PresentedAssertion(String);

impl PresentedAssertion {
    /// As it was sent.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The JWT.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedAssertion(…)")
    }
}

/// Reads the assertion, and refuses what no record could change.
pub(super) fn read(
    client_id: Option<&str>,
    presented: &PresentedAssertion,
    issuer: &str,
    now: Timestamp,
) -> Result<Assertion, TokenError> {
    let refused = |why: BadAssertion| {
        metrics::counter!("carnet_assertions_rejected_total", "why" => why.label()).increment(1);
        TokenError::InvalidClient
    };
    let assertion = Assertion::read(&presented.0).map_err(refused)?;
    if !Switch::AnyAudience.is_on() {
        assertion.check_audience(issuer).map_err(refused)?;
    }
    assertion.check_time(now.as_second()).map_err(refused)?;
    // RFC 7521 §4.2: a client_id beside it names the same client.
    let same = client_id.is_none_or(|client_id| client_id == assertion.client_id());
    if !same || !may_be_client_id(assertion.client_id()) {
        return Err(TokenError::InvalidClient);
    }
    Ok(assertion)
}

/// Whether a key of the record's has signed it. Keys come and go, so what is held against a client is asked of the
/// authority first.
pub(super) fn judge(
    record: Option<&Arc<Record>>,
    assertion: &Assertion,
    fetched: Option<&FetchedKeys>,
    now: Timestamp,
) -> Result<Proven, Unproven> {
    let refused = || Unproven::from(Verdict::Doubtful(TokenError::InvalidClient));
    // Its time may have ended while the authority was asked.
    if assertion.check_time(now.as_second()).is_err() {
        return Err(refused());
    }
    let Some(record) = record.filter(|record| !record.client_keys.is_empty()) else {
        assertion.signed().verify_nothing();
        return Err(refused());
    };
    let credential_id = match &record.client_keys.jwks_uri {
        None => assertion.signed().signer(&record.client_keys.keys).map(|key| key.credential_id),
        // Nothing is fetched for an account that is not let in.
        Some(_) if !record.enabled => None,
        Some(address) => {
            match fetched.filter(|fetched| fetched.source == KeySource::Client(address.uri.clone())) {
                None => return Err(Unproven::NeedsKeys(KeySource::Client(address.uri.clone()))),
                Some(fetched) => assertion.signed().signer(&fetched.keys).map(|_| address.credential_id),
            }
        }
    };
    match credential_id {
        Some(credential_id) if record.enabled => Ok(Proven { credential_id, ends_at: None }),
        _ => Err(refused()),
    }
}

/// Uses its `jti` up, in all regions.
pub(super) async fn use_up(once: &Arc<Once>, assertion: &Assertion) -> Result<(), TokenError> {
    let ends_at = Timestamp::from_second(assertion.ends_at()).map_err(|_| TokenError::InvalidClient)?;
    match once.note(assertion.client_id(), assertion.jti(), ends_at).await? {
        Use::First => Ok(()),
        Use::Again => {
            metrics::counter!("carnet_assertions_rejected_total", "why" => "used_before").increment(1);
            Err(TokenError::InvalidClient)
        }
    }
}
