//! Who asks: one file per way to prove it. Whatever is wrong with a proof, the answer is the same.
//!
//! A way has two halves: reading, before any store is asked, and judging by a record, which may happen more than once (a
//! cached record first, then the authority's) and has no effect.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Presented, TokenError};
use crate::directory::Verdict;
use crate::domain::credential_id::CredentialId;
use crate::domain::record::{ClientKeyPart, Record};
use crate::domain::secret::Secret;
use crate::once::Once;
use crate::seal::Pepper;
use crate::token::assertion::Assertion;
use crate::token::certificate::Authorities;

mod certificate;
mod client_secret;
mod private_key_jwt;
mod remote_keys;
mod workload_token;

use certificate::CertificateProof;
pub use client_secret::PresentedSecret;
pub use private_key_jwt::PresentedAssertion;
pub use remote_keys::RemoteKeys;
pub(super) use remote_keys::{FetchedKeys, KeySource};
pub(super) use workload_token::read_grant;
use workload_token::{PresentedAs, Workload};

/// What a client proves itself by, read and not yet judged.
pub(super) enum Proof {
    /// RFC 6749 §2.3.1.
    Secret(String, Secret),
    /// RFC 7523 §2.2.
    Assertion(Assertion),
    /// RFC 8705 §2.
    Certificate(CertificateProof),
    /// RFC 7523 §2.2 and §2.1, by somebody else's word.
    Workload(Workload),
}

/// A client that has proved itself.
#[derive(Clone, Copy)]
pub(super) struct Proven {
    /// By what.
    pub credential_id: CredentialId,
    /// When that comes to its end.
    pub ends_at: Option<Timestamp>,
}

/// Why it has not.
pub(super) enum Unproven {
    /// The verdict.
    Refused(Verdict<TokenError>),
    /// Nobody can say before the keys were fetched from there.
    NeedsKeys(KeySource),
}

impl From<Verdict<TokenError>> for Unproven {
    fn from(verdict: Verdict<TokenError>) -> Self {
        Self::Refused(verdict)
    }
}

impl Proof {
    /// Reads what was presented, as far as that goes without knowing the client.
    pub fn read(
        presented: &Presented,
        issuer: &str,
        authorities: Option<&Authorities>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        match presented {
            Presented::Secret { client_id, client_secret } => {
                let (credential, secret) = client_secret::read(client_id, client_secret)?;
                Ok(Self::Secret(credential, secret))
            }
            Presented::Assertion { client_id, assertion } => {
                let client_id = client_id.as_deref();
                match workload_token::recognise(assertion) {
                    Some(token) => {
                        workload_token::of(token, client_id, issuer, PresentedAs::Client).map(Self::Workload)
                    }
                    None => private_key_jwt::read(client_id, assertion, issuer, now).map(Self::Assertion),
                }
            }
            Presented::Certificate { client_id, certificate } => {
                certificate::read(client_id, certificate, authorities, now).map(Self::Certificate)
            }
            Presented::Nothing { .. } => Err(TokenError::InvalidClient),
        }
    }

    /// Who it says it is.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Secret(client_id, _) => client_id,
            Self::Assertion(assertion) => assertion.client_id(),
            Self::Certificate(proof) => &proof.client_id,
            Self::Workload(workload) => &workload.client_id,
        }
    }

    /// Whether other keys than these could not help.
    pub fn is_settled_by(&self, keys: &[ClientKeyPart]) -> bool {
        match self {
            Self::Secret(..) | Self::Certificate(_) => true,
            Self::Assertion(assertion) => assertion.signed().is_settled_by(keys),
            Self::Workload(workload) => workload.is_settled_by(keys),
        }
    }

    /// What may prove a client once only is used up by this.
    pub async fn use_up(&self, once: &Arc<Once>) -> Result<(), TokenError> {
        match self {
            // A workload's token is meant to be used more than once.
            Self::Secret(..) | Self::Certificate(_) | Self::Workload(_) => Ok(()),
            Self::Assertion(assertion) => private_key_jwt::use_up(once, assertion).await,
        }
    }

    /// Whether it is, by this record.
    pub fn judge(
        &self,
        pepper: &Pepper,
        record: Option<&Arc<Record>>,
        fetched: Option<&FetchedKeys>,
        now: Timestamp,
    ) -> Result<Proven, Unproven> {
        match self {
            Self::Secret(_, secret) => {
                client_secret::judge(pepper, record, secret, now).map_err(Unproven::from)
            }
            Self::Assertion(assertion) => private_key_jwt::judge(record, assertion, fetched, now),
            Self::Certificate(proof) => certificate::judge(record, proof, now),
            Self::Workload(workload) => workload_token::judge(record, workload, fetched, now),
        }
    }
}
