//! What is told of a token to who asks about it (RFC 7662), and which token one may ask to take back (RFC 7009).
//!
//! Who asks about a token that is none of its business hears what it would hear of noise, and what it may see is judged as a
//! request with that token would be. Who asks to take back one that is not its own hears that it may not (RFC 7009 §2.1), and so
//! that the token is ours and has not expired: a token that says so of itself to whoever holds it and has our public keys.

use std::sync::Arc;

use super::{Verifier, VerifyError};
use crate::directory::Verdict;
use crate::token::claims::AccessClaims;

/// A token that is ours and has not expired, whatever became of what is behind it.
#[derive(Clone, Debug)]
pub struct Revocable {
    /// What it says.
    pub claims: Arc<AccessClaims>,
    /// The tenant of the account whose it is.
    pub account_tsg_id: String,
}

impl Verifier {
    /// What this client may know of a token; nothing when that is nothing, or when it is not good (any more).
    ///
    /// Tokens of the client's own tenant and of those below it are its business: whoever guards an API for them needs no
    /// more rights than to be there. So are its own tokens.
    ///
    /// # Errors
    /// [`VerifyError::Pending`] and [`VerifyError::Unavailable`]: nobody can say.
    pub async fn introspect(
        &self,
        token: &str,
        client_id: &str,
        tsg_id: &str,
    ) -> Result<Option<Arc<AccessClaims>>, VerifyError> {
        let told = async {
            let claims = self.read(token)?;
            if ![&claims.client_id, &claims.sub].contains(&&client_id.to_owned()) {
                let path = self.directory.lineage(&claims.tsg_id).await?;
                if !path.is_some_and(|path| path.iter().any(|above| above == tsg_id)) {
                    return Err(VerifyError::Invalid);
                }
            }
            Ok(self.behind(claims, None).await?.value.claims)
        };
        match told.await {
            Ok(claims) => Ok(Some(claims)),
            Err(VerifyError::Invalid) => Ok(None),
            Err(unknown) => Err(unknown),
        }
    }

    /// The token, if there is anything to take back: one that is not ours, or has expired, is refused everywhere already. Whose
    /// it is, and whether the caller may take it back, is for who takes it back to judge.
    ///
    /// # Errors
    /// [`VerifyError::Unavailable`].
    pub async fn revocable(&self, token: &str) -> Result<Option<Revocable>, VerifyError> {
        let claims = match self.read(token) {
            Ok(claims) => claims,
            Err(VerifyError::Invalid) => return Ok(None),
            Err(unknown) => return Err(unknown),
        };
        let account = self.directory.decide(&claims.sub, |record, _| match record {
            Some(record) => Verdict::Final(Some(record.tsg_id.clone())),
            None => Verdict::Doubtful(None),
        });
        let account = account.await?.value;
        Ok(account.map(|account_tsg_id| Revocable { claims, account_tsg_id }))
    }
}
