//! What a setting is where nobody has set it.

pub(super) fn bind() -> String {
    "127.0.0.1:8080".to_owned()
}

pub(super) fn domain() -> String {
    "carnet.local".to_owned()
}

pub(super) fn region() -> String {
    "local".to_owned()
}

pub(super) fn database_connections() -> usize {
    20
}

pub(super) fn database_timeout_ms() -> u64 {
    2_000
}

pub(super) fn redis_timeout_ms() -> u64 {
    100
}

pub(super) fn lease_seconds() -> u64 {
    30
}

pub(super) fn poll_interval_ms() -> u64 {
    200
}

pub(super) fn revoke_wait_seconds() -> u64 {
    40
}

pub(super) fn quarantine_seconds() -> u64 {
    60
}

pub(super) fn audit_seconds() -> u64 {
    600
}

pub(super) fn signing_key_days() -> u64 {
    90
}

pub(super) fn floor_limit() -> usize {
    100_000
}

pub(super) fn memory_records() -> u64 {
    100_000
}

pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

pub(super) fn shutdown_seconds() -> u64 {
    10
}

pub(super) fn event_streams() -> usize {
    512
}

pub(super) fn event_stream_seconds() -> u64 {
    600
}
