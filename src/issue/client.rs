//! Client authentication where it is not what a token is for: at the endpoints that give none (RFC 7662 §2.1, RFC 7009 §2.1), and
//! beside a grant (RFC 7523 §3.1). The same ways, judged the same, and nothing more than who it is.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::authenticate::Proof;
use super::{Presented, TokenError, TokenIssuer, profile};
use crate::directory::{Outage, Served, Verdict};
use crate::domain::credential_id::CredentialId;
use crate::domain::origin::Origin;
use crate::domain::record::Record;

/// A client that has proved itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its account.
    pub client_id: String,
    /// What it proved itself by.
    pub credential_id: CredentialId,
    /// The tenant that it belongs to.
    pub tsg_id: String,
}

impl TokenIssuer {
    /// Who asks, from there.
    ///
    /// # Errors
    /// [`TokenError`], as for a token request with the same proof.
    pub async fn authenticate(&self, presented: &Presented, from: Origin) -> Result<Client, TokenError> {
        self.may_try(presented, from)?;
        self.prove(presented, from.address).await.inspect_err(|error| self.tried(presented, from, error))
    }

    async fn prove(&self, presented: &Presented, from: Option<IpAddr>) -> Result<Client, TokenError> {
        let now = self.directory.clock().authority().ok_or(Outage::Unheard)?;
        let proof = self.proof(presented, now)?;
        let Served { value: (record, credential_id), now, .. } = self.proven(&proof).await?;
        proof.use_up(&self.once).await?;
        self.note(&record, credential_id, from, now);
        Ok(Client { client_id: record.credential.clone(), credential_id, tsg_id: record.tsg_id.clone() })
    }

    /// Who has proved to be whom by this, and by what. It is not used up, and no use is noted.
    pub(super) async fn proven(
        &self,
        proof: &Proof,
    ) -> Result<Served<(Arc<Record>, CredentialId)>, TokenError> {
        let proven = self.admit(proof, |record, proven, _| {
            let record = record.ok_or(Verdict::Doubtful(TokenError::InvalidClient))?;
            Ok((Arc::clone(record), proven.credential_id))
        });
        let proven = proven.await?;
        let (record, credential_id) = &proven.value;
        self.rehash(record, *credential_id, proof);
        Ok(proven)
    }

    /// What was presented, read as far as that goes without knowing the client, and none that the profile forbids.
    pub(super) fn proof(&self, presented: &Presented, now: Timestamp) -> Result<Proof, TokenError> {
        profile::admit_method(self.offer.profile, presented)?;
        let proof = Proof::read(presented, &self.issuer, self.authorities.as_ref(), now)?;
        profile::admit_proof(self.offer.profile, &proof)?;
        Ok(proof)
    }
}
