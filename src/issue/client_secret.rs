//! Authentication by a client secret (RFC 6749 §2.3.1), before any store is asked.

use std::fmt;

use zeroize::Zeroizing;

use super::{TokenError, TokenRequest};
use crate::domain::secret::Secret;

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

/// Reads the secret. A typo is refused here, by the check digits, and so are names that cannot be.
pub(super) fn read(request: TokenRequest<'_>) -> Result<Secret, TokenError> {
    if request.client_id.len() > LONGEST_CLIENT_ID || !request.client_id.contains('@') {
        return Err(TokenError::InvalidClient);
    }
    Secret::parse(&request.client_secret.0).map_err(|_| TokenError::InvalidClient)
}
