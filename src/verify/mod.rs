//! May this request pass? The token itself, *and* what is behind it: the secret or client key, and the API key.
//!
//! A JWT alone says what was true when it was signed. Here the record behind it is judged again, so
//! a live token of a revoked key, or of a secret that is gone, fails at once.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::directory::{Directory, Outage, Served, Verdict};
use crate::domain::record::{Liveness, Record};
use crate::once::Once;
use crate::token::accepted::AcceptedTokens;
use crate::token::claims::AccessClaims;
use crate::token::dpop::Proofs;
use crate::token::keyring::KeyringCell;

mod possession;

pub use possession::{Held, Presented};

/// A token that holds, and so do what its client proved itself by and the API key behind it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the token says.
    pub claims: Arc<AccessClaims>,
    /// Whose it is.
    pub service_account_id: Uuid,
}

/// Why a request may not pass.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not ours, over, or what is behind it is gone. RFC 6750 §3.1 `invalid_token`.
    #[error("the access token is malformed, expired, or revoked")]
    Invalid,
    /// The proof that the token's holder sends with it is none (RFC 9449 §7.1).
    #[error("the proof of possession is malformed, for another request or time, or was used before")]
    Proof,
    /// It would be one with this nonce (RFC 9449 §9).
    #[error("the proof of possession needs another nonce")]
    Nonce(String),
    /// The key behind it is on its way to every region.
    #[error("the key behind the token is not yet valid in every region")]
    Pending,
    /// The authority is needed and does not answer.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

/// Verifies tokens; one per worker.
#[derive(Clone)]
pub struct Verifier {
    /// Finds the record behind a token.
    pub directory: Directory,
    /// The keys that have signed.
    pub keyring: Arc<KeyringCell>,
    /// Signatures that were right before.
    pub accepted: Arc<AcceptedTokens>,
    /// Who must have issued the token.
    pub issuer: Arc<str>,
    /// Judges proofs of possession.
    pub proofs: Arc<Proofs>,
    /// Knows what was used before.
    pub once: Arc<Once>,
}

impl Verifier {
    /// What a token says that is ours and whose time is now.
    fn read(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        let clock = self.directory.clock();
        // Before Postgres was ever heard there is no time to judge by.
        let now = clock.authority().ok_or(Outage::Unheard)?;
        let keyring = self.keyring.load();
        self.accepted.accept(token, &keyring, now.as_second(), &self.issuer).map_err(|rejected| {
            metrics::counter!("carnet_tokens_rejected_total", "why" => rejected.label()).increment(1);
            VerifyError::Invalid
        })
    }

    /// That what is behind it is still there.
    async fn behind(&self, claims: Arc<AccessClaims>) -> Result<Verified, VerifyError> {
        let judged = self
            .directory
            .decide(&claims.client_id, |record, now| behind(&claims, &self.issuer, record, now))
            .await?;
        let service_account_id = Served::transpose(judged)?.value;
        Ok(Verified { claims, service_account_id })
    }
}

/// Judges what is behind a token: account, what it proved itself by, and API key.
fn behind(
    claims: &AccessClaims,
    issuer: &str,
    record: Option<&Arc<Record>>,
    now: Timestamp,
) -> Verdict<Result<Uuid, VerifyError>> {
    let gone = || Verdict::Doubtful(Err(VerifyError::Invalid));
    let Some(record) = record.filter(|r| r.enabled) else { return gone() };
    let Some(proof) = record.proof(&claims.credential_id, now) else { return gone() };
    let audience = match &claims.api_key_id {
        None => issuer,
        Some(id) => {
            let key = record.keys(now).find(|key| key.api_key_id.to_string() == *id);
            match key.map(|key| (key.status, key.audience.as_str())) {
                None => return gone(),
                Some((Liveness::Pending, _)) => return Verdict::Armed(Err(VerifyError::Pending)),
                Some((Liveness::Valid, audience)) => audience,
            }
        }
    };
    if proof == Liveness::Pending || !claims.aud.includes(audience) {
        return gone();
    }
    Verdict::Final(Ok(record.service_account_id))
}
