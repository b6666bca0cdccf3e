//! What can be wrong with one setting, whatever the others are; and with the times that depend on the lease.

use super::{ConfigError, RawConfig};

impl RawConfig {
    /// Checks words, then numbers.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_words()?;
        for (setting, value, least, most) in self.numbers() {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Value { setting, what: format!("must be {least} to {most}") });
            }
        }
        if self.poll_interval_ms * 4 > self.lease_seconds * 1_000 {
            let what = "must be at most a quarter of the lease".to_owned();
            return Err(ConfigError::Value { setting: "poll_interval_ms", what });
        }
        Ok(())
    }

    fn check_words(&self) -> Result<(), ConfigError> {
        let bad = |setting, what: &str| Err(ConfigError::Value { setting, what: what.to_owned() });
        if let Some(issuer) = &self.issuer
            && (!issuer.starts_with("http") || !issuer.contains("://") || issuer.ends_with('/'))
        {
            return bad("issuer", "must be a URL without a trailing slash");
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.is_empty() || self.region.len() > 32 || !self.region.chars().all(plain) {
            return bad("region", "must be 1 to 32 of a-z, 0-9 and '-'");
        }
        if self.domain.is_empty() || !self.domain.chars().all(|c| plain(c) || c == '.') {
            return bad("domain", "must be a domain name in lower case");
        }
        Ok(())
    }

    /// Numbers, and between what they must be.
    fn numbers(&self) -> [(&'static str, u64, u64, u64); 12] {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        [
            ("database_connections", count(self.database_connections), 10, 10_000),
            ("database_timeout_ms", self.database_timeout_ms, 50, 60_000),
            ("redis_timeout_ms", self.redis_timeout_ms, 1, 60_000),
            ("lease_seconds", self.lease_seconds, 2, 600),
            ("poll_interval_ms", self.poll_interval_ms, 10, 5_000),
            // Not before the lease of a region that is gone has ended.
            ("quarantine_seconds", self.quarantine_seconds, self.lease_seconds, 3_600),
            ("audit_seconds", self.audit_seconds, 1, 86_400),
            ("signing_key_days", self.signing_key_days, 1, 3_650),
            ("floor_limit", count(self.floor_limit), 1_000, 10_000_000),
            ("event_stream_seconds", self.event_stream_seconds, 1, 3_600),
            ("workers", count(self.workers), 1, 1_024),
            ("usage_flush_seconds", self.usage_flush_seconds, 1, 60),
        ]
    }
}
