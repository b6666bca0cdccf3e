//! Requests to addresses that callers have named: key sets, and later webhooks.
//!
//! Whoever may name an address must not reach by it what only this machine can reach. So: `https` alone, no redirects, no
//! proxy, and no address that is not public, unless its host is allowed by name. What is looked at is the address itself
//! that is then connected to, after its name was resolved, so that a name which says one thing now and another in a moment
//! gains nothing. An answer is bounded in size and time.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::Semaphore;

mod public;

pub use public::is_public;

/// The longest that a request may take, from its name's resolution to the last byte of the answer.
const LIMIT: Duration = Duration::from_secs(2);
/// The most bytes of an answer.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The most requests at once; more wait.
const AT_ONCE: usize = 16;

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
    at_once: Arc<Semaphore>,
}

impl Outgoing {
    /// Reaches public addresses, and hosts that are allowed by name. Servers are known by the system's roots and, if there
    /// is one, by the certificates of this file.
    ///
    /// # Errors
    /// [`BadCertificates`]
    pub fn new(allowed: &[String], ca_file: Option<&Path>) -> Result<Self, BadCertificates> {
        let allowed: Arc<[String]> = allowed.iter().map(|host| host.to_ascii_lowercase()).collect();
        let guard = Guard { allowed: Arc::clone(&allowed), look_up };
        Ok(Self {
            client: client(tls(ca_file)?, guard)?,
            allowed,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        })
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
        let ask = async {
            let _place =
                self.at_once.acquire().await.map_err(|error| OutgoingError::NoAnswer(error.into()))?;
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
}

impl<L: LookUp> Resolve for Guard<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_ascii_lowercase();
        let allowed = self.allowed.contains(&name);
        let look_up = self.look_up.clone();
        Box::pin(async move {
            let mut addresses = look_up.addresses(name).await?;
            addresses.retain(|address| allowed || is_public(address.ip()));
            if addresses.is_empty() {
                return Err(Box::new(NoAddress::NotPublic) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn outgoing(allowed: &[&str]) -> Outgoing {
        let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
        Outgoing::new(&allowed, None).expect("a client")
    }

    #[test]
    fn only_https_to_what_is_public() {
        let guarded = outgoing(&["inside.example", "10.0.0.1"]);
        for good in [
            "https://keys.example/jwks",
            "https://keys.example:8443/?a=b",
            "https://8.8.8.8/",
            "https://inside.example/",
            "https://10.0.0.1/jwks",
        ] {
            assert_eq!(guarded.check(good), Ok(()), "{good}");
        }
        for bad in
            ["", "keys.example", "http://keys.example", "file:///etc/passwd", "https://", "ftp://a.example/"]
        {
            assert_eq!(guarded.check(bad), Err(NoAddress::NotHttps), "{bad}");
        }
        for bad in ["https://u@a.example/", "https://u:p@a.example/", "https://a.example/#f"] {
            assert_eq!(guarded.check(bad), Err(NoAddress::NotHttps), "{bad}");
        }
        for inside in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://10.0.0.2/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::7f00:1]/",
        ] {
            assert_eq!(guarded.check(inside), Err(NoAddress::NotPublic), "{inside}");
        }
    }

    /// A name that is public when somebody looks, and leads inside when one connects. Here nobody looks but who connects.
    #[tokio::test]
    async fn a_name_that_changes_its_mind_leads_nowhere() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = inside.local_addr().expect("an address").port();
        let rebinding = move |_name: String| async move {
            // First a public address at which nobody is, then the one inside.
            let first = ASKED.fetch_add(1, Ordering::Relaxed) == 0;
            let address = if first { [203, 0, 112, 1] } else { [127, 0, 0, 1] };
            Ok(vec![SocketAddr::from((address, port))])
        };
        let guarded = |allowed: &[String]| Outgoing {
            client: client(tls(None).expect("roots"), Guard { allowed: allowed.into(), look_up: rebinding })
                .expect("a client"),
            allowed: allowed.into(),
            at_once: Arc::new(Semaphore::new(1)),
        };
        let address = format!("https://rebinds.example:{port}/");
        let strict = guarded(&[]);
        for _ in 0..3 {
            assert!(strict.get(&address).await.is_err());
        }
        let nobody = tokio::time::timeout(Duration::from_millis(100), inside.accept()).await;
        assert!(nobody.is_err(), "somebody was led inside");
        assert!(ASKED.load(Ordering::Relaxed) >= 3, "each request resolves anew");
        // The twin: allowed by name, the same requests do arrive.
        let lax = guarded(&["rebinds.example".to_owned()]);
        let (refused, arrived) = tokio::join!(lax.get(&address), inside.accept());
        assert!(refused.is_err() && arrived.is_ok(), "no TLS is spoken there, but somebody came");
    }
}
