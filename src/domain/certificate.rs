//! What a client that proves itself by a certificate is known by (RFC 8705 §2).
//!
//! Either a name that certificates of known authorities carry (`tls_client_auth`), or certificates of its own, which need no
//! authority (`self_signed_tls_client_auth`); never both, so that nobody has to think about what holds when they differ.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::credential_id::CredentialId;

/// The certificates of an account. None of it is ever pending: whoever does not know of a new one asks the authority before
/// it refuses.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificates {
    /// What a certificate of a known authority must say.
    #[serde(default)]
    pub name: Option<NamePart>,
    /// Or its own.
    #[serde(default)]
    pub certificates: Vec<CertificatePart>,
    /// Whether its tokens are bound to the certificate that it shows, and it gets none without (RFC 8705 §3.4).
    #[serde(default)]
    pub bound: bool,
}

/// Where in a certificate a name stands (RFC 8705 §2.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// The subject's distinguished name.
    SubjectDn,
    /// A `dNSName` among the alternative names.
    SanDns,
    /// A `uniformResourceIdentifier`.
    SanUri,
    /// An `iPAddress`.
    SanIp,
    /// An `rfc822Name`.
    SanEmail,
}

/// A name that a certificate must carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamePart {
    /// What tokens name it by.
    pub credential_id: CredentialId,
    /// Where it stands.
    pub kind: NameKind,
    /// As it was written.
    pub text: String,
    /// As it is compared: two texts of one name are the same in this form.
    pub compared: String,
}

/// A certificate of the account's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePart {
    /// What tokens name it by: its thumbprint.
    pub credential_id: CredentialId,
    /// Its subject, for people (RFC 4514).
    pub subject: String,
    /// Its end.
    pub expires_at: Timestamp,
}

impl NameKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::SubjectDn, Self::SanDns, Self::SanUri, Self::SanIp, Self::SanEmail];

    /// The member of the client's metadata that registers it.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::SubjectDn => "tls_client_auth_subject_dn",
            Self::SanDns => "tls_client_auth_san_dns",
            Self::SanUri => "tls_client_auth_san_uri",
            Self::SanIp => "tls_client_auth_san_ip",
            Self::SanEmail => "tls_client_auth_san_email",
        }
    }
}

impl ClientCertificates {
    /// Whether nothing is said of certificates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.certificates.is_empty() && !self.bound
    }

    /// Whether anybody can prove itself by them now.
    #[must_use]
    pub fn prove_somebody(&self, now: Timestamp) -> bool {
        self.name.is_some() || self.certificates.iter().any(|one| one.expires_at > now)
    }

    /// Whether what a client proved itself by may still do so.
    #[must_use]
    pub fn has(&self, id: &CredentialId, now: Timestamp) -> bool {
        let own = |one: &CertificatePart| one.credential_id == *id && one.expires_at > now;
        self.certificates.iter().any(own) || self.name.as_ref().is_some_and(|name| name.credential_id == *id)
    }

    /// Whether everything that proves a client here does so there as well.
    #[must_use]
    pub fn is_kept_by(&self, later: &Self) -> bool {
        let kept = |one: &CertificatePart| {
            later.certificates.iter().any(|other| other.credential_id == one.credential_id)
        };
        let same_name = |name: &NamePart| {
            later.name.as_ref().is_some_and(|other| other.credential_id == name.credential_id)
        };
        self.certificates.iter().all(kept) && self.name.as_ref().is_none_or(same_name)
    }
}
