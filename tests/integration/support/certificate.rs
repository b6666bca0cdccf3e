//! Real certificates and real TLS connections: authorities, clients that have their keys, and one that has not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use reqwest::{Certificate, ClientBuilder, Identity, Method};
use ring::digest::{SHA256, digest};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Client};
use super::client_key::now;
use super::scene::{Account, Scene};

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed"))
    }

    /// One that this one stands behind.
    pub fn below(&self, name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::signed_by(params, key, &self.0).expect("signed"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate of this.
    pub fn issue(&self, params: &CertificateParams) -> Shown {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Shown { der: certificate.der().clone(), key, chain: vec![] }
    }
}

/// A certificate, and the key that goes with it.
pub struct Shown {
    pub der: CertificateDer<'static>,
    key: KeyPair,
    chain: Vec<CertificateDer<'static>>,
}

/// What a certificate says.
pub fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A certificate for a client with this alternative name.
pub fn with_san(san: SanType) -> CertificateParams {
    let mut params = named("a client");
    params.subject_alt_names = vec![san];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// One that ends so many seconds from now.
pub fn ending_in(mut params: CertificateParams, seconds: i64) -> CertificateParams {
    let end = u64::try_from(now() + seconds).expect("after 1970");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
    params
}

impl Shown {
    /// Signed by nobody but itself.
    pub fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Self { der: certificate.der().clone(), key, chain: vec![] }
    }

    /// The same, shown together with that one's certificate.
    pub fn behind(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }

    pub fn pem(&self) -> String {
        pem(&self.der)
    }

    /// RFC 8705 §3.1.
    pub fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.der))
    }

    /// RFC 9440 §2.1: a byte sequence.
    pub fn header(&self) -> String {
        byte_sequence(&self.der)
    }
}

pub fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

fn pem(der: &[u8]) -> String {
    let lines: Vec<String> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The files of an encrypted listener that asks clients for certificates, and who vouches for what.
pub struct Encrypted {
    directory: TempDir,
    ours: Authority,
    /// Whose certificates name clients.
    pub clients: Authority,
}

impl Encrypted {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("carnet-tls-").tempdir().expect("a directory");
        let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
        let mut params = named("localhost");
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().expect("ASCII"))];
        let server = ours.issue(&params);
        let this = Self { directory, ours, clients };
        std::fs::write(this.file("tls.pem"), server.pem()).expect("written");
        std::fs::write(this.file("tls.key"), server.key.serialize_pem()).expect("written");
        std::fs::write(this.file("clients.pem"), this.clients.pem()).expect("written");
        this
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Settings of a server that asks for certificates.
    pub fn settings(&self, issuer: &str) -> Value {
        json!({
            "issuer": issuer,
            "tls_bind": "127.0.0.1:0",
            "tls_certificate_file": self.file("tls.pem"),
            "tls_key_file": self.file("tls.key"),
            "tls_client_certificates": true,
            "client_ca_file": self.file("clients.pem"),
        })
    }

    /// A client that shows this certificate, or none.
    pub fn client(&self, url: &str, shown: Option<&Shown>) -> Client {
        let mut builder = self.builder();
        if let Some(Shown { der, key, chain }) = shown {
            let chain: String = std::iter::once(der).chain(chain).map(|der| pem(der)).collect();
            let identity = Identity::from_pem(format!("{chain}{}", key.serialize_pem()).as_bytes());
            builder = builder.identity(identity.expect("an identity"));
        }
        Client::over(url, builder)
    }

    fn builder(&self) -> ClientBuilder {
        let ours = Certificate::from_der(&self.ours.der()).expect("a certificate");
        reqwest::Client::builder().tls_certs_only([ours])
    }

    /// A client that shows a certificate whose key it has not: it signs with another.
    pub fn thief(&self, shown: &Shown) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.ours.der()).expect("a root");
        let other = KeyPair::generate().expect("a key").serialize_der();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(other));
        let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("a key");
        let stolen = SingleCertAndKey::from(CertifiedKey::new(vec![shown.der.clone()], key));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(stolen));
        reqwest::Client::builder().no_proxy().tls_backend_preconfigured(config).build().expect("a client")
    }
}

/// Asks for a token by nothing but a certificate.
pub async fn ask(client: &Client, client_id: &str) -> Answer {
    let form = [("grant_type", "client_credentials"), ("client_id", client_id)];
    client.send(client.request(Method::POST, "/oauth2/token").form(&form)).await
}

/// Where an account's certificates are, under the tenant.
pub fn certificates_path(account: &Account) -> String {
    format!("service-accounts/{}/certificates", account.id)
}

/// The administrator puts this in the place of an account's certificates, whatever they are.
pub async fn put(scene: &Scene, account: &Account, body: &Value) -> Answer {
    scene.send(Method::PUT, &certificates_path(account), &[("if-match", "*")], Some(body)).await
}

/// A new account that is known by this.
pub async fn account_known_by(scene: &Scene, name: &str, body: &Value) -> Account {
    let account = scene.account(name).await;
    put(scene, &account, body).await.expect(200);
    account
}
