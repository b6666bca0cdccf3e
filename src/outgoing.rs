//! Requests to addresses that callers have named: key sets, and later webhooks.
//!
//! Whoever may name an address must not reach by it what only this machine can reach. So: `https` alone, no redirects, no
//! proxy, and no address that is not public, unless its host is allowed by name. What is looked at is the address itself
//! that is then connected to, after its name was resolved, so that a name which says one thing now and another in a moment
//! gains nothing. An answer is bounded in size and time, and who never answers keeps only those waiting who ask the same host.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

mod places;
mod public;

use places::Places;
pub use public::is_public;

/// The longest that a request may take, from its name's resolution to the last byte of the answer.
const LIMIT: Duration = Duration::from_secs(2);
/// The longest wait for a place before that.
const WAIT: Duration = Duration::from_secs(1);
/// The longest that all of it takes.
pub const LONGEST: Duration = WAIT.saturating_add(LIMIT);
/// The most bytes of an answer.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The most requests at once, and the most names that are looked up at once; more wait.
const AT_ONCE: usize = 64;
/// The most of them at one host, and the most lookups of one name.
const AT_ONE_HOST: usize = 2;

/// Why an address is not one that requests are sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoAddress {
    /// Not a URL of the one kind.
    #[error("must be an https URL without user name and fragment")]
    NotHttps,
    /// It leads inside.
    #[error("must not lead to a private, local or reserved address")]
    NotPublic,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Not an address to send requests to.
    #[error("the address {0}")]
    Address(#[from] NoAddress),
    /// Nobody was asked.
    #[error("too much is under way already, at this host or at all of them")]
    Busy,
    /// Nobody answered in time, or the name leads inside.
    #[error("no answer: {0}")]
    NoAnswer(Box<dyn std::error::Error + Send + Sync>),
    /// Another status than 200.
    #[error("it answered {0}")]
    Status(u16),
    /// A longer answer than is read.
    #[error("the answer is longer than {LARGEST_ANSWER} bytes")]
    TooLarge,
}

/// Certificates that cannot be used; only at start.
#[derive(Debug, thiserror::Error)]
#[error("outgoing_ca_file: {0}")]
pub struct BadCertificates(String);

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client,
    allowed: Arc<[String]>,
    places: Arc<Places>,
}

impl Outgoing {
    /// Reaches public addresses, and hosts that are allowed by name. Servers are known by the system's roots and, if there
    /// is one, by the certificates of this file.
    ///
    /// # Errors
    /// [`BadCertificates`]
    pub fn new(allowed: &[String], ca_file: Option<&Path>) -> Result<Self, BadCertificates> {
        let allowed: Arc<[String]> = allowed.iter().map(|host| host.to_ascii_lowercase()).collect();
        let client = client(tls(ca_file)?, Guard::new(&allowed, look_up))?;
        Ok(Self { client, allowed, places: Arc::new(Places::new(AT_ONCE, AT_ONE_HOST)) })
    }

    /// Whether requests may go there, as far as the address itself tells.
    ///
    /// # Errors
    /// [`NoAddress`]
    pub fn check(&self, address: &str) -> Result<(), NoAddress> {
        self.url(address).map(drop)
    }

    fn url(&self, address: &str) -> Result<Url, NoAddress> {
        let url: Url = address.parse().map_err(|_| NoAddress::NotHttps)?;
        let plain = url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        let host = url.host_str().filter(|host| plain && !host.is_empty()).ok_or(NoAddress::NotHttps)?;
        // A literal is never resolved. The parser has written every spelling of it the same way.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if literal.is_ok_and(|address| !is_public(address)) && !self.allowed.iter().any(|name| name == host) {
            return Err(NoAddress::NotPublic);
        }
        Ok(url)
    }

    /// What is there.
    ///
    /// # Errors
    /// [`OutgoingError`]
    pub async fn get(&self, address: &str) -> Result<Vec<u8>, OutgoingError> {
        let url = self.url(address)?;
        let place = tokio::time::timeout(WAIT, self.places.take(url.host_str().unwrap_or_default()));
        let _place = place.await.ok().and_then(Result::ok).ok_or(OutgoingError::Busy)?;
        let ask = async {
            let sent = self.client.get(url).header("accept", "application/json").send().await;
            let mut answer = sent.map_err(no_answer)?;
            if answer.status() != 200 {
                return Err(OutgoingError::Status(answer.status().as_u16()));
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
                if body.len() + chunk.len() > LARGEST_ANSWER {
                    return Err(OutgoingError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        let late = |_| OutgoingError::NoAnswer(format!("not within {LIMIT:?}").into());
        tokio::time::timeout(LIMIT, ask).await.map_err(late)?
    }
}

/// Without the address: there may be something in it that is nobody's business.
fn no_answer(error: reqwest::Error) -> OutgoingError {
    OutgoingError::NoAnswer(error.without_url().into())
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, BadCertificates> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let bad = |error: String| BadCertificates(format!("{}: {error}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
            let certificate = certificate.map_err(|e| bad(e.to_string()))?;
            roots.add(certificate).map_err(|e| bad(e.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadCertificates(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn client<L: LookUp>(tls: ClientConfig, guard: Guard<L>) -> Result<Client, BadCertificates> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(LIMIT)
        // Each request resolves anew, and is looked at anew.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("carnet/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(guard))
        .build()
        .map_err(|error| BadCertificates(error.to_string()))
}

/// Finds the addresses of a name.
trait LookUp: Send + Sync + Clone + 'static {
    /// All of them.
    fn addresses(&self, name: String) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;
}

impl<F, A> LookUp for F
where
    F: Fn(String) -> A + Send + Sync + Clone + 'static,
    A: Future<Output = std::io::Result<Vec<SocketAddr>>> + Send,
{
    fn addresses(&self, name: String) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send {
        self(name)
    }
}

/// By the system's resolver.
async fn look_up(name: String) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

/// Resolves names to addresses that may be connected to. What it answers is what is connected to: nobody asks again.
struct Guard<L> {
    allowed: Arc<[String]>,
    look_up: L,
    places: Arc<Places>,
}

impl<L> Guard<L> {
    fn new(allowed: &Arc<[String]>, look_up: L) -> Self {
        let places = Arc::new(Places::new(AT_ONCE, AT_ONE_HOST));
        Self { allowed: Arc::clone(allowed), look_up, places }
    }
}

impl<L: LookUp> Resolve for Guard<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_ascii_lowercase();
        let allowed = self.allowed.contains(&name);
        let (look_up, places) = (self.look_up.clone(), Arc::clone(&self.places));
        Box::pin(async move {
            let place = places.take(&name).await?;
            // A task of its own: the system's resolver cannot be told to stop, and has the place until it does.
            let looking = tokio::spawn(async move {
                let found = look_up.addresses(name).await;
                drop(place);
                found
            });
            let mut addresses = looking.await??;
            addresses.retain(|address| allowed || is_public(address.ip()));
            if addresses.is_empty() {
                return Err(Box::new(NoAddress::NotPublic) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
