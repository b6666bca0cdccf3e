//! Authentication by a client secret (RFC 6749 §2.3.1).

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Proven;
use crate::directory::Verdict;
use crate::domain::key::credential_of;
use crate::domain::record::{Liveness, Record};
use crate::domain::secret::{Secret, SecretKind};
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

/// Reads the name and the secret: whose record to look at. A typo is refused here, by the check digits, and so are names that
/// cannot be. An access key is called by its number, which is in its secret as well; other keys are not exchanged for tokens.
pub(super) fn read(client_id: &str, presented: &PresentedSecret) -> Result<(String, Secret), TokenError> {
    let secret = Secret::parse(&presented.0).map_err(|_| TokenError::InvalidClient)?;
    match secret.kind() {
        SecretKind::Client if may_be_client_id(client_id) => Ok((client_id.to_owned(), secret)),
        SecretKind::Access => {
            let number = secret.public_id().number().filter(|number| client_id == number.to_string());
            let number = number.ok_or(TokenError::InvalidClient)?;
            Ok((credential_of(number), secret))
        }
        SecretKind::Client | SecretKind::Key | SecretKind::Signed => Err(TokenError::InvalidClient),
    }
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
