//! Authentication by a certificate (RFC 8705 §2): of an authority, by a name that it carries (`tls_client_auth`), or of the
//! account's own, by being that one (`self_signed_tls_client_auth`).
//!
//! That the client has the private key TLS has shown, before we are asked.

use std::sync::Arc;

use jiff::Timestamp;

use super::client_secret::may_be_client_id;
use super::{Proven, Unproven};
use crate::directory::Verdict;
use crate::domain::record::Record;
use crate::issue::TokenError;
use crate::token::certificate::{Authorities, ClientCertificate};

/// A certificate that may be some client's.
pub(in crate::issue) struct CertificateProof {
    pub client_id: String,
    certificate: Arc<ClientCertificate>,
    /// An authority stands behind it.
    vouched_for: bool,
}

/// Refuses what no record could change.
pub(super) fn read(
    client_id: &str,
    certificate: &Arc<ClientCertificate>,
    authorities: Option<&Authorities>,
    now: Timestamp,
) -> Result<CertificateProof, TokenError> {
    if !may_be_client_id(client_id) || !certificate.is_current(now) {
        return Err(TokenError::InvalidClient);
    }
    let vouched_for = authorities.is_some_and(|known| known.stand_behind(certificate, now));
    Ok(CertificateProof {
        client_id: client_id.to_owned(),
        certificate: Arc::clone(certificate),
        vouched_for,
    })
}

/// Whether it is the account's. Certificates come and go, so what is held against a client is asked of the authority first.
pub(super) fn judge(
    record: Option<&Arc<Record>>,
    proof: &CertificateProof,
    now: Timestamp,
) -> Result<Proven, Unproven> {
    let CertificateProof { certificate, vouched_for, .. } = proof;
    let known = record.filter(|record| record.enabled && certificate.is_current(now));
    let own = |record: &Arc<Record>| {
        let shown = certificate.credential_id();
        record.client_certificates.has(&shown, now).then_some(shown)
    };
    let credential_id = known.and_then(|record| match &record.client_certificates.name {
        Some(name) => (*vouched_for && certificate.carries(name)).then_some(name.credential_id),
        None => own(record),
    });
    let refused = || Unproven::from(Verdict::Doubtful(TokenError::InvalidClient));
    let credential_id = credential_id.ok_or_else(refused)?;
    Ok(Proven { credential_id, ends_at: Some(certificate.ends_at()) })
}
