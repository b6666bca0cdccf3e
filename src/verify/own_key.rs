//! Keys that are presented by themselves: by their secret, or by a hash of it with a nonce that is good once.
//!
//! Whatever is wrong with one, the answer is the same; only to who has proved itself is told that the key is not everywhere yet.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Verifier, VerifyError};
use crate::directory::{Outage, Verdict};
use crate::domain::advanced::AdvancedProof;
use crate::domain::credential_id::CredentialId;
use crate::domain::ids::PublicId;
use crate::domain::key::credential_of;
use crate::domain::record::{KeyPart, Liveness, Record, SealedSecret};
use crate::domain::secret::{Secret, SecretKind};
use crate::once::Use;
use crate::seal::{Pepper, Sealer};
use crate::usage::{Proved, Usage};

/// A key as a request presents it.
pub enum PresentedKey {
    /// By its secret.
    Secret(Secret),
    /// By its number and a hash.
    Advanced(i64, AdvancedProof),
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PresentedKey").field(&self.number()).finish()
    }
}

impl PresentedKey {
    /// An opaque key, as a bearer token (RFC 6750 §2.1). Nothing where it is another kind of secret, or has a typo.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        Self::of_kind(token, SecretKind::Key)
    }

    /// A standard key: the number that the request names is the one in the secret.
    #[must_use]
    pub fn standard(number: i64, secret: &str) -> Option<Self> {
        Self::of_kind(secret, SecretKind::Signed).filter(|key| key.number() == Some(number))
    }

    fn of_kind(text: &str, kind: SecretKind) -> Option<Self> {
        Secret::parse(text).ok().filter(|secret| secret.kind() == kind).map(Self::Secret)
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Secret(secret) => secret.public_id().number(),
            Self::Advanced(number, _) => Some(*number),
        }
    }
}

/// A key that holds.
#[derive(Clone, Debug)]
pub struct VerifiedKey {
    /// The key, as its record has it.
    pub key: KeyPart,
    /// The record.
    pub record: Arc<Record>,
}

/// What keys are judged by besides their records. One for all workers.
pub struct KeyJudge {
    /// Compares secrets.
    pub pepper: Arc<Pepper>,
    /// Opens those that are hashed anew for each request.
    pub sealer: Sealer,
    /// Notes uses.
    pub usage: Arc<Usage>,
}

impl Verifier {
    /// Verifies a key that a request from there presents.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn key(
        &self,
        presented: &PresentedKey,
        from: Option<IpAddr>,
    ) -> Result<VerifiedKey, VerifyError> {
        let clock = self.directory.clock();
        let now = clock.authority().ok_or(Outage::Unheard)?;
        let number = presented.number().ok_or(VerifyError::Invalid)?;
        let public_id = PublicId::of_number(number).ok_or(VerifyError::Invalid)?;
        if let PresentedKey::Advanced(_, proof) = presented
            && !proof.is_timely(now)
        {
            return Err(VerifyError::Invalid);
        }
        let credential = credential_of(number);
        let judged =
            self.directory.decide(&credential, |record, now| self.keys.judge(presented, record, now));
        let served = judged.await?;
        let (verified, now) = (served.value?, served.now);
        if let PresentedKey::Advanced(_, proof) = presented {
            match self.once.note(&credential, proof.nonce(), proof.ends_at()).await? {
                Use::First => {}
                Use::Again => return Err(VerifyError::Invalid),
            }
        }
        let credential_id = CredentialId::Secret(public_id);
        self.keys.usage.note(&Proved { account: None, credential_id, from, now });
        Ok(verified)
    }
}

impl KeyJudge {
    fn judge(
        &self,
        presented: &PresentedKey,
        record: Option<&Arc<Record>>,
        now: Timestamp,
    ) -> Verdict<Result<VerifiedKey, VerifyError>> {
        let wrong = || Verdict::Doubtful(Err(VerifyError::Invalid));
        let number = presented.number();
        let known = record
            .filter(|record| record.enabled)
            .and_then(|record| Some((record, record.keys(now).find(|key| Some(key.api_key_id) == number)?)));
        let right = match (presented, known) {
            (PresentedKey::Secret(secret), known) => {
                self.has_secret(secret, known.map(|(record, _)| record), now)
            }
            (PresentedKey::Advanced(_, proof), Some((record, key))) => key
                .sealed
                .as_ref()
                .map_or(Ok(false), |sealed| self.has_hash(proof, &record.credential, sealed)),
            (PresentedKey::Advanced(..), None) => Ok(false),
        };
        match (right, known) {
            (Ok(true), Some((_, key))) if key.status == Liveness::Pending => {
                Verdict::Armed(Err(VerifyError::Pending))
            }
            (Ok(true), Some((record, key))) => {
                Verdict::Final(Ok(VerifiedKey { key: key.clone(), record: Arc::clone(record) }))
            }
            (Err(()), _) => Verdict::Doubtful(Err(VerifyError::Unavailable(Outage::Unheard))),
            _ => wrong(),
        }
    }

    /// An error where it cannot be judged here.
    fn has_secret(&self, secret: &Secret, record: Option<&Arc<Record>>, now: Timestamp) -> Result<bool, ()> {
        let part = record.and_then(|record| record.secret(secret.public_id().as_str(), now));
        let Some(part) = part else {
            self.pepper.verify_nothing(secret);
            return Ok(false);
        };
        self.pepper.verify(&part.pepper, &part.hash, secret).map_err(|unknown| {
            tracing::error!(%unknown, "the secret of a key cannot be compared");
        })
    }

    fn has_hash(&self, proof: &AdvancedProof, credential: &str, sealed: &SealedSecret) -> Result<bool, ()> {
        let opened = self.sealer.open(&[credential.as_bytes()], &sealed.0);
        let secret =
            opened.map_err(|error| tracing::error!(%error, "the secret of a key cannot be opened"))?;
        Ok(proof.is_of(&secret))
    }
}
