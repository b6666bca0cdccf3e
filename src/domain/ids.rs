//! Names drawn at random: unguessable, unordered, safe in a URL, a form and a Basic header.
//!
//! Everything here is base62, because clients encode other characters in five different ways.
//! The randomness is an argument; nothing here knows where it comes from.

use std::fmt;
use std::str::FromStr;

use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The digits of base62, in the order of their ASCII codes.
pub(crate) const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes from here up are thrown away: 248 = 4 × 62 is the largest multiple of 62 in a byte, so
/// that what is left falls on every character equally often.
const FIRST_REJECTED_BYTE: u8 = 248;

/// Random bytes drawn at a time.
const DRAW_BYTES: usize = 64;

/// The system gave no randomness, or a generator is stuck. Nothing may be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random number generator failed")]
pub struct NoRandomness;

/// `length` characters, each uniform over base62 (5.95 bits of randomness apiece).
///
/// The text is allocated once, so wrapping it in [`Zeroizing`] leaves no other copy behind.
///
/// # Errors
/// [`NoRandomness`] when the generator fails, or keeps giving bytes that must be thrown away.
pub fn random_base62(rng: &dyn SecureRandom, length: usize) -> Result<String, NoRandomness> {
    // One byte in 32 is thrown away, so two spare draws are already beyond all chance.
    let draws = length / DRAW_BYTES * 2 + 3;
    let mut text = String::with_capacity(length);
    let mut bytes = Zeroizing::new([0; DRAW_BYTES]);
    for _ in 0..draws {
        rng.fill(&mut *bytes).map_err(|_| NoRandomness)?;
        let missing = length - text.len();
        text.extend(uniform_characters(&*bytes).take(missing));
        if text.len() == length {
            return Ok(text);
        }
    }
    Err(NoRandomness)
}

/// Rejection sampling: a plain `byte % 62` would prefer the first eight characters.
fn uniform_characters(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    bytes
        .iter()
        .filter(|byte| **byte < FIRST_REJECTED_BYTE)
        .map(|byte| char::from(BASE62[usize::from(byte % 62)]))
}

/// Whether the text consists of base62 characters only.
pub(crate) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The public half of a credential: 16 base62 characters (95 random bits) that find its row
/// without a scan. It says nothing about the secret and may be shown, logged and put in a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicId([u8; Self::LENGTH]);

/// The text is not 16 base62 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public id is 16 characters of A-Z, a-z, 0-9")]
pub struct MalformedPublicId;

impl PublicId {
    /// Characters in every public id.
    pub const LENGTH: usize = 16;

    /// Draws a new id.
    ///
    /// # Errors
    /// [`NoRandomness`], see [`random_base62`].
    pub fn generate(rng: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let text = random_base62(rng, Self::LENGTH)?;
        text.parse().map_err(|MalformedPublicId| NoRandomness)
    }

    /// The id inside the secret of the API key of this number: its digits, sixteen of them. No key has a longer number.
    #[must_use]
    pub fn of_number(api_key_id: i64) -> Option<Self> {
        (api_key_id > 0).then(|| format!("{api_key_id:016}").parse().ok()).flatten()
    }

    /// The number of the API key whose secret has this id inside.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        let all_digits = self.0.iter().all(u8::is_ascii_digit);
        all_digits.then(|| self.as_str().parse().ok()).flatten().filter(|number| *number > 0)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Never the empty text: every constructor checks that the bytes are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for PublicId {
    type Err = MalformedPublicId;

    fn from_str(text: &str) -> Result<Self, MalformedPublicId> {
        let bytes = text.as_bytes().try_into().map_err(|_| MalformedPublicId)?;
        is_base62(text).then_some(Self(bytes)).ok_or(MalformedPublicId)
    }
}

impl TryFrom<String> for PublicId {
    type Error = MalformedPublicId;

    fn try_from(text: String) -> Result<Self, MalformedPublicId> {
        text.parse()
    }
}

impl From<PublicId> for String {
    fn from(id: PublicId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId({self})")
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn every_byte_that_is_kept_is_spread_evenly() {
        let all: Vec<u8> = (0..=255).collect();
        let characters: Vec<char> = uniform_characters(&all).collect();
        assert_eq!(characters.len(), 248);
        for digit in BASE62 {
            let times = characters.iter().filter(|c| **c == char::from(*digit)).count();
            assert_eq!(times, 4, "{}", char::from(*digit));
        }
    }

    #[test]
    fn the_text_has_the_length_asked_for_and_never_repeats() {
        let rng = SystemRandom::new();
        for length in [0, 1, 16, 43, 64, 65, 1_000] {
            let text = random_base62(&rng, length).unwrap();
            assert_eq!(text.len(), length);
            assert!(is_base62(&text), "{text}");
        }
        let ids: std::collections::HashSet<PublicId> =
            (0..1_000).map(|_| PublicId::generate(&rng).unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    #[expect(deprecated, reason = "ring lends no other generator that can be stuck")]
    fn a_stuck_generator_is_an_error_and_not_an_endless_loop() {
        let stuck = ring::test::rand::FixedByteRandom { byte: 0xFF };
        assert_eq!(random_base62(&stuck, 16), Err(NoRandomness));
        let constant = ring::test::rand::FixedByteRandom { byte: 61 };
        assert_eq!(random_base62(&constant, 3).unwrap(), "zzz");
    }

    #[test]
    fn a_public_id_is_sixteen_base62_characters_and_nothing_else() {
        let id: PublicId = "0123456789ABCDef".parse().unwrap();
        assert_eq!(id.to_string(), "0123456789ABCDef");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"0123456789ABCDef\"");
        for text in ["", "0123456789ABCDe", "0123456789ABCDeff", "0123456789ABCD_f", "0123456789ABCDé"] {
            assert_eq!(text.parse::<PublicId>(), Err(MalformedPublicId), "{text}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<PublicId>(&json).is_err(), "{text}");
        }
    }
}
