//! The certificates that an account proves itself by (RFC 8705): a name that certificates of a known authority carry, or
//! certificates of its own; and whether its tokens are bound to what it shows. Every account has such a document; as a rule it
//! says nothing.
//!
//! Whoever could give an account a certificate could act as that account: so nobody does who holds less than it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::change::found;
use crate::domain::certificate::{CertificatePart, ClientCertificates, NameKind};
use crate::domain::credential_id::CredentialId;
use crate::domain::last_use::{LastUse, Watched};
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::store::caller::Hold;
use crate::store::client_certificates::{self, Revised};
use crate::store::service_accounts::ServiceAccount;
use crate::store::{StoreError, Tx, receipts, usage};
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
    pub revision: i32,
}

impl ShownCertificates {
    async fn read(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Self, StoreError> {
        let Revised { certificates: ClientCertificates { name, certificates, bound }, revision } =
            client_certificates::find(tx, tsg_id, account).await?;
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

impl Manage {
    /// The certificates of an account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn client_certificates(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
    ) -> Result<ShownCertificates, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            found(tx, tsg_id, account).await?;
            Ok(ShownCertificates::read(tx, tsg_id, account).await?)
        };
        Ok(self.in_tenant("client_certificates.find", tsg_id, find).await?.value)
    }

    /// Puts others in the place of those that are there. Where one goes, waits until nobody accepts it; a new one is accepted
    /// at once.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, `one_certificate_name`, `invalid_certificate_name`, `invalid_certificate`,
    /// `private_key`, and what every use case may say.
    pub async fn replace_client_certificates(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        new: &NewCertificates,
        patience: Patience,
    ) -> Result<Withdrawn<ShownCertificates>, ManageError> {
        let replace = async |tx: &mut Tx| {
            let (standing, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            let after = new.read(standing.now)?;
            write(tx, caller, &account, expected, "client_certificates.replace", after).await
        };
        self.withdraw("client_certificates.replace", tsg_id, patience, replace).await
    }

    /// Takes all certificates of an account away, and waits until nobody accepts them.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_client_certificates(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<ShownCertificates>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            let none = ClientCertificates::default();
            write(tx, caller, &account, expected, "client_certificates.delete", none).await
        };
        self.withdraw("client_certificates.delete", tsg_id, patience, delete).await
    }
}

/// Writes the certificates of an account that is held; and the receipt to wait for where there is nothing to change.
async fn write(
    tx: &mut Tx,
    caller: &Caller,
    account: &ServiceAccount,
    expected: &Expected,
    action: &'static str,
    after: ClientCertificates,
) -> Result<(ShownCertificates, Option<receipts::ReceiptName>), ManageError> {
    let ServiceAccount { id, tsg_id, client_id, .. } = account;
    let before = client_certificates::find(tx, tsg_id, *id).await?;
    expected.check(before.revision)?;
    if before.certificates == after {
        // Who asks again waits for what was withdrawn before.
        let told = receipts::name_of_credential(tx, tsg_id, client_id).await?;
        return Ok((ShownCertificates::read(tx, tsg_id, *id).await?, told));
    }
    client_certificates::replace(tx, account, &before.certificates, &after).await?;
    let told = |of: &ClientCertificates| {
        let own: Vec<_> = of.certificates.iter().map(|one| one.credential_id).collect();
        let name = of.name.as_ref().map(|name| json!({ name.kind.member(): name.text }));
        json!({ "name": name, "certificates": own, "bound": of.bound })
    };
    let details =
        json!({ "client_id": client_id, "after": told(&after), "before": told(&before.certificates) });
    record(tx, caller, tsg_id, action, &id.to_string(), details).await?;
    Ok((ShownCertificates::read(tx, tsg_id, *id).await?, None))
}

/// Takes all certificates of an account away that is being deleted; whether there were any.
pub(super) async fn withdraw_all(tx: &mut Tx, account: &ServiceAccount) -> Result<bool, ManageError> {
    let before = client_certificates::find(tx, &account.tsg_id, account.id).await?.certificates;
    if before.is_empty() {
        return Ok(false);
    }
    client_certificates::replace(tx, account, &before, &ClientCertificates::default()).await?;
    Ok(true)
}
