//! Where a request comes from: who is connected, or whom a proxy that is trusted says it asks for (RFC 7239 §5.2, or
//! `X-Forwarded-For`). Nobody else's word is taken.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

use crate::domain::origin::Origin;
use crate::outgoing::is_public;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";
static WARNED: Once = Once::new();
/// The most hops that are looked at, from the near end.
const MOST_HOPS: usize = 32;

/// The networks of the proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// The address of the client, and who is connected. Nobody knows the address where a trusted proxy says so, or where
    /// somebody in a private network forwards who is not trusted. Without that, one proxy that is not named would pass for the
    /// one client of everybody.
    #[must_use]
    pub fn origin(&self, request: &HttpRequest) -> Origin {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        Origin { address: peer.and_then(|peer| self.address(peer, request.headers())), peer }
    }

    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if self.trusts(peer) {
            return self.forwarded(peer, headers);
        }
        let forwards = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        if !forwards || is_public(peer) {
            return Some(peer);
        }
        WARNED.call_once(|| {
            tracing::warn!(%peer, "a proxy forwards requests and is not in trusted_proxies: nobody knows where clients are");
        });
        None
    }

    /// Whether this is a proxy of ours.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The nearest hop that is no proxy of ours. Each proxy adds whom it heard from at the end, so that what the client wrote
    /// is further away than what we trust. A proxy sets or removes `X-Forwarded-For`; `Forwarded` is read where that is not there.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let x = hops(headers, X_FORWARDED_FOR, read_node);
        let hops = if headers.contains_key(X_FORWARDED_FOR) { x } else { hops(headers, FORWARDED, read_for) };
        let mut nearest = Some(peer);
        for hop in hops.into_iter().rev().take(MOST_HOPS) {
            nearest = hop;
            if !hop.is_some_and(|address| self.trusts(address)) {
                break;
            }
        }
        nearest
    }
}

/// Every hop of a header, the nearest last.
fn hops(headers: &HeaderMap, name: &str, read: impl Fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(|hop| read(hop.trim())).collect()
}

/// RFC 7239 §4: `for=192.0.2.60;proto=http`.
fn read_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    read_node(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// RFC 7239 §6, and what is written in `X-Forwarded-For`: an address, with a port or without. `unknown` and names that hide
/// something are none.
fn read_node(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse::<IpAddr>().or_else(|_| node.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use rstest::rstest;

    use super::*;

    fn seen(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let proxies =
            ["10.0.0.0/8", "2001:db8:ff::/48"].map(|network| network.parse().expect("a network")).to_vec();
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().expect("it is"), 1));
        for header in headers {
            request = request.append_header(*header);
        }
        let origin = TrustedProxies(proxies).origin(&request.to_http_request());
        assert_eq!(
            origin.peer,
            peer.parse().ok().map(|peer: IpAddr| peer.to_canonical()),
            "whatever anybody says"
        );
        origin.address.map(|address| address.to_string())
    }

    #[rstest]
    #[case::nobody_between("8.8.8.8", &[], Some("8.8.8.8"))]
    #[case::the_client_says_so("8.8.8.8", &[("x-forwarded-for", "9.9.9.9")], Some("8.8.8.8"))]
    #[case::a_proxy_says_so("10.0.0.1", &[("x-forwarded-for", "9.9.9.9")], Some("9.9.9.9"))]
    #[case::what_the_client_wrote("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, 9.9.9.9")], Some("9.9.9.9"))]
    #[case::in_two_headers("10.0.0.1", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "9.9.9.9")], Some("9.9.9.9"))]
    #[case::two_proxies("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, 9.9.9.9, 10.0.0.2")], Some("9.9.9.9"))]
    #[case::inside("10.0.0.1", &[("x-forwarded-for", "10.0.0.3")], Some("10.0.0.3"))]
    #[case::with_a_port("10.0.0.1", &[("x-forwarded-for", "9.9.9.9:4711")], Some("9.9.9.9"))]
    #[case::no_address("10.0.0.1", &[("x-forwarded-for", "9.9.9.9, nonsense")], None)]
    #[case::the_proxy_itself("10.0.0.1", &[], Some("10.0.0.1"))]
    #[case::an_unnamed_proxy("192.168.0.1", &[("x-forwarded-for", "9.9.9.9")], None)]
    #[case::a_machine_nearby("192.168.0.1", &[], Some("192.168.0.1"))]
    #[case::mapped("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:9.9.9.9")], Some("9.9.9.9"))]
    fn only_a_trusted_proxy_is_believed(
        #[case] peer: &str,
        #[case] headers: &[(&str, &str)],
        #[case] address: Option<&str>,
    ) {
        assert_eq!(seen(peer, headers).as_deref(), address);
    }

    #[rstest]
    #[case("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60"))]
    #[case("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17"))]
    #[case("for=192.0.2.43, for=\"[2001:db8:ff::1]\"", Some("192.0.2.43"))]
    #[case("for=9.9.9.9, for=unknown", None)]
    #[case("for=\"_gazonk\"", None)]
    #[case("by=203.0.113.43", None)]
    fn rfc_7239_section_4_the_nearest_node_that_is_no_proxy_of_ours(
        #[case] forwarded: &str,
        #[case] address: Option<&str>,
    ) {
        assert_eq!(seen("10.0.0.1", &[("forwarded", forwarded)]).as_deref(), address);
        let both = [("forwarded", forwarded), ("x-forwarded-for", "9.9.9.9")];
        assert_eq!(seen("10.0.0.1", &both).as_deref(), Some("9.9.9.9"), "what a client may have added");
    }
}
