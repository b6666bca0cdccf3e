//! What tenants may get in a day and a month, as far as this instance knows: what the authority said a moment ago, and what has
//! been got here since.
//!
//! So several instances together may overrun a quota by what they issue between two such moments.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;

use super::{Allowance, Policy, TooMany};
use crate::domain::quota::{QuotaMode, day_of, until_next_day, until_next_month};

/// One tenant's.
#[derive(Clone, Debug)]
pub struct Quota {
    /// What becomes of what exceeds it.
    pub mode: QuotaMode,
    /// In a day.
    pub per_day: Option<u64>,
    /// In a month.
    pub per_month: Option<u64>,
    /// Got, on the last day that it was counted for.
    pub got: Got,
}

/// What has been got by the end of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Got {
    /// Which day.
    pub day: Date,
    /// On it.
    pub today: u64,
    /// In its month.
    pub this_month: u64,
}

impl Got {
    /// The same, on this day: others begin at nothing.
    fn on(self, day: Date) -> Self {
        // The authority's day is believed; a clock that is behind begins no day anew.
        if day <= self.day {
            return self;
        }
        let same_month = (day.year(), day.month()) == (self.day.year(), self.day.month());
        Self { day, today: 0, this_month: if same_month { self.this_month } else { 0 } }
    }
}

/// Those of all tenants that have one. Others are not looked up but for that.
#[derive(Default)]
pub struct Quotas(ArcSwap<HashMap<String, Mutex<Quota>>>);

impl Quotas {
    /// Puts what the authority says now in the place of what it said before.
    pub fn replace(&self, quotas: impl IntoIterator<Item = (String, Quota)>) {
        let new = quotas.into_iter().map(|(tsg_id, quota)| (tsg_id, Mutex::new(quota))).collect();
        self.0.store(std::sync::Arc::new(new));
    }

    /// Counts a token; what is left of the quotas of its tenant.
    pub(super) fn take(&self, tsg_id: &str, now: Timestamp) -> Result<[Option<Allowance>; 2], TooMany> {
        let quotas = self.0.load();
        if quotas.is_empty() {
            return Ok([None, None]);
        }
        let Some(quota) = quotas.get(tsg_id) else { return Ok([None, None]) };
        quota.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

impl Quota {
    fn take(&mut self, now: Timestamp) -> Result<[Option<Allowance>; 2], TooMany> {
        self.got = self.got.on(day_of(now));
        let Got { today, this_month, .. } = self.got;
        let of_day = |quota| Policy { name: "day", quota, window_seconds: Some(86_400) };
        let of_month = |quota| Policy { name: "month", quota, window_seconds: None };
        let exceeded = |most: Option<u64>, got| most.filter(|most| got >= *most);
        let over = if let Some(most) = exceeded(self.per_month, this_month) {
            Some((of_month(most), until_next_month(now)))
        } else {
            exceeded(self.per_day, today).map(|most| (of_day(most), until_next_day(now)))
        };
        if let Some((policy, retry_after)) = over {
            metrics::counter!("carnet_quota_exceeded_total", "mode" => self.mode.as_str()).increment(1);
            if self.mode == QuotaMode::Enforce {
                return Err(TooMany { policy, retry_after });
            }
        }
        self.got.today += 1;
        self.got.this_month += 1;
        if self.mode == QuotaMode::Observe {
            // Nothing is held back, so there is nothing to be told.
            return Ok([None, None]);
        }
        let left = |policy: Policy, got: u64, wait: Duration| Allowance {
            remaining: policy.quota.saturating_sub(got),
            policy,
            seconds: wait.as_secs().max(1),
        };
        Ok([
            self.per_day.map(|most| left(of_day(most), self.got.today, until_next_day(now))),
            self.per_month.map(|most| left(of_month(most), self.got.this_month, until_next_month(now))),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn quotas(mode: QuotaMode, per_day: Option<u64>, per_month: Option<u64>, today: u64) -> Quotas {
        let got = Got { day: day_of(at("2026-11-29T12:00:00Z")), today, this_month: 10 + today };
        let quotas = Quotas::default();
        quotas.replace([("1".to_owned(), Quota { mode, per_day, per_month, got })]);
        quotas
    }

    #[test]
    fn a_day_is_over_at_midnight_and_a_month_after_its_last_day() {
        let quotas = quotas(QuotaMode::Enforce, Some(3), Some(16), 2);
        let now = at("2026-11-29T23:59:00Z");
        let [day, month] = quotas.take("1", now).expect("the third of the day");
        assert_eq!(day.map(|left| (left.remaining, left.seconds)), Some((0, 60)));
        assert_eq!(month.map(|left| (left.remaining, left.policy.window_seconds)), Some((3, None)));
        let refused = quotas.take("1", now).expect_err("the fourth");
        assert_eq!((refused.policy.name, refused.retry_after_seconds()), ("day", 60));
        let next = at("2026-11-30T00:00:00Z");
        for _ in 0..3 {
            assert!(quotas.take("1", next).is_ok());
        }
        let refused = quotas.take("1", next).expect_err("both are over");
        assert_eq!((refused.policy.name, refused.retry_after_seconds()), ("month", 86_400));
        assert!(quotas.take("1", at("2026-12-01T00:00:00Z")).is_ok());
        assert_eq!(quotas.take("2", now), Ok([None, None]), "another tenant has none");
    }

    #[test]
    fn what_is_only_observed_is_served() {
        let observed = quotas(QuotaMode::Observe, Some(0), None, 0);
        let enforced = quotas(QuotaMode::Enforce, Some(0), None, 0);
        let now = at("2026-11-29T12:00:00Z");
        assert_eq!(observed.take("1", now), Ok([None, None]));
        assert!(enforced.take("1", now).is_err());
    }
}
