//! How many tokens a tenant may get in a calendar day and a calendar month, UTC.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// What becomes of what exceeds a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    /// It is served, and reported.
    Observe,
    /// It is refused.
    Enforce,
}

impl QuotaMode {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// The calendar day of a moment, UTC.
#[must_use]
pub fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// How long it is until the next day begins.
#[must_use]
pub fn until_next_day(now: Timestamp) -> Duration {
    until(now, day_of(now).saturating_add(1.day()))
}

/// How long it is until the next month begins.
#[must_use]
pub fn until_next_month(now: Timestamp) -> Duration {
    until(now, day_of(now).first_of_month().saturating_add(1.month()))
}

fn until(now: Timestamp, day: Date) -> Duration {
    let begins = day.to_zoned(TimeZone::UTC).map_or(now, |zoned| zoned.timestamp());
    Duration::try_from(begins.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_those_of_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a moment");
        let now = at("2028-02-29T23:59:30Z");
        assert_eq!(day_of(now).to_string(), "2028-02-29");
        assert_eq!((until_next_day(now).as_secs(), until_next_month(now).as_secs()), (30, 30));
        let first = at("2026-12-01T00:00:00Z");
        assert_eq!(until_next_day(first).as_secs(), 86_400);
        assert_eq!(until_next_month(first).as_secs(), 31 * 86_400);
    }
}
