//! What a token will be bound to, so that it is of no use to whoever has nothing but the token: the key of a proof (RFC 9449
//! §5), the client's certificate (RFC 8705 §3), or both.
//!
//! Read before any store is asked, so that a client which is told to come again with a nonce has used nothing up.

use std::sync::Arc;

use jiff::Timestamp;

use super::{TokenError, TokenIssuer, TokenRequest};
use crate::domain::profile::Profile;
use crate::domain::record::Record;
use crate::once::{Once, Use};
use crate::token::certificate::ClientCertificate;
use crate::token::claims::Confirmation;
use crate::token::dpop::{BadProof, Proof};

/// What the client has shown besides its proof of who it is.
pub(super) struct Holder<'a> {
    proof: Option<Proof>,
    certificate: Option<&'a ClientCertificate>,
    profile: Profile,
}

impl TokenIssuer {
    /// Judges what was shown.
    pub(super) fn holder<'a>(
        &self,
        request: &TokenRequest<'a>,
        now: Timestamp,
    ) -> Result<Holder<'a>, TokenError> {
        let judge = |proved| {
            self.proofs.check(proved, now).map_err(|why| match why {
                BadProof::Nonce => TokenError::UseDpopNonce(self.proofs.nonce(now)),
                _ => TokenError::InvalidDpopProof,
            })
        };
        let proof = request.dpop.as_ref().map(judge).transpose()?;
        let (certificate, profile) = (request.certificate, self.offer.profile);
        if profile == Profile::Fapi2 && proof.is_none() && certificate.is_none() {
            return Err(TokenError::InvalidRequest(
                "FAPI 2.0 is in force here: tokens are bound to a key or to a certificate, so send a DPoP proof, or use mutual TLS",
            ));
        }
        Ok(Holder { proof, certificate, profile })
    }
}

impl Holder<'_> {
    /// What the token says of it (RFC 7800 §3.1). A client whose tokens are bound to its certificate gets none without, and
    /// neither does one without a proof whose tokens are bound to a key (RFC 9449 §5.2).
    pub fn confirmation(&self, record: &Record) -> Result<Option<Confirmation>, TokenError> {
        if record.dpop_bound && self.proof.is_none() {
            return Err(TokenError::InvalidRequest(
                "The tokens of this client are bound to a key: send a DPoP proof",
            ));
        }
        let wanted = record.client_certificates.bound;
        if wanted && self.certificate.is_none() {
            return Err(TokenError::InvalidRequest(
                "The tokens of this client are bound to its certificate: use mutual TLS",
            ));
        }
        let bound = wanted || self.profile == Profile::Fapi2 && self.proof.is_none();
        let certificate = self.certificate.filter(|_| bound);
        let confirmation = Confirmation {
            jkt: self.proof.as_ref().map(|proof| proof.jkt.clone()),
            x5t_s256: certificate.map(ClientCertificate::x5t_s256),
        };
        Ok((confirmation != Confirmation::default()).then_some(confirmation))
    }

    /// How the token is to be sent (RFC 6749 §7.1, RFC 9449 §5).
    pub fn token_type(&self) -> &'static str {
        if self.proof.is_some() { "DPoP" } else { "Bearer" }
    }

    /// Uses the proof up, in all regions.
    pub async fn use_up(&self, once: &Arc<Once>) -> Result<(), TokenError> {
        match &self.proof {
            None => Ok(()),
            Some(proof) => match once.note_proof(proof).await? {
                Use::First => Ok(()),
                Use::Again => Err(TokenError::InvalidDpopProof),
            },
        }
    }
}
