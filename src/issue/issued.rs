//! The end of every grant: what the token says, its signature, and the answer.

use std::fmt;

use ring::rand::SecureRandom;

use super::scope::Scope;
use super::{Entitled, TokenError, TokenIssuer};
use crate::directory::Served;
use crate::domain::algorithm::Algorithm;
use crate::limits::Allowances;
use crate::token::claims::{AccessClaims, Audience, Confirmation};
use crate::token::status_list;

/// A successful answer (RFC 6749 §5.1).
#[derive(Clone)]
pub struct IssuedToken {
    /// The JWT.
    pub access_token: String,
    /// How it is to be sent: `Bearer`, or `DPoP`.
    pub token_type: &'static str,
    /// The nonce for the next proof, for a client that has sent one.
    pub dpop_nonce: Option<String>,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// What was granted: exactly what was asked for, or the account's own tenant.
    pub scope: String,
    /// What it is, for who has exchanged another for it (RFC 8693 §2.2.1).
    pub issued_token_type: Option<&'static str>,
    /// What is left for the client.
    pub allowances: Allowances,
}

/// Without the token: who has it is its bearer.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access_token: _,
            token_type: _,
            dpop_nonce: _,
            expires_in,
            scope,
            issued_token_type: _,
            allowances: _,
        } = self;
        let mut shown = f.debug_struct("IssuedToken");
        shown.field("expires_in", expires_in).field("scope", scope).finish_non_exhaustive()
    }
}

impl TokenIssuer {
    /// RFC 9068 §2.2.
    pub(super) fn claims(
        &self,
        entitled: &Served<Entitled>,
        scope: &Scope,
        tenant: &[String],
        cnf: Option<Confirmation>,
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
            cnf,
            act: None,
            exchanged_from: vec![],
            status: status_list::claim(&self.issuer, record, credential_id, entitlement.api_key_id()),
        })
    }

    pub(super) fn jti(&self) -> Result<String, TokenError> {
        let mut random = [0; 16];
        self.random.fill(&mut random).map_err(|_| TokenError::ServerError)?;
        Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
    }

    pub(super) fn sign<T>(
        &self,
        judged: &Served<T>,
        algorithm: Algorithm,
        claims: AccessClaims,
    ) -> Result<IssuedToken, TokenError> {
        if !self.offer.profile.allows_signature(algorithm) {
            tracing::error!(%algorithm, "a product is signed for as FAPI 2.0 forbids");
            return Err(TokenError::ServerError);
        }
        let keyring = self.keyring.load();
        let key = keyring.signer(algorithm).ok_or(TokenError::ServerError)?;
        // The last moment to ask: the process may have slept since the record was judged.
        if !judged.is_fresh(self.directory.clock()) {
            return Err(TokenError::temporarily_unavailable("The request took too long; try again"));
        }
        let access_token = key.sign(&claims).map_err(|_| TokenError::ServerError)?;
        let (expires_in, scope) = (claims.exp - claims.iat, claims.scope);
        let (token_type, dpop_nonce, issued_token_type) = ("Bearer", None, None);
        let allowances = Allowances::default();
        Ok(IssuedToken {
            access_token,
            token_type,
            dpop_nonce,
            expires_in,
            scope,
            issued_token_type,
            allowances,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_in_what_debug_shows() {
        let issued = IssuedToken {
            access_token: "e30.e30.c2ln".into(),
            token_type: "Bearer",
            dpop_nonce: None,
            expires_in: 900,
            scope: "tsg_id:1".into(),
            issued_token_type: None,
            allowances: Allowances::default(),
        };
        assert_eq!(format!("{issued:?}"), r#"IssuedToken { expires_in: 900, scope: "tsg_id:1", .. }"#);
    }
}
