//! When a proof was last used, and from where.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::network;

/// The last time that something got a token; nothing when it never did, since that is written down.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LastUse {
    last_used_at: Option<Timestamp>,
    last_used_address: Option<IpAddr>,
    last_used_network: Option<String>,
}

impl LastUse {
    /// At this time, from this address of the client's where it is known.
    #[must_use]
    pub fn new(at: Option<Timestamp>, address: Option<IpAddr>) -> Self {
        let network = address.map(|address| network::of(address).to_string());
        Self { last_used_at: at, last_used_address: address, last_used_network: network }
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.last_used_at
    }

    /// From which address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.last_used_address
    }
}
