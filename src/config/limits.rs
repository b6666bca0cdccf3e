//! Settings of limits and of what is noted of use: their defaults, and what can be wrong with them.
//!
//! The defaults are for a server of many cores and fleets that share a client: nobody meets them who does not do harm.

use std::net::IpAddr;

use ipnet::IpNet;

use super::ConfigError;

pub(super) fn client_tokens_per_minute() -> u32 {
    1_200_000
}

pub(super) fn tenant_tokens_per_minute() -> u32 {
    2_400_000
}

pub(super) fn address_requests_per_minute() -> u32 {
    2_400_000
}

pub(super) fn address_status_lists_per_minute() -> u32 {
    60_000
}

pub(super) fn client_failures_per_minute() -> u32 {
    6_000
}

pub(super) fn address_failures_per_minute() -> u32 {
    60_000
}

pub(super) fn token_per_request_per_minute() -> u32 {
    300
}

pub(super) fn usage_flush_seconds() -> u64 {
    15
}

/// Networks, or addresses as networks of one, separated by commas.
pub(super) fn networks(setting: &'static str, list: &str) -> Result<Vec<IpNet>, ConfigError> {
    let each = list.split(',').map(str::trim).filter(|one| !one.is_empty());
    let network = |one: &str| one.parse().ok().or_else(|| Some(one.parse::<IpAddr>().ok()?.into()));
    each.map(network).collect::<Option<_>>().ok_or_else(|| ConfigError::Value {
        setting,
        what: "must be networks (10.0.0.0/8) or addresses, separated by commas".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_networks_or_addresses_and_nothing_else() {
        let read =
            |list: &str| networks("trusted_proxies", list).map(|all| all.len()).map_err(|e| e.to_string());
        assert_eq!(read("10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,::1"), Ok(4));
        assert_eq!(read(""), Ok(0));
        for bad in ["10.0.0.0/33", "proxy.example", "10.0.0.0/8 192.0.2.7"] {
            assert!(read(bad).expect_err("no network").starts_with("trusted_proxies: "), "{bad}");
        }
    }
}
