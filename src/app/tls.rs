//! The encrypted listener: its certificate, and whether it asks clients for theirs.
//!
//! Asked for, and not demanded: everybody else authenticates as before. TLS takes any certificate whose private key the client
//! has, for one that is registered as it is (RFC 8705 §2.2) needs no authority; whether an authority stands behind one that
//! has to is asked where that counts, at the token endpoint.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};

use crate::config::Tls;

/// How TLS is spoken by these settings.
///
/// # Errors
/// When a file cannot be read, or holds something else.
pub(super) fn server_config(tls: &Tls) -> anyhow::Result<ServerConfig> {
    let unreadable = |file: &PathBuf| format!("cannot read {}", file.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&tls.certificate_file)
        .and_then(Iterator::collect)
        .with_context(|| unreadable(&tls.certificate_file))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate", tls.certificate_file.display());
    let key = PrivateKeyDer::from_pem_file(&tls.key_file).with_context(|| unreadable(&tls.key_file))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if tls.client_certificates {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_no_client_auth()
    };
    Ok(builder.with_single_cert(certificates, key)?)
}

/// Takes every certificate, and believes none: what is checked is the signature of the handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: a client would leave out what is not of one of the authorities named.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
