//! Authentication by a client secret (RFC 6749 §2.3.1).

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Proven;
use crate::directory::Verdict;
use crate::domain::record::{Liveness, Record};
use crate::domain::secret::Secret;
use crate::issue::{TokenError, pending};
use crate::seal::Pepper;

/// The most characters of a `client_id` that can be one of ours.
const LONGEST_CLIENT_ID: usize = 255;

/// What a client sent as its secret. Cannot be printed; wiped when dropped.
pub struct PresentedSecret(Zeroizing<String>);

impl PresentedSecret {
    /// As it was sent.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for PresentedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedSecret(…)")
    }
}

/// Whether this can be the name of one of our clients.
pub(super) fn may_be_client_id(text: &str) -> bool {
    text.len() <= LONGEST_CLIENT_ID && text.contains('@')
}

/// Reads the secret. A typo is refused here, by the check digits, and so are names that cannot be.
pub(super) fn read(client_id: &str, presented: &PresentedSecret) -> Result<Secret, TokenError> {
    if !may_be_client_id(client_id) {
        return Err(TokenError::InvalidClient);
    }
    Secret::parse(&presented.0).map_err(|_| TokenError::InvalidClient)
}

/// Whether the secret is one of the record's and may authenticate.
pub(super) fn judge(
    pepper: &Pepper,
    record: Option<&Arc<Record>>,
    presented: &Secret,
    now: Timestamp,
) -> Result<Proven, Verdict<TokenError>> {
    let known = record.and_then(|record| Some((record, record.secret(presented.public_id().as_str(), now)?)));
    let Some((record, secret)) = known else {
        pepper.verify_nothing(presented);
        return Err(Verdict::Doubtful(TokenError::InvalidClient));
    };
    match pepper.verify(&secret.pepper, &secret.hash, presented) {
        Ok(true) => {}
        // A secret's hash never changes, so any reading of it may refuse.
        Ok(false) => return Err(Verdict::Final(TokenError::InvalidClient)),
        Err(unknown) => {
            tracing::error!(%unknown, "a secret cannot be compared");
            return Err(Verdict::Doubtful(TokenError::ServerError));
        }
    }
    if !record.enabled {
        return Err(Verdict::Doubtful(TokenError::InvalidClient));
    }
    match secret.status {
        Liveness::Valid => {
            Ok(Proven { credential_id: presented.public_id().into(), ends_at: secret.expires_at })
        }
        Liveness::Pending => Err(Verdict::Armed(pending())),
    }
}
