//! When a proof was last used, and from where.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::network;

/// The last time that an account proved itself by something; nothing when it never did, since that is written down.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LastUse {
    #[serde(rename = "last_used_at")]
    at: Option<Timestamp>,
    #[serde(rename = "last_used_address")]
    address: Option<IpAddr>,
    #[serde(rename = "last_used_network")]
    network: Option<String>,
}

/// What an account proves itself by, and when it last did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Watched<T> {
    /// What.
    #[serde(flatten)]
    pub proof: T,
    /// When, and from where.
    #[serde(flatten)]
    pub last_use: LastUse,
}

impl LastUse {
    /// At this time, from this address of the client's where it is known.
    #[must_use]
    pub fn new(at: Option<Timestamp>, address: Option<IpAddr>) -> Self {
        let network = address.map(|address| network::of(address).to_string());
        Self { at, address, network }
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// From which address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}
