//! A token that is bound to something is good for who shows that besides, and for nobody else: its key, by a proof for this
//! very request (RFC 9449 §7), or its certificate, by the connection (RFC 8705 §3).

use crate::once::Use;
use crate::token::certificate::ClientCertificate;
use crate::token::claims::{AccessClaims, Confirmation};
use crate::token::dpop::{BadProof, Proof, Proved};

use super::{Verified, Verifier, VerifyError};
use crate::directory::Outage;
use crate::sabotage::Switch;
use crate::seal::Age;

/// A token as a request presents it.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// By itself (RFC 6750 §2.1).
    Bearer(&'a str),
    /// With a proof (RFC 9449 §7.1).
    Dpop(&'a str, Proved<'a>),
}

/// A token that its holder has presented.
#[derive(Clone, Debug)]
pub struct Held {
    /// What it says, and whose it is.
    pub verified: Verified,
    /// The nonce to use from now on, where the one that was shown will not do for long.
    pub next_nonce: Option<String>,
}

impl Verifier {
    /// Verifies a token of any of our audiences, and that who sends it is its holder.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn presented(
        &self,
        presented: Presented<'_>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Held, VerifyError> {
        let (Presented::Bearer(token) | Presented::Dpop(token, _)) = presented;
        let claims = self.read(token)?;
        let proof = self.holds(&claims, presented, certificate)?;
        let verified = self.behind(claims, None).await?.value;
        let Some(proof) = proof else { return Ok(Held { verified, next_nonce: None }) };
        match self.once.note_proof(&proof).await? {
            Use::First => {
                let next_nonce = (proof.nonce == Age::Earlier).then(|| self.nonce()).transpose()?;
                Ok(Held { verified, next_nonce })
            }
            Use::Again => Err(VerifyError::Proof),
        }
    }

    /// Whether everything that the token is bound to is there.
    fn holds(
        &self,
        claims: &AccessClaims,
        presented: Presented<'_>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Option<Proof>, VerifyError> {
        let Confirmation { jkt, x5t_s256 } = claims.cnf.clone().unwrap_or_default();
        let shown = certificate.map(ClientCertificate::x5t_s256);
        if x5t_s256.is_some() && x5t_s256 != shown && !Switch::AnyHolder.is_on() {
            return Err(VerifyError::Invalid);
        }
        match (presented, jkt) {
            (Presented::Bearer(_), None) => Ok(None),
            // RFC 9449 §7.2: what is bound is no bearer's.
            (Presented::Bearer(_), Some(_)) if Switch::AnyHolder.is_on() => Ok(None),
            (Presented::Bearer(_), Some(_)) | (Presented::Dpop(..), None) => Err(VerifyError::Invalid),
            (Presented::Dpop(_, proved), Some(jkt)) => {
                let proof = self.proof(&proved)?;
                if proof.jkt == jkt { Ok(Some(proof)) } else { Err(VerifyError::Proof) }
            }
        }
    }

    fn proof(&self, proved: &Proved<'_>) -> Result<Proof, VerifyError> {
        let now = self.directory.clock().authority().ok_or(Outage::Unheard)?;
        match self.proofs.check(proved, now) {
            Ok(proof) => Ok(proof),
            Err(BadProof::Nonce) => Err(VerifyError::Nonce(self.nonce()?)),
            Err(_) => Err(VerifyError::Proof),
        }
    }

    fn nonce(&self) -> Result<String, VerifyError> {
        Ok(self.proofs.nonce(self.directory.clock().authority().ok_or(Outage::Unheard)?))
    }
}
