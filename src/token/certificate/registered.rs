//! What somebody hands in for an account: names, or certificates. Refused when it could never be right.

use std::collections::HashSet;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_cert::name::Name;

use super::names::{compared_dn, compared_dns, compared_email};
use super::{ClientCertificate, NotReadable};
use crate::domain::certificate::{CertificatePart, NameKind, NamePart};
use crate::domain::credential_id::CredentialId;

/// The most certificates of one account.
pub const MOST_CERTIFICATES: usize = 10;

/// Why a text is no name of its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoName {
    /// RFC 4514 §2.
    #[error(
        "is no distinguished name of RFC 4514: CN=build agent,O=Acme,C=DE, the most special part first, without spaces behind the commas"
    )]
    Dn,
    /// RFC 5280 §4.2.1.6.
    #[error("is no host name")]
    Dns,
    /// RFC 3986 §3.
    #[error("is no URI with a scheme")]
    Uri,
    /// Of either version.
    #[error("is no IP address")]
    Ip,
    /// RFC 5321 §4.1.2.
    #[error("is no mail address")]
    Email,
}

/// Why a text is no certificate of an account's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoCertificate {
    /// Not exactly one, in PEM.
    #[error("it is not one certificate in PEM (BEGIN CERTIFICATE)")]
    Pem,
    /// Somebody has given away what only the owner may have.
    #[error("there is a private key in it: make another one, for this one has been sent")]
    Private,
    /// Not X.509.
    #[error(transparent)]
    Certificate(#[from] NotReadable),
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It would be the same twice.
    #[error("the same certificate comes twice")]
    Twice,
}

/// Reads a name.
///
/// # Errors
/// [`NoName`].
pub fn read_name(kind: NameKind, text: &str) -> Result<NamePart, NoName> {
    let compared = match kind {
        NameKind::SubjectDn => {
            let name = Name::from_str(text).map_err(|_| NoName::Dn)?;
            let compared = compared_dn(&name);
            (!name.is_empty()).then_some(compared).ok_or(NoName::Dn)?
        }
        NameKind::SanDns => {
            let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            text.chars().all(host).then(|| compared_dns(text)).ok_or(NoName::Dns)?
        }
        NameKind::SanUri => {
            let (scheme, rest) = text.split_once(':').ok_or(NoName::Uri)?;
            let graphic = text.chars().all(|c| c.is_ascii_graphic());
            let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
            (graphic && begins && !rest.is_empty()).then(|| text.to_owned()).ok_or(NoName::Uri)?
        }
        NameKind::SanIp => text.parse::<IpAddr>().map_err(|_| NoName::Ip)?.to_string(),
        NameKind::SanEmail => compared_email(text).filter(|text| text.is_ascii()).ok_or(NoName::Email)?,
    };
    let credential_id = CredentialId::of_name(kind.member(), &compared);
    Ok(NamePart { credential_id, kind, text: text.to_owned(), compared })
}

/// Reads certificates in PEM.
///
/// # Errors
/// The first that is none, by its place, and why.
pub fn read_certificates(
    texts: &[String],
    now: Timestamp,
) -> Result<Vec<CertificatePart>, (usize, NoCertificate)> {
    let (mut read, mut known) = (Vec::new(), HashSet::new());
    for (at, text) in texts.iter().enumerate() {
        let part = read_certificate(text, now).map_err(|why| (at, why))?;
        if !known.insert(part.credential_id) {
            return Err((at, NoCertificate::Twice));
        }
        read.push(part);
    }
    Ok(read)
}

fn read_certificate(text: &str, now: Timestamp) -> Result<CertificatePart, NoCertificate> {
    if text.contains("PRIVATE KEY") {
        return Err(NoCertificate::Private);
    }
    let mut found = CertificateDer::pem_slice_iter(text.as_bytes());
    let (Some(Ok(der)), None) = (found.next(), found.next()) else {
        return Err(NoCertificate::Pem);
    };
    let certificate = ClientCertificate::read(der, Vec::new())?;
    if certificate.ends_at() <= now { Err(NoCertificate::Expired) } else { Ok(certificate.part()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8705_section_2_1_2_each_kind_of_name_has_its_own_spelling() {
        use NameKind::{SanDns, SanEmail, SanIp, SanUri, SubjectDn};
        for (kind, good) in [
            (SubjectDn, "CN=build agent,O=Acme,C=DE"),
            (SanDns, "build.acme.example"),
            (SanUri, "spiffe://acme.example/build"),
            (SanIp, "2001:DB8::0:7"),
            (SanEmail, "build@acme.example"),
        ] {
            assert_eq!(read_name(kind, good).map(|name| name.text), Ok(good.to_owned()));
        }
        for (kind, bad, why) in [
            (SubjectDn, "", NoName::Dn),
            (SubjectDn, "build agent", NoName::Dn),
            (SubjectDn, "CN=a, O=b", NoName::Dn),
            (SubjectDn, "NOSUCH=a", NoName::Dn),
            (SanDns, "build acme", NoName::Dns),
            (SanDns, "*.acme.example", NoName::Dns),
            (SanUri, "acme.example/build", NoName::Uri),
            (SanUri, "spiffe://acme example", NoName::Uri),
            (SanIp, "192.0.2.0/24", NoName::Ip),
            (SanEmail, "build", NoName::Email),
        ] {
            assert_eq!(read_name(kind, bad), Err(why), "{bad}");
        }
        let one = read_name(SanIp, "2001:db8:0:0::7").expect("an address");
        assert_eq!(one.compared, read_name(SanIp, "2001:DB8::7").expect("the same").compared);
        // One text of two kinds is two credentials.
        let (dns, uri) = (read_name(SanDns, "a.b"), read_name(SanEmail, "x@a.b"));
        assert_ne!(dns.expect("a name").credential_id, uri.expect("a name").credential_id);
    }
}
