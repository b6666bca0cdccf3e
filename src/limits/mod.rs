//! How much anybody may ask: tokens of one client, one tenant; requests and failures of one address; and what a tenant may get in a
//! day and a month.
//!
//! Kept in the memory of each instance, so that no store is asked, and bounded: whoever has not come for longest is forgotten, and
//! begins anew. What is counted for a client or its tenant is what that client has proved to have asked for; failures are
//! counted for where they come from. So nobody uses up what is somebody else's, and nobody locks anybody out elsewhere.
//!
//! Where nothing is limited, nothing is looked up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::domain::network;
use crate::domain::origin::Origin;

mod failures;
mod quota;
mod rate;
mod ticks;

use failures::Failures;
pub use quota::{Got, Quota, Quotas};
use rate::Rates;

/// The most clients, tenants, addresses that are told apart, of each.
pub const MOST_KEYS: u64 = 100_000;

/// The dials; 0 for no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitOptions {
    /// Tokens of one client in a minute.
    pub client: u32,
    /// Tokens of one tenant in a minute.
    pub tenant: u32,
    /// Requests of one address in a minute, but those for status lists.
    pub address: u32,
    /// Requests of one address for status lists in a minute.
    pub address_status_lists: u32,
    /// Failures as one client from one network in a minute.
    pub client_failures: u32,
    /// Failures of one address in a minute.
    pub address_failures: u32,
}

/// What is limited, as clients are told (draft-ietf-httpapi-ratelimit-headers-11 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// So many …
    pub quota: u64,
    /// … in so many seconds; nothing for a calendar month.
    pub window_seconds: Option<u32>,
}

/// What is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Of which policy.
    pub policy: Policy,
    /// So many …
    pub remaining: u64,
    /// … for so many seconds.
    pub seconds: u64,
}

/// What is left under every policy that a request fell under; at most four.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allowances([Option<Allowance>; 4]);

impl Allowances {
    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Allowance> {
        self.0.iter().flatten()
    }
}

/// Nothing is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Too many requests; try again later")]
pub struct TooMany {
    /// Of which policy.
    pub policy: Policy,
    /// How long it will be so.
    pub retry_after: Duration,
}

impl TooMany {
    /// In whole seconds, and never none (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        let whole = self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0);
        whole.max(1)
    }
}

/// All limits of an instance.
pub struct Limits {
    clients: Option<Rates>,
    tenants: Option<Rates>,
    addresses: Option<Rates>,
    list_readers: Option<Rates>,
    client_failures: Option<Failures>,
    address_failures: Option<Failures>,
    quotas: Quotas,
}

impl Limits {
    /// By these dials, on this clock.
    #[must_use]
    pub fn new(options: &LimitOptions, clock: &Arc<Clock>) -> Self {
        let rates = |name, per_minute| Rates::new(name, per_minute, MOST_KEYS, clock);
        let failures = |name, per_minute| Failures::new(name, per_minute, MOST_KEYS, clock);
        Self {
            clients: rates("client", options.client),
            tenants: rates("tenant", options.tenant),
            addresses: rates("address", options.address),
            list_readers: rates("address_status_lists", options.address_status_lists),
            client_failures: failures("client_failures", options.client_failures),
            address_failures: failures("address_failures", options.address_failures),
            quotas: Quotas::default(),
        }
    }

    /// What tenants may get.
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Counts a request from this address, before anything is known of it. Where nobody knows the address, nothing is counted.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn ask(&self, from: Option<IpAddr>) -> Result<(), TooMany> {
        request(self.addresses.as_ref(), from).inspect_err(note)
    }

    /// Counts a request for a status list, which are counted apart: verifiers share addresses with clients, and who polls too often
    /// uses up what nobody else needs.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn ask_for_list(&self, from: Option<IpAddr>) -> Result<(), TooMany> {
        request(self.list_readers.as_ref(), from).inspect_err(note)
    }

    /// Whether one may try to authenticate, as this client, from there. Where nobody knows the address, who is connected answers
    /// for all whom it may stand for; but not for each client by itself, of whom one could then lock out the other.
    ///
    /// # Errors
    /// [`TooMany`]: of late too many failed.
    pub fn may_try(&self, client_id: Option<&str>, from: Origin) -> Result<(), TooMany> {
        self.has_not_failed(client_id, from).inspect_err(note)
    }

    fn has_not_failed(&self, client_id: Option<&str>, from: Origin) -> Result<(), TooMany> {
        if let (Some(failures), Some(host)) = (&self.address_failures, from.answerable()) {
            failures.check(network::host(host))?;
        }
        if let (Some(failures), Some(client_id), Some(from)) =
            (&self.client_failures, client_id, from.address)
        {
            failures.check((client_id, network::of(from)))?;
        }
        Ok(())
    }

    /// Counts one who failed to authenticate, as this client, from there.
    pub fn failed(&self, client_id: Option<&str>, from: Origin) {
        if let (Some(failures), Some(host)) = (&self.address_failures, from.answerable()) {
            failures.count(network::host(host));
        }
        if let (Some(failures), Some(client_id), Some(from)) =
            (&self.client_failures, client_id, from.address)
        {
            failures.count((client_id, network::of(from)));
        }
    }

    /// Counts a token of a client that has proved itself; what is left for it.
    ///
    /// # Errors
    /// [`TooMany`]: nothing is.
    pub fn take(&self, client_id: &str, tsg_id: &str, now: Timestamp) -> Result<Allowances, TooMany> {
        self.token(client_id, tsg_id, now).inspect_err(note)
    }

    fn token(&self, client_id: &str, tsg_id: &str, now: Timestamp) -> Result<Allowances, TooMany> {
        let client = self.clients.as_ref().map(|rates| rates.take(client_id)).transpose()?;
        let tenant = self.tenants.as_ref().map(|rates| rates.take(tsg_id)).transpose()?;
        let [day, month] = self.quotas.take(tsg_id, now)?;
        Ok(Allowances([client, tenant, day, month]))
    }
}

fn request(rates: Option<&Rates>, from: Option<IpAddr>) -> Result<(), TooMany> {
    match (rates, from) {
        (Some(rates), Some(from)) => rates.take(network::host(from)).map(drop),
        _ => Ok(()),
    }
}

/// Tells operators.
fn note(too_many: &TooMany) {
    metrics::counter!("carnet_limited_total", "policy" => too_many.policy.name).increment(1);
}
