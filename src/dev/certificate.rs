//! A certificate authority that lives as long as one `carnet dev --tls`, and two certificates from it: the server's, and one
//! for a client to prove itself by.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// Files in PEM.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// What clients must trust.
    pub authority: PathBuf,
    /// What the server shows.
    pub chain: PathBuf,
    /// The server's key.
    pub key: PathBuf,
    /// A client's certificate and key.
    pub client: PathBuf,
}

/// Makes a new authority and a certificate for this machine's own names.
pub(super) fn make(directory: &Path) -> anyhow::Result<Certificate> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "Carnet development authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    // Strict verifiers, Python's among them, want to know by name whose signature it is.
    server.use_authority_key_identifier_extension = true;
    let server = server.signed_by(&key, &authority)?;
    let certificate = Certificate {
        authority: directory.join("ca.pem"),
        chain: directory.join("tls.pem"),
        key: directory.join("tls.key"),
        client: directory.join("client.pem"),
    };
    let key_of_client = KeyPair::generate()?;
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, "demo");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    client.use_authority_key_identifier_extension = true;
    let client = client.signed_by(&key_of_client, &authority)?;
    let client = format!("{}{}", client.pem(), key_of_client.serialize_pem());
    super::demo::write_private(&certificate.client, &client)?;
    super::demo::write_private(&certificate.key, &key.serialize_pem())?;
    for (file, pem) in [(&certificate.chain, server.pem()), (&certificate.authority, authority.pem())] {
        fs::write(file, pem).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(certificate)
}
