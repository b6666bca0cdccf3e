//! The authorities whose certificates name clients (`tls_client_auth`, RFC 8705 §2.1), judged by rustls's own verifier: the
//! chain, its times, and that the certificate is one for clients.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::ClientCertificate;

/// Those that are believed.
#[derive(Clone)]
pub struct Authorities(Arc<dyn ClientCertVerifier>);

/// They cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAuthorities(String);

impl Authorities {
    /// Those of a file, in PEM.
    ///
    /// # Errors
    /// [`NoAuthorities`], which says why.
    pub fn of_file(file: &Path) -> Result<Self, NoAuthorities> {
        let bad = |why: &dyn fmt::Display| NoAuthorities(format!("{}: {why}", file.display()));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|e| bad(&e))? {
            roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        verifier.build().map(Self).map_err(|e| bad(&e))
    }

    /// Whether one of them stands behind a certificate now.
    #[must_use]
    pub fn stand_behind(&self, certificate: &ClientCertificate, now: Timestamp) -> bool {
        let ClientCertificate { der, chain, .. } = certificate;
        self.0.verify_client_cert(der, chain, ClientCertificate::at(now)).is_ok()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorities(…)")
    }
}
