//! The certificate that a client has shown, from one of two places and never from both: the TLS connection or, where that is
//! a trusted proxy's, the header in which the proxy says what its client has shown (RFC 9440).
//!
//! Whose connection it is decides. A proxy's own certificate is nobody else's; and a header that comes from anywhere but a
//! trusted proxy is not looked at, however right it looks.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::http::header::HeaderMap;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, web};
use ipnet::IpNet;
use rustls_pki_types::CertificateDer;
use sfv::{Item, List, ListEntry, Parser};

use crate::sabotage::Switch;
use crate::token::certificate::ClientCertificate;

/// RFC 9440 §2.2.
const CLIENT_CERT: &str = "client-cert";
/// RFC 9440 §2.3.
const CLIENT_CERT_CHAIN: &str = "client-cert-chain";

/// The proxies that end TLS for us. Not those that only say where a client is: they may hand on whatever header they get.
#[derive(Clone, Default, Debug)]
pub struct CertificateProxies(pub Vec<IpNet>);

impl CertificateProxies {
    fn trust(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer)) || Switch::AnyProxy.is_on()
    }
}

/// What a connection's client has shown, read once.
#[derive(Clone)]
struct OfConnection(Arc<ClientCertificate>);

/// Notes what the client of a new connection has shown.
pub(super) fn note(connection: &dyn Any, data: &mut Extensions) {
    let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let (_, session) = tls.get_ref();
    let shown = session.peer_certificates().unwrap_or_default();
    let mut shown = shown.iter().map(|one| one.clone().into_owned());
    if let Some(certificate) = shown.next().and_then(|leaf| read(leaf, shown.collect())) {
        data.insert(OfConnection(certificate));
    }
}

/// What the client of this request has shown.
pub(super) fn shown(request: &HttpRequest) -> Option<Arc<ClientCertificate>> {
    let proxies = request.app_data::<web::Data<CertificateProxies>>();
    let peer = request.peer_addr().map(|address| address.ip());
    if proxies.zip(peer).is_some_and(|(proxies, peer)| proxies.trust(peer)) {
        return of_header(request.headers());
    }
    if request.headers().contains_key(CLIENT_CERT) {
        metrics::counter!("carnet_client_certificates_ignored_total", "why" => "not_a_proxy").increment(1);
    }
    request.conn_data::<OfConnection>().map(|OfConnection(certificate)| Arc::clone(certificate))
}

/// RFC 9440 §2: a byte sequence, and a list of some. More than one header is none: a proxy that adds its own to that of its
/// client has taken neither away.
fn of_header(headers: &HeaderMap) -> Option<Arc<ClientCertificate>> {
    let mut all = headers.get_all(CLIENT_CERT);
    let (first, more) = (all.next()?, all.next());
    let leaf = Parser::new(first.as_bytes()).parse::<Item>().ok();
    let leaf = leaf.as_ref().and_then(|item| item.bare_item.as_byte_sequence()).filter(|_| more.is_none());
    let chain = chain_of(headers);
    let read = leaf.zip(chain).and_then(|(leaf, chain)| read(certificate(leaf), chain));
    if read.is_none() {
        metrics::counter!("carnet_client_certificates_ignored_total", "why" => "malformed").increment(1);
    }
    read
}

fn chain_of(headers: &HeaderMap) -> Option<Vec<CertificateDer<'static>>> {
    let mut lines = Vec::new();
    for line in headers.get_all(CLIENT_CERT_CHAIN) {
        lines.push(line.to_str().ok()?);
    }
    if lines.is_empty() {
        return Some(Vec::new());
    }
    let list: List = Parser::new(&lines.join(", ")).parse().ok()?;
    let one = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence().map(certificate),
        ListEntry::InnerList(_) => None,
    };
    list.iter().map(one).collect()
}

fn certificate(der: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from(der.to_vec())
}

fn read(
    leaf: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
) -> Option<Arc<ClientCertificate>> {
    ClientCertificate::read(leaf, chain).ok().map(Arc::new)
}
