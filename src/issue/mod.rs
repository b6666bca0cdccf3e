//! The token endpoint's use case: a list of named steps.
//!
//! One file per way to authenticate, one per grant. It speaks of neither HTTP nor SQL.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::mpsc;

use crate::directory::{Directory, Outage, Served};
use crate::domain::ids::PublicId;
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::seal::Pepper;
use crate::store::master_keys::Rehashed;
use crate::token::claims::{AccessClaims, Audience};
use crate::token::keyring::KeyringCell;

mod client_credentials;
mod client_secret;
mod error;
mod scope;

use client_credentials::{Entitlement, Target};
pub use error::TokenError;
use scope::Scope;

/// A token request as it was sent (RFC 6749 §4.4.2), with whatever the client proves itself by.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The one grant there is: `client_credentials`.
    pub grant_type: &'a str,
    /// Who asks.
    pub client_id: &'a str,
    /// What it proves itself by.
    pub client_secret: &'a PresentedSecret,
    /// What is asked for (RFC 6749 §3.3).
    pub scope: Option<&'a str>,
    /// For which API (RFC 8707 §2).
    pub resource: Option<&'a str>,
}

pub use client_secret::PresentedSecret;

/// A successful answer (RFC 6749 §5.1).
#[derive(Clone)]
pub struct IssuedToken {
    /// The JWT.
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// What was granted: exactly what was asked for, or the account's own tenant.
    pub scope: String,
}

/// Without the token: who has it is its bearer.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_token: _, expires_in, scope } = self;
        let mut shown = f.debug_struct("IssuedToken");
        shown.field("expires_in", expires_in).field("scope", scope).finish_non_exhaustive()
    }
}

/// Issues tokens; one per worker.
#[derive(Clone)]
pub struct TokenIssuer {
    /// Finds the caller's record.
    pub directory: Directory,
    /// The keys that sign.
    pub keyring: Arc<KeyringCell>,
    /// Compares secrets.
    pub pepper: Arc<Pepper>,
    /// Takes the hashes of secrets that proved right under an earlier pepper.
    pub rehash: mpsc::Sender<Rehashed>,
    /// The `iss` of every token, and the audience of the management API.
    pub issuer: Arc<str>,
    /// For `jti`.
    pub random: SystemRandom,
}

/// What the caller is entitled to, as its record says.
struct Entitled {
    record: Arc<Record>,
    credential_id: PublicId,
    entitlement: Entitlement,
    /// When the secret, and the key if there is one, come to their end.
    ends_at: Option<Timestamp>,
}

impl TokenIssuer {
    /// Answers a token request.
    ///
    /// # Errors
    /// [`TokenError`]; an outage is never the client's fault.
    pub async fn issue(&self, request: TokenRequest<'_>) -> Result<IssuedToken, TokenError> {
        if request.grant_type != "client_credentials" {
            return Err(TokenError::UnsupportedGrantType);
        }
        let secret = client_secret::read(request)?;
        let scope = Scope::parse(request.scope)?;
        let target = Target::of(request.resource, &self.issuer);
        let entitled = self
            .directory
            .decide(request.client_id, |record, now| {
                client_credentials::entitle(&self.pepper, record, &secret, target, now)
            })
            .await?;
        let entitled = Served::transpose(entitled)?;
        self.rehash(&entitled.value, &secret);
        let tenant = self.tenant(&entitled.value, &scope).await?;
        let claims = self.claims(&entitled, &scope, &tenant)?;
        self.sign(&entitled, claims)
    }

    /// Whoever proved right under an earlier pepper is hashed anew, beside this answer; some other time when it is
    /// not the moment.
    fn rehash(&self, entitled: &Entitled, secret: &Secret) {
        let mut known = entitled.record.secrets.iter();
        let known = known.find(|known| known.credential_id == entitled.credential_id.as_str());
        if known.is_some_and(|known| known.pepper != self.pepper.current_id()) {
            let (_, hash) = self.pepper.hash(secret);
            let credential_id = entitled.credential_id.to_string();
            drop(self.rehash.try_send(Rehashed { credential_id, hash }));
        }
    }

    /// The tenant that the token is for, as its line from the root: the account's own, or the
    /// descendant that the scope names. Never sideways or up.
    async fn tenant(&self, entitled: &Entitled, scope: &Scope) -> Result<Arc<[String]>, TokenError> {
        let own = &entitled.record.tsg_id;
        match scope.tsg_id() {
            Some(named) if named != own => {
                let path = self.directory.lineage(named).await?.ok_or(TokenError::InvalidScope)?;
                if path.contains(own) { Ok(path) } else { Err(TokenError::InvalidScope) }
            }
            _ => Ok(entitled.record.path.as_slice().into()),
        }
    }

    /// RFC 9068 §2.2.
    fn claims(
        &self,
        entitled: &Served<Entitled>,
        scope: &Scope,
        tenant: &[String],
    ) -> Result<AccessClaims, TokenError> {
        let Served { value: Entitled { record, credential_id, entitlement, ends_at }, now, .. } = entitled;
        let iat = now.as_second();
        let mut exp = iat + entitlement.lifetime_seconds();
        if let Some(ends_at) = ends_at {
            exp = exp.min(ends_at.as_second());
        }
        if exp <= iat {
            // The last fraction of a second: by the next try it is over, and says so.
            return Err(TokenError::temporarily_unavailable("it expires this very second"));
        }
        let tsg_id = tenant.last().cloned().unwrap_or_default();
        let audience = entitlement.audience(&self.issuer).to_owned();
        Ok(AccessClaims {
            iss: self.issuer.to_string(),
            sub: record.credential.clone(),
            // Clients of the TSG kind insist on finding themselves in the audience.
            aud: if scope.tsg_id().is_some() {
                Audience::Many(vec![audience, record.credential.clone()])
            } else {
                Audience::One(audience)
            },
            exp,
            iat,
            jti: self.jti()?,
            client_id: record.credential.clone(),
            scope: scope.granted(&tsg_id),
            roles: record.roles(tenant, entitlement.product()),
            tsg_id,
            api_key_id: entitlement.api_key_id().map(|id| id.to_string()),
            product: entitlement.product().map(ToOwned::to_owned),
            credential_id: *credential_id,
        })
    }

    fn jti(&self) -> Result<String, TokenError> {
        let mut random = [0; 16];
        self.random.fill(&mut random).map_err(|_| TokenError::ServerError)?;
        Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
    }

    fn sign(&self, entitled: &Served<Entitled>, claims: AccessClaims) -> Result<IssuedToken, TokenError> {
        let algorithm = entitled.value.entitlement.algorithm();
        let keyring = self.keyring.load();
        let key = keyring.signer(algorithm).ok_or(TokenError::ServerError)?;
        // The last moment to ask: the process may have slept since the record was judged.
        if !entitled.is_fresh(self.directory.clock()) {
            return Err(TokenError::temporarily_unavailable("The request took too long; try again"));
        }
        let access_token = key.sign(&claims).map_err(|_| TokenError::ServerError)?;
        Ok(IssuedToken { access_token, expires_in: claims.exp - claims.iat, scope: claims.scope })
    }
}

impl From<Outage> for TokenError {
    fn from(outage: Outage) -> Self {
        tracing::warn!(%outage, "a token request met an outage");
        Self::temporarily_unavailable("the service cannot reach its authority")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_in_what_debug_shows() {
        let issued =
            IssuedToken { access_token: "e30.e30.c2ln".into(), expires_in: 900, scope: "tsg_id:1".into() };
        assert_eq!(format!("{issued:?}"), r#"IssuedToken { expires_in: 900, scope: "tsg_id:1", .. }"#);
    }
}
