//! The certificates that an account proves itself by (RFC 8705): a name that certificates of a known authority carry, or
//! certificates of its own; and whether its tokens are bound to what it shows.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::documents::{Document, Reading, Removable};
use crate::domain::certificate::{CertificatePart, ClientCertificates, NameKind};
use crate::domain::credential_id::CredentialId;
use crate::domain::last_use::{LastUse, Watched};
use crate::domain::tenant::TsgId;
use crate::manage::ManageError;
use crate::store::revised::Revised;
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx, client_certificates, usage};
use crate::token::certificate::{MOST_CERTIFICATES, read_certificates, read_name};

/// What to put in the place of what is there.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewCertificates {
    #[garde(length(chars, min = 1, max = 1024))]
    tls_client_auth_subject_dn: Option<String>,
    #[garde(length(chars, min = 1, max = 253))]
    tls_client_auth_san_dns: Option<String>,
    #[garde(length(chars, min = 1, max = 2048))]
    tls_client_auth_san_uri: Option<String>,
    #[garde(length(chars, min = 1, max = 64))]
    tls_client_auth_san_ip: Option<String>,
    #[garde(length(chars, min = 1, max = 254))]
    tls_client_auth_san_email: Option<String>,
    /// In PEM.
    #[garde(length(min = 1, max = MOST_CERTIFICATES), inner(inner(length(chars, min = 1, max = 24_576))))]
    certificates: Option<Vec<String>>,
    /// As a rule they are.
    #[garde(skip)]
    tls_client_certificate_bound_access_tokens: Option<bool>,
}

/// What is shown of an account's certificates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownCertificates {
    credential_id: Option<CredentialId>,
    /// Of the name.
    #[serde(flatten)]
    last_use: LastUse,
    tls_client_auth_subject_dn: Option<String>,
    tls_client_auth_san_dns: Option<String>,
    tls_client_auth_san_uri: Option<String>,
    tls_client_auth_san_ip: Option<String>,
    tls_client_auth_san_email: Option<String>,
    certificates: Vec<Watched<CertificatePart>>,
    tls_client_certificate_bound_access_tokens: bool,
    /// Raised by every change.
    #[serde(skip)]
    revision: i32,
}

impl NewCertificates {
    fn read(&self, now: jiff::Timestamp) -> Result<ClientCertificates, ManageError> {
        let bound = self.tls_client_certificate_bound_access_tokens.unwrap_or(true);
        let names = [
            &self.tls_client_auth_subject_dn,
            &self.tls_client_auth_san_dns,
            &self.tls_client_auth_san_uri,
            &self.tls_client_auth_san_ip,
            &self.tls_client_auth_san_email,
        ];
        let mut given =
            NameKind::ALL.into_iter().zip(names).filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        let (name, another) = (given.next(), given.next());
        match (name, another, &self.certificates) {
            (Some((kind, text)), None, None) => {
                let name = read_name(kind, text);
                let name = name.map_err(|why| ManageError::InvalidCertificateName(kind.member(), why))?;
                Ok(ClientCertificates { name: Some(name), certificates: vec![], bound })
            }
            (None, _, Some(texts)) => {
                let certificates = read_certificates(texts, now);
                let certificates =
                    certificates.map_err(|(at, why)| ManageError::InvalidCertificate(at, why))?;
                Ok(ClientCertificates { name: None, certificates, bound })
            }
            // It proves itself by something else, and binds its tokens to what it shows.
            (None, _, None) if self.tls_client_certificate_bound_access_tokens == Some(true) => {
                Ok(ClientCertificates { bound, ..ClientCertificates::default() })
            }
            _ => Err(ManageError::OneCertificateName),
        }
    }
}

impl Document for ShownCertificates {
    const FIND: &'static str = "client_certificates.find";
    const REPLACE: &'static str = "client_certificates.replace";

    type New = NewCertificates;
    type Wanted = ClientCertificates;
    type Kept = ClientCertificates;

    async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<ClientCertificates>, StoreError> {
        client_certificates::find(tx, tsg_id, account).await
    }

    async fn read(new: &NewCertificates, with: &Reading<'_>) -> Result<ClientCertificates, ManageError> {
        new.read(with.now)
    }

    fn is(kept: &ClientCertificates, wanted: &ClientCertificates) -> bool {
        kept == wanted
    }

    async fn write(
        tx: &mut Tx,
        account: &ServiceAccount,
        kept: &ClientCertificates,
        wanted: &ClientCertificates,
    ) -> Result<(), StoreError> {
        client_certificates::replace(tx, account, kept, wanted).await
    }

    fn told(before: &ClientCertificates, after: &ClientCertificates) -> Value {
        let told = |of: &ClientCertificates| {
            let own: Vec<_> = of.certificates.iter().map(|one| one.credential_id).collect();
            let name = of.name.as_ref().map(|name| json!({ name.kind.member(): name.text }));
            json!({ "name": name, "certificates": own, "bound": of.bound })
        };
        json!({ "after": told(after), "before": told(before) })
    }

    async fn show(
        tx: &Tx,
        tsg_id: &TsgId,
        account: Uuid,
        Revised { value, revision }: Revised<ClientCertificates>,
    ) -> Result<Self, StoreError> {
        let ClientCertificates { name, certificates, bound } = value;
        let uses = usage::of_account(tx, tsg_id, account).await?;
        let last_use = name.as_ref().map(|name| uses.of(&name.credential_id));
        let of_kind = |kind| name.as_ref().filter(|name| name.kind == kind).map(|name| name.text.clone());
        let shown = |own: CertificatePart| uses.watch(own.credential_id, own);
        Ok(Self {
            credential_id: name.as_ref().map(|name| name.credential_id),
            last_use: last_use.unwrap_or_default(),
            tls_client_auth_subject_dn: of_kind(NameKind::SubjectDn),
            tls_client_auth_san_dns: of_kind(NameKind::SanDns),
            tls_client_auth_san_uri: of_kind(NameKind::SanUri),
            tls_client_auth_san_ip: of_kind(NameKind::SanIp),
            tls_client_auth_san_email: of_kind(NameKind::SanEmail),
            certificates: certificates.into_iter().map(shown).collect(),
            tls_client_certificate_bound_access_tokens: bound,
            revision,
        })
    }

    fn revision(&self) -> i32 {
        self.revision
    }
}

impl Removable for ShownCertificates {
    const DELETE: &'static str = "client_certificates.delete";
}
