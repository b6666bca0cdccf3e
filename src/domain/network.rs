//! Networks of addresses: what is next to each other, and probably belongs to one party.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How much of an address names its network.
const V4_PREFIX: u8 = 24;
const V6_PREFIX: u8 = 48;
/// How much of an IPv6 address names one machine, which may choose the rest as it likes (RFC 4291 §2.5.1).
const V6_HOST: u8 = 64;

/// The network of an address: /24, or /48 for IPv6.
#[must_use]
pub fn of(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, V4_PREFIX).trunc().into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, V6_PREFIX).trunc().into(),
    }
}

/// What one machine cannot change of its address: all of it, or the /64 of IPv6.
#[must_use]
pub fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - u32::from(V6_HOST));
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn neighbours_share_a_network_and_strangers_do_not() {
        let of = |text: &str| super::of(text.parse().expect("an address")).to_string();
        assert_eq!(of("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(of("203.0.113.255"), of("203.0.113.0"));
        assert_ne!(of("203.0.112.7"), of("203.0.113.7"));
        assert_eq!(of("2001:db8:1:ff::1"), "2001:db8:1::/48");
        assert_ne!(of("2001:db8:2::1"), of("2001:db8:1::1"));
    }

    #[test]
    fn rfc_4291_section_2_5_1_a_machine_is_its_64_bits_of_network() {
        let host = |text: &str| super::host(text.parse().expect("an address")).to_string();
        assert_eq!(host("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(host("2001:db8:1:3::"), host("2001:db8:1:2::"));
        assert_eq!(host("203.0.113.7"), "203.0.113.7");
    }
}
