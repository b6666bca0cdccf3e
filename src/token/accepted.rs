//! Tokens that have passed before: a signature is checked once per token, not once per request.
//!
//! Verifying costs more than signing does, and the same token comes hundreds of times. What is
//! remembered is only that *this text* was signed by *that key* and says *these claims*: whether
//! its time is over, its issuer right and its key still published is asked at every hit, and
//! whether the credential behind it is revoked is asked elsewhere, also at every hit.
//! A token that was refused is not remembered, so that nobody can fill this with noise.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use ring::digest::{SHA256, digest};

use super::claims::AccessClaims;
use super::keyring::Keyring;
use super::rejected::Rejected;

/// How many tokens are remembered; the least useful make room. About 1 KiB each.
pub const MAX_ACCEPTED_TOKENS: u64 = 16_384;

/// How long at most: the lifetime of a token. Frees memory and decides nothing.
const REMEMBERED_FOR: Duration = Duration::from_mins(15);

/// The memory of accepted tokens, shared by all workers.
#[derive(Debug)]
pub struct AcceptedTokens {
    /// By SHA-256 of the whole text, signature included.
    by_hash: Cache<[u8; 32], Accepted>,
}

#[derive(Clone, Debug)]
struct Accepted {
    kid: Arc<str>,
    claims: Arc<AccessClaims>,
}

impl AcceptedTokens {
    /// An empty memory.
    #[must_use]
    pub fn new() -> Self {
        let by_hash = Cache::builder().max_capacity(MAX_ACCEPTED_TOKENS).time_to_live(REMEMBERED_FOR).build();
        Self { by_hash }
    }

    /// The claims of a token that is ours and whose time is now, as far as the token itself can
    /// tell. The caller still checks the audience, and the credential behind it.
    ///
    /// # Errors
    /// [`Rejected`]
    pub fn accept(
        &self,
        compact: &str,
        keyring: &Keyring,
        now_unix: i64,
        issuer: &str,
    ) -> Result<Arc<AccessClaims>, Rejected> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, compact.as_bytes()).as_ref());
        if let Some(Accepted { kid, claims }) = self.by_hash.get(&hash) {
            keyring.verifying_key(&kid).ok_or(Rejected::UnknownKey)?;
            claims.check(now_unix, issuer)?;
            return Ok(claims);
        }
        let (key, claims) = keyring.read(compact)?;
        claims.check(now_unix, issuer)?;
        let accepted = Accepted { kid: key.kid().into(), claims: Arc::new(claims) };
        self.by_hash.insert(hash, accepted.clone());
        Ok(accepted.claims)
    }
}

impl Default for AcceptedTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::token::tests::{ISSUER, NOW, claims, entry};

    #[test]
    fn a_token_is_verified_once_and_then_remembered() {
        let keyring = Keyring::new(vec![entry(Algorithm::EdDSA, true)]).unwrap();
        let token = keyring.signer(Algorithm::EdDSA).unwrap().sign(&claims());
        let (tokens, token) = (AcceptedTokens::new(), token.unwrap());
        let first = tokens.accept(&token, &keyring, NOW, ISSUER).unwrap();
        let second = tokens.accept(&token, &keyring, NOW, ISSUER).unwrap();
        assert_eq!(*first, claims());
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_remembered_token_still_expires_and_still_has_one_issuer() {
        let keyring = Keyring::new(vec![entry(Algorithm::EdDSA, true)]).unwrap();
        let token = keyring.signer(Algorithm::EdDSA).unwrap().sign(&claims());
        let (tokens, token) = (AcceptedTokens::new(), token.unwrap());
        let accept = |now, issuer| tokens.accept(&token, &keyring, now, issuer).map(drop);
        assert_eq!(accept(NOW, ISSUER), Ok(()));
        assert_eq!(accept(claims().exp, ISSUER), Err(Rejected::Expired));
        assert_eq!(accept(NOW, "https://other"), Err(Rejected::WrongIssuer));
        assert_eq!(accept(claims().iat - 60, ISSUER), Err(Rejected::IssuedInFuture));
        assert_eq!(accept(NOW, ISSUER), Ok(()));
    }

    #[test]
    fn a_remembered_token_goes_with_its_key() {
        let keyring = Keyring::new(vec![entry(Algorithm::EdDSA, true)]).unwrap();
        let token = keyring.signer(Algorithm::EdDSA).unwrap().sign(&claims());
        let (tokens, token) = (AcceptedTokens::new(), token.unwrap());
        assert!(tokens.accept(&token, &keyring, NOW, ISSUER).is_ok());
        let without = Keyring::new(vec![entry(Algorithm::EdDSA, true)]).unwrap();
        let refused = tokens.accept(&token, &without, NOW, ISSUER);
        assert_eq!(refused.unwrap_err(), Rejected::UnknownKey);
    }

    #[test]
    fn what_was_refused_is_not_remembered() {
        let (key, der) = crate::token::signer::SigningKey::generate(Algorithm::EdDSA).unwrap();
        let token = key.sign(&claims()).unwrap();
        let tokens = AcceptedTokens::new();
        let empty = Keyring::new(vec![]).unwrap();
        assert!(tokens.accept(&token, &empty, NOW, ISSUER).is_err());
        let key = crate::token::signer::SigningKey::from_pkcs8(Algorithm::EdDSA, &der).unwrap();
        let entry = crate::token::keyring::KeyringEntry { key, active: true };
        let keyring = Keyring::new(vec![entry]).unwrap();
        assert!(tokens.accept(&token, &keyring, NOW, ISSUER).is_ok());
    }
}
