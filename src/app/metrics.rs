//! Every metric by its name, and what it says. None names a credential, a tenant or a person.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds for everything that is timed, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What counts how often something happened.
pub const COUNTERS: [(&str, &str); 18] = [
    (
        "carnet_secrets_rehashed_total",
        "Client secrets that this instance has hashed under the current master key",
    ),
    ("carnet_tokens_total", "Answers of the token endpoint, by outcome"),
    ("carnet_limited_total", "Token requests that were answered 429, by the policy that was exceeded"),
    ("carnet_quota_exceeded_total", "Token requests beyond the quota of their tenant, by its mode"),
    (
        "carnet_token_per_request_total",
        "Minutes in which a client seemed to get a token for each of its requests, each of its addresses by itself",
    ),
    ("carnet_usage_flushes_total", "Batches of uses and counts, by outcome: a failed one is sent again"),
    ("carnet_usage_dropped_total", "Uses that found the memory full, and are not written down"),
    ("carnet_tokens_rejected_total", "Bearer tokens that were refused, by why"),
    (
        "carnet_assertions_rejected_total",
        "Assertions of clients and tokens of workloads that were refused for what they say, by why",
    ),
    (
        "carnet_client_keys_fetched_total",
        "Requests for keys that clients and trusted issuers publish elsewhere, by outcome",
    ),
    ("carnet_lookups_total", "Records that a request was judged by, by where they came from"),
    (
        "carnet_entries_unreadable_total",
        "Entries of the region's Redis that did not open: another epoch's, or forged",
    ),
    (
        "carnet_entries_stale_total",
        "Entries of the region's Redis that the floor refused when they were asked for",
    ),
    ("carnet_audit_repairs_total", "What the auditor has put right, by where it was and why"),
    ("carnet_redis_failures_total", "Times that Redis did not answer and was left alone for a moment"),
    ("carnet_epochs_raised_total", "Times that this instance noticed that its Redis had lost its entries"),
    ("carnet_flips_total", "Credentials that this instance made valid"),
    (
        "carnet_feed_interruptions_total",
        "Times that the feed was interrupted, or began anew in another history",
    ),
];

/// What is so and so much now.
pub const GAUGES: [(&str, &str); 17] = [
    ("carnet_master_key_uses", "What a master key is still needed for, by kind: it may go at 0"),
    ("carnet_signing_keys_unreadable", "Signing keys that this instance cannot read: must be 0"),
    (
        "carnet_divergent_entries",
        "Entries that the last audit found that would have been served and were wrong: must be 0",
    ),
    (
        "carnet_audit_memory_share",
        "Which part of this instance's memory its last audit looked at; the next one goes on there",
    ),
    ("carnet_acknowledgements_waiting", "Pending credentials that the region has not acknowledged"),
    ("carnet_region_state", "1 for the state that the region is in"),
    ("carnet_region_epoch", "The epoch of this region's Redis: raised when it has lost its entries"),
    ("carnet_records_poisoned", "Records that nobody can read, and so are in no cache: must be 0"),
    ("carnet_receipts_open", "Withdrawals that some instance may not have heard of yet"),
    ("carnet_feed_lag_changes", "Changes that this instance had not applied at its last poll"),
    ("carnet_feed_lag_seconds", "For how long the oldest of them had been there"),
    ("carnet_lease_seconds", "How long this instance may still answer without hearing from Postgres"),
    (
        "carnet_lease_age_seconds",
        "How long ago the question was asked that this instance's lease is counted from",
    ),
    ("carnet_clock_offset_seconds", "The system's clock minus the authority's"),
    ("carnet_cache_fit", "1 while this region's Redis is a primary that does not evict"),
    ("carnet_memory_records", "Records in this instance's memory"),
    ("carnet_draining", "1 while an operator is taking this region away"),
];

/// What took how long, in seconds.
pub const HISTOGRAMS: [(&str, &str); 3] = [
    (
        "carnet_receipt_seconds",
        "Withdrawals, from the request until they were effective everywhere; each is in one instance's",
    ),
    ("carnet_audit_seconds", "Comparisons of the region's Redis, or of the memory, with Postgres"),
    ("carnet_transaction_seconds", "Transactions of the management API, by name"),
];

/// The one recorder of the process: several servers in one process share it.
pub(super) fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return handle.clone();
    }
    let timed = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(timed, &SECONDS);
    let recorder = builder.expect("there are buckets").build_recorder();
    let handle = RECORDER.get_or_init(|| recorder.handle()).clone();
    // Another thread may have been faster; its recorder counts then.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("a recorder of metrics was set already");
    }
    describe();
    handle
}

fn describe() {
    for (name, what) in COUNTERS {
        describe_counter!(name, what);
    }
    for (name, what) in GAUGES {
        describe_gauge!(name, what);
    }
    for (name, what) in HISTOGRAMS {
        describe_histogram!(name, Unit::Seconds, what);
    }
}

/// Those that are there from the start, so that what should never happen can be watched.
const AT_ZERO: [&str; 7] = [
    "carnet_secrets_rehashed_total",
    "carnet_redis_failures_total",
    "carnet_epochs_raised_total",
    "carnet_flips_total",
    "carnet_feed_interruptions_total",
    "carnet_token_per_request_total",
    "carnet_usage_dropped_total",
];

/// The same, of a region.
const AT_ZERO_IN_REGION: [&str; 2] = ["carnet_entries_unreadable_total", "carnet_entries_stale_total"];

pub(super) fn introduce(region: &str) {
    for name in AT_ZERO {
        metrics::counter!(name).increment(0);
    }
    for name in AT_ZERO_IN_REGION {
        metrics::counter!(name, "region" => region.to_owned()).increment(0);
    }
    for outcome in ["fetched", "failed"] {
        metrics::counter!("carnet_client_keys_fetched_total", "outcome" => outcome).increment(0);
    }
    for policy in [
        "client",
        "tenant",
        "address",
        "address_status_lists",
        "client_failures",
        "address_failures",
        "day",
        "month",
    ] {
        metrics::counter!("carnet_limited_total", "policy" => policy).increment(0);
    }
    for mode in ["observe", "enforce"] {
        metrics::counter!("carnet_quota_exceeded_total", "mode" => mode).increment(0);
    }
    for outcome in ["written", "failed"] {
        metrics::counter!("carnet_usage_flushes_total", "outcome" => outcome).increment(0);
    }
    metrics::counter!("carnet_assertions_rejected_total", "why" => "used_before").increment(0);
    for of in ["redis", "memory"] {
        for why in ["missing", "unreadable", "stale", "divergent"] {
            let region = region.to_owned();
            metrics::counter!("carnet_audit_repairs_total", "region" => region, "of" => of, "why" => why)
                .increment(0);
        }
    }
}
