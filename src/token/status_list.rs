//! Status lists (draft-ietf-oauth-status-list): how a verifier that works offline learns that what is behind a token is gone.
//!
//! A bit is 0 as long as the pair that it stands for is good, 1 from when it is not; places that nobody has yet are 0, for
//! a list that was fetched before a pair was made must not hold anything against it. All that is known is in the list, so
//! nobody learns from who fetches it which token he has.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

use super::claims::{StatusListEntry, TokenStatus};
use super::signer::{SignError, SigningKey};
use crate::domain::credential_id::CredentialId;
use crate::domain::record::Record;
use crate::domain::token_status::PLACES;

/// The `typ` of a list (§5.1).
pub const STATUS_LIST_TYPE: &str = "statuslist+jwt";
/// For how long a verifier need not fetch a list again, seconds (§5.1 `ttl`).
pub const TTL_SECONDS: i64 = 60;
/// After how long a list is none any more, seconds.
const LIFETIME_SECONDS: i64 = 2 * TTL_SECONDS;
/// Bits are packed so.
const BYTES: usize = PLACES as usize / 8;
/// A list whose bits know no pattern, with its claims, signed.
const MOST_BYTES: usize = 16 * 1024;

/// Where a list is.
#[must_use]
pub fn address(issuer: &str, list: i64) -> String {
    format!("{issuer}/status-lists/{list}")
}

/// What a token says of its status, if it has a place.
#[must_use]
pub fn claim(
    issuer: &str,
    record: &Record,
    credential_id: &CredentialId,
    api_key_id: Option<i64>,
) -> Option<TokenStatus> {
    if record.statuses.is_empty() {
        return None;
    }
    let place = record.statuses.of(&credential_id.to_string(), api_key_id)?;
    Some(TokenStatus { status_list: StatusListEntry { idx: place.idx, uri: address(issuer, place.list) } })
}

/// The bits of a list: places below `given` are bad unless they are among the `good` ones.
#[must_use]
pub fn bits(given: u32, good: &[u32]) -> Vec<u8> {
    let mut bits = vec![0; BYTES];
    let at = |idx: u32| (idx as usize / 8, 1_u8 << (idx % 8));
    for (byte, bit) in (0..given.min(PLACES)).map(at) {
        bits[byte] |= bit;
    }
    for (byte, bit) in good.iter().copied().filter(|idx| *idx < PLACES).map(at) {
        bits[byte] &= !bit;
    }
    bits
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum NoList {
    /// It cannot be compressed.
    #[error("the list cannot be compressed")]
    Compression(#[from] io::Error),
    /// It cannot be signed.
    #[error(transparent)]
    Signature(#[from] SignError),
}

/// A list as it is sent (§5.1), of these bits at this time.
///
/// # Errors
/// [`NoList`].
pub fn sign(key: &SigningKey, issuer: &str, list: i64, bits: &[u8], now: i64) -> Result<String, NoList> {
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        sub: String,
        iat: i64,
        exp: i64,
        ttl: i64,
        status_list: List,
    }
    #[derive(Serialize)]
    struct List {
        bits: u8,
        lst: String,
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(bits)?;
    let compressed = URL_SAFE_NO_PAD.encode(zlib.finish()?);
    let claims = Claims {
        iss: issuer,
        sub: address(issuer, list),
        iat: now,
        exp: now + LIFETIME_SECONDS,
        ttl: TTL_SECONDS,
        status_list: List { bits: 1, lst: compressed },
    };
    Ok(key.sign_as(STATUS_LIST_TYPE, &claims, MOST_BYTES)?)
}

#[cfg(test)]
mod tests {
    use crate::domain::algorithm::Algorithm;
    use ring::rand::{SecureRandom as _, SystemRandom};

    use super::*;
    use crate::token::keyring::Keyring;
    use crate::token::rejected::Rejected;
    use crate::token::tests::entry;

    /// draft-ietf-oauth-status-list-21 §4.1: its first example, whose first byte is 0xB9 and whose second is 0xA3.
    #[test]
    fn status_list_section_4_1_the_first_bit_is_the_least_significant_one_of_the_first_byte() {
        let set = [0, 3, 4, 5, 7, 8, 9, 13, 15];
        let good: Vec<u32> = (0..16).filter(|idx| !set.contains(idx)).collect();
        assert_eq!(bits(16, &good)[..3], [0xB9, 0xA3, 0]);
    }

    #[test]
    fn what_nobody_has_yet_is_good_and_what_nobody_has_any_more_is_not() {
        let known = bits(10, &[1, 2, 40_000]);
        let is_set = |idx: usize| known[idx / 8] & (1 << (idx % 8)) != 0;
        let set: Vec<usize> = (0..PLACES as usize).filter(|idx| is_set(*idx)).collect();
        assert_eq!(set, [0, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(bits(u32::MAX, &[]), [0xFF; BYTES]);
    }

    #[test]
    fn a_list_without_any_pattern_can_be_signed_and_is_no_access_token() {
        let keyring = Keyring::new(vec![entry(Algorithm::RS256, true)]).unwrap();
        let mut noise = vec![0; BYTES];
        SystemRandom::new().fill(&mut noise).unwrap();
        let key = keyring.signer(Algorithm::RS256).unwrap();
        let list = sign(key, "https://id.example", i64::MAX, &noise, i64::MAX - LIFETIME_SECONDS).unwrap();
        assert_eq!(keyring.read(&list).unwrap_err(), Rejected::WrongType);
    }
}
