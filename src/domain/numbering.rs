//! Ids of rows: ordered by when they were made, so that a page of a list goes on where the last
//! one ended. The time is the authority's and the randomness an argument.
//!
//! None of these is a secret or hard to guess; what a caller may see is decided by its tenant.

use jiff::Timestamp;
use uuid::Uuid;

/// 2026-01-01T00:00:00Z: API keys are numbered from here.
const EPOCH_MS: i64 = 1_767_225_600_000;
/// Random bits at the end of an API key's number.
const RANDOM_BITS: u32 = 12;

/// A UUID of version 7 (RFC 9562 §5.7).
#[must_use]
pub fn row_id(now: Timestamp, random: [u8; 10]) -> Uuid {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

/// The number of an API key: milliseconds since 2026, then twelve random bits. Until 2095 it has
/// at most 53 bits, so that clients who read it as a JavaScript number read it right. Two made in
/// one millisecond may draw the same; the database refuses the second.
#[must_use]
pub fn api_key_id(now: Timestamp, random: [u8; 2]) -> i64 {
    let ms = now.as_millisecond().saturating_sub(EPOCH_MS).max(1);
    let random = i64::from(u16::from_be_bytes(random)) & ((1 << RANDOM_BITS) - 1);
    (ms << RANDOM_BITS) | random
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a date")
    }

    #[test]
    fn later_rows_have_greater_ids_whatever_was_drawn() {
        let (early, late) = (at("2026-11-22T08:30:00Z"), at("2026-11-22T08:30:00.001Z"));
        assert!(row_id(early, [0xFF; 10]) < row_id(late, [0; 10]));
        assert_eq!(row_id(early, [0xFF; 10]).get_version_num(), 7);
        assert!(api_key_id(early, [0xFF; 2]) < api_key_id(late, [0; 2]));
    }

    #[test]
    fn the_number_of_an_api_key_is_positive_and_safe_in_javascript() {
        assert_eq!(api_key_id(at("2026-01-01T00:00:00.002Z"), [0xFF, 0xFF]), 2 * 4096 + 4095);
        assert!(api_key_id(at("1999-01-01T00:00:00Z"), [0, 0]) > 0);
        assert!(api_key_id(at("2095-01-01T00:00:00Z"), [0xFF; 2]) < 1 << 53);
    }
}
