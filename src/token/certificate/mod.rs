//! A client's X.509 certificate: what it is named by, what names it carries, and until when.
//!
//! Whether its client has the private key is for TLS to say, or for the proxy that ended it; whether an authority stands
//! behind it, for [`Authorities`]. Here it is only read, once, by a library.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::domain::certificate::{CertificatePart, NameKind, NamePart};
use crate::domain::credential_id::CredentialId;

mod authorities;
mod names;
mod registered;

pub use authorities::{Authorities, NoAuthorities};
pub use registered::{MOST_CERTIFICATES, NoCertificate, NoName, read_certificates, read_name};

/// The most bytes of a certificate.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;
/// The most certificates between a client's and its authority.
pub const LONGEST_CHAIN: usize = 8;

/// A certificate that a client has shown, and what came with it.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    der: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    thumbprint: [u8; 32],
    subject: String,
    /// Each name as it is compared.
    names: Vec<(NameKind, String)>,
    begins_at: Timestamp,
    ends_at: Timestamp,
}

/// It is no certificate, or larger than one may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no X.509 certificate of at most 16 KiB")]
pub struct NotReadable;

impl ClientCertificate {
    /// Reads a certificate and those that came behind it.
    ///
    /// # Errors
    /// [`NotReadable`].
    pub fn read(
        der: CertificateDer<'static>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, NotReadable> {
        let too_long = |one: &CertificateDer<'_>| one.len() > MAX_CERTIFICATE_BYTES;
        if too_long(&der) || chain.len() > LONGEST_CHAIN || chain.iter().any(too_long) {
            return Err(NotReadable);
        }
        let read = Certificate::from_der(&der).map_err(|_| NotReadable)?.tbs_certificate;
        let mut names = vec![(NameKind::SubjectDn, names::compared_dn(&read.subject))];
        if let Some((_, SubjectAltName(others))) = read.get().map_err(|_| NotReadable)? {
            names.extend(others.iter().filter_map(alternative));
        }
        let moment = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| NotReadable)?;
            // One without an end (RFC 5280 §4.1.2.5) ends on the last day that there is a name for.
            Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
        };
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, &der).as_ref());
        Ok(Self {
            begins_at: moment(read.validity.not_before)?,
            ends_at: moment(read.validity.not_after)?,
            subject: read.subject.to_string(),
            thumbprint,
            names,
            der,
            chain,
        })
    }

    /// RFC 8705 §3.1: `x5t#S256`.
    #[must_use]
    pub fn x5t_s256(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.thumbprint)
    }

    /// What it is named by.
    #[must_use]
    pub fn credential_id(&self) -> CredentialId {
        CredentialId::Certificate(self.thumbprint)
    }

    /// Whether its time is now.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.begins_at <= now && now < self.ends_at
    }

    /// The first moment after its last.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Whether it carries this name. One of several will do (RFC 8705 §2.1.2: "an entry").
    #[must_use]
    pub fn carries(&self, name: &NamePart) -> bool {
        self.names.iter().any(|(kind, compared)| *kind == name.kind && *compared == name.compared)
    }

    /// What is remembered of it when it is an account's own.
    fn part(&self) -> CertificatePart {
        let Self { subject, ends_at, .. } = self;
        CertificatePart {
            credential_id: self.credential_id(),
            subject: subject.clone(),
            expires_at: *ends_at,
        }
    }

    fn at(now: Timestamp) -> UnixTime {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().unsigned_abs()))
    }
}

fn alternative(name: &GeneralName) -> Option<(NameKind, String)> {
    match name {
        GeneralName::DnsName(name) => Some((NameKind::SanDns, names::compared_dns(name.as_str()))),
        GeneralName::UniformResourceIdentifier(uri) => Some((NameKind::SanUri, uri.as_str().to_owned())),
        GeneralName::IpAddress(bytes) => Some((NameKind::SanIp, names::compared_ip(bytes.as_bytes())?)),
        GeneralName::Rfc822Name(address) => {
            Some((NameKind::SanEmail, names::compared_email(address.as_str())?))
        }
        _ => None,
    }
}
