//! May this request pass? The token itself, *and* what is behind it: the secret or client key, and the API key.
//!
//! A JWT alone says what was true when it was signed. Here the record behind it is judged again, so
//! a live token of a revoked key, or of a secret that is gone, fails at once. So does one with which somebody acts whose own
//! secret is gone, or who may not act any more.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::directory::{Directory, Outage, Served, Verdict};
use crate::domain::record::{Liveness, Record};
use crate::once::Once;
use crate::sabotage::Switch;
use crate::token::accepted::AcceptedTokens;
use crate::token::act::Actor;
use crate::token::claims::AccessClaims;
use crate::token::dpop::Proofs;
use crate::token::keyring::KeyringCell;

mod own_key;
mod possession;
mod status_lists;
mod tell;

pub use own_key::{KeyJudge, PresentedKey, VerifiedKey};
pub use possession::{Held, Presented};
pub use status_lists::{StatusError, StatusLists};
pub use tell::Revocable;

/// A token that holds, and so do what its client proved itself by and the API key behind it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the token says.
    pub claims: Arc<AccessClaims>,
    /// Whose it is.
    pub service_account_id: Option<Uuid>,
    /// The record of that account which the token was judged by.
    pub record: Arc<Record>,
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
    /// The token is good, but not in the hands of this client.
    #[error("the client may not act for the subject of the token")]
    MayNotAct,
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
    /// What verifiers far away are told.
    pub status_lists: Arc<StatusLists>,
    /// What keys that are presented by themselves are judged by.
    pub keys: Arc<KeyJudge>,
}

impl Verifier {
    /// Verifies a token with which this client is to act from now on (RFC 8693 §2.1). Whether it is the token's holder is not
    /// asked: the client proves itself by something else.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn subject(&self, token: &str, client_id: &str) -> Result<Served<Verified>, VerifyError> {
        self.behind(self.read(token)?, Some(client_id)).await
    }

    /// Verifies a token of which it is asked only what it says, not who sends it.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn known(&self, token: &str) -> Result<Verified, VerifyError> {
        Ok(self.behind(self.read(token)?, None).await?.value)
    }

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

    /// That what is behind it is still there, and that this client may act with it.
    async fn behind(
        &self,
        claims: Arc<AccessClaims>,
        to_act: Option<&str>,
    ) -> Result<Served<Verified>, VerifyError> {
        let judged = self.directory.decide(&claims.sub, |record, now| {
            let record = match behind(&claims, &self.issuer, record, now) {
                Verdict::Final(Ok(record)) => record,
                refused => return refused,
            };
            match to_act {
                Some(client_id) if !may_act(&claims, &record, client_id) => {
                    Verdict::Doubtful(Err(VerifyError::MayNotAct))
                }
                _ => Verdict::Final(Ok(record)),
            }
        });
        let mut judged = Served::transpose(judged.await?)?;
        for actor in claims.actors() {
            let acts = self.directory.decide(&actor.sub, |record, now| acts(actor, record, now)).await?;
            judged = judged.and(Served::transpose(acts)?).map(|(record, ())| record);
        }
        Ok(judged.map(|record| Verified { claims, service_account_id: record.service_account_id, record }))
    }
}

/// Whether a client may act for a token's subject: every account for itself, and those that it has named.
fn may_act(claims: &AccessClaims, subject: &Record, client_id: &str) -> bool {
    client_id == claims.sub || subject.may_act.iter().any(|actor| actor == client_id)
}

/// Judges an actor: its account, and what it proved itself by.
fn acts(actor: &Actor, record: Option<&Arc<Record>>, now: Timestamp) -> Verdict<Result<(), VerifyError>> {
    let proof = record.filter(|r| r.enabled).and_then(|r| r.proof(&actor.credential_id, now));
    match proof {
        Some(Liveness::Valid) => Verdict::Final(Ok(())),
        Some(Liveness::Pending) | None => Verdict::Doubtful(Err(VerifyError::Invalid)),
    }
}

/// Judges what is behind a token: the subject's account, what it proved itself by, its API key, and who it lets act; and whether
/// this one was taken back.
fn behind(
    claims: &AccessClaims,
    issuer: &str,
    record: Option<&Arc<Record>>,
    now: Timestamp,
) -> Verdict<Result<Arc<Record>, VerifyError>> {
    let gone = || Verdict::Doubtful(Err(VerifyError::Invalid));
    let Some(record) = record.filter(|r| r.enabled) else { return gone() };
    if claims.jtis().any(|jti| record.revoked_tokens.contain(jti)) && !Switch::NoRevokedTokens.is_on() {
        // Never taken back, so any reading of it may refuse.
        return Verdict::Final(Err(VerifyError::Invalid));
    }
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
    if !claims.actors().all(|actor| may_act(claims, record, &actor.sub)) {
        return gone();
    }
    Verdict::Final(Ok(Arc::clone(record)))
}
