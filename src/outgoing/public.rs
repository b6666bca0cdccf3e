//! Which addresses are everybody's: those that the registries of special-purpose addresses (RFC 6890) do not keep for
//! anything else, and, for those that carry an IPv4 address inside, that this one is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is reached over the public network, and means the same to everybody.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let kept = match address.octets() {
        [0 | 10 | 127 | 224.., ..] => true,
        [100, b, ..] => (64..=127).contains(&b),
        [169, b, ..] => b == 254,
        [172, b, ..] => (16..=31).contains(&b),
        [192, b, c, _] => b == 168 || b == 0 && (c == 0 || c == 2) || b == 88 && c == 99,
        [198, b, c, _] => b == 18 || b == 19 || b == 51 && c == 100,
        [203, b, c, _] => b == 0 && c == 113,
        _ => false,
    };
    !kept
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // NAT64, 6to4, and mapped, with which a socket speaks IPv4: what counts is where they lead.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // Protocol assignments (Teredo, ORCHID, benchmarking) and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is all that is left.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6890_what_is_kept_for_something_is_not_public() {
        let public = |address: &str| is_public(address.parse().expect("an address"));
        for address in ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.1.0.1", "2606:4700::1111"]
        {
            assert!(public(address), "{address}");
        }
        for address in ["2002:808:808::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"] {
            assert!(public(address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }
}
