//! Secrets as callers hold them: `carnet_<kind>_<public id>_<random><checksum>`.
//!
//! The public id finds the row without a scan, the checksum refuses a typo before any store is
//! asked, and the fixed beginning lets secret scanners recognise one that has leaked.
//! A [`Secret`] cannot be printed, compared or serialized by accident, and is wiped when dropped:
//! the one way to its text is [`Secret::expose`], so that every use can be found by its name.

use std::fmt;

use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::ids::{BASE62, NoRandomness, PublicId, is_base62, random_base62};

/// What every secret of ours begins with.
const BRAND: &str = "carnet";

/// 43 × log2(62) = 256.03 random bits.
const RANDOM_LENGTH: usize = 43;

/// 62⁶ > 2³²: the fewest base62 digits that hold a CRC-32.
const CHECKSUM_LENGTH: usize = 6;

/// What a secret is for. The name is part of the text, so a scanner's finding says what leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The `client_secret` of a service account (RFC 6749 §2.3.1).
    Client,
    /// An API key that is presented as it is, as a bearer token (RFC 6750 §2.1).
    Key,
    /// The secret of an access key, exchanged for a token.
    Access,
    /// What requests are signed with, or proven by, under a key's number.
    Signed,
}

impl SecretKind {
    const ALL: [Self; 4] = [Self::Client, Self::Key, Self::Access, Self::Signed];

    /// The name inside the secret.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Key => "key",
            Self::Access => "access",
            Self::Signed => "signed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A secret in the clear: either just made, to be shown once, or just presented by a caller.
pub struct Secret {
    kind: SecretKind,
    public_id: PublicId,
    text: Zeroizing<String>,
}

/// The text was never issued by us. One error for every cause: it teaches a guesser nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed secret")]
pub struct MalformedSecret;

impl Secret {
    /// Makes the secret that belongs to a public id.
    ///
    /// # Errors
    /// [`NoRandomness`], see [`random_base62`].
    pub fn generate(
        kind: SecretKind,
        public_id: PublicId,
        rng: &dyn SecureRandom,
    ) -> Result<Self, NoRandomness> {
        let random = Zeroizing::new(random_base62(rng, RANDOM_LENGTH)?);
        let start = format!("{BRAND}_{}_{public_id}_", kind.as_str());
        // Allocated whole: a text that grows would leave pieces of itself behind, unwiped.
        let mut text = Zeroizing::new(String::with_capacity(start.len() + RANDOM_LENGTH + CHECKSUM_LENGTH));
        text.push_str(&start);
        text.push_str(&random);
        let checksum = checksum(&text);
        text.extend(checksum);
        Ok(Self { kind, public_id, text })
    }

    /// Reads what a caller presented. Accepts exactly what [`Secret::generate`] makes; any one
    /// changed character is noticed.
    ///
    /// # Errors
    /// [`MalformedSecret`], whatever is wrong.
    pub fn parse(text: &str) -> Result<Self, MalformedSecret> {
        let (kind, public_id) = Self::shape(text).ok_or(MalformedSecret)?;
        let (covered, claimed) = text.split_at(text.len() - CHECKSUM_LENGTH);
        if !checksum(covered).into_iter().eq(claimed.chars()) {
            return Err(MalformedSecret);
        }
        Ok(Self { kind, public_id, text: Zeroizing::new(text.to_owned()) })
    }

    fn shape(text: &str) -> Option<(SecretKind, PublicId)> {
        let mut parts = text.splitn(4, '_');
        if parts.next()? != BRAND {
            return None;
        }
        let kind = SecretKind::named(parts.next()?)?;
        let public_id = parts.next()?.parse().ok()?;
        let tail = parts.next()?;
        let whole = tail.len() == RANDOM_LENGTH + CHECKSUM_LENGTH && is_base62(tail);
        whole.then_some((kind, public_id))
    }

    /// What the secret is for.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The half that may be known: it names the row this secret is checked against.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        self.public_id
    }

    /// The text itself. It may go into the one answer that shows it and into the pepper's hash,
    /// and nowhere else: not into a log, an error, an audit event or a URL.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("kind", &self.kind)
            .field("public_id", &self.public_id)
            .finish_non_exhaustive()
    }
}

/// CRC-32 (IEEE) in six base62 digits, most significant first.
fn checksum(covered: &str) -> [char; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(covered.as_bytes());
    let mut digits = ['0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(BASE62[(rest % 62) as usize]);
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    use super::*;

    fn fresh() -> Secret {
        let rng = SystemRandom::new();
        let id = PublicId::generate(&rng).unwrap();
        Secret::generate(SecretKind::Client, id, &rng).unwrap()
    }

    /// Secrets are in the hands of clients for years: this text must be good for ever.
    const ISSUED_ONCE: &str =
        "carnet_client_0123456789ABCDef_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ1BSvhI";

    #[test]
    fn the_format_is_the_published_one() {
        let secret = Secret::parse(ISSUED_ONCE).unwrap();
        assert_eq!(secret.kind(), SecretKind::Client);
        assert_eq!(secret.public_id().as_str(), "0123456789ABCDef");
        assert_eq!(secret.expose(), ISSUED_ONCE);
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        let secret = fresh();
        let shown = format!("{secret:?}");
        assert!(shown.contains(secret.public_id().as_str()), "{shown}");
        let random = &secret.expose()[secret.expose().len() - 49..];
        assert!(!shown.contains(&random[..8]), "{shown}");
    }

    #[test]
    fn other_shapes_are_refused() {
        let good = fresh().expose().to_owned();
        let tail = good.rsplit('_').next().unwrap();
        let resealed = |covered: &str| -> String { covered.chars().chain(checksum(covered)).collect() };
        // Each has a right checksum, or is right but for the one thing its name says.
        let table = [
            ("empty", String::new()),
            ("brand only", "carnet_".to_owned()),
            ("white space in front", format!(" {good}")),
            ("line end", format!("{good}\n")),
            ("doubled", format!("{good}{good}")),
            ("without its brand", good.replacen("carnet_", "", 1)),
            ("upper-case brand", good.replacen("carnet", "CARNET", 1)),
            ("another brand", resealed(&good[..good.len() - 6].replacen("carnet", "cornet", 1))),
            ("unknown kind", resealed(&good[..good.len() - 6].replacen("client", "master", 1))),
            ("short id", resealed(&format!("carnet_client_0123456789ABCDe_{}", &tail[..43]))),
            ("long id", resealed(&format!("carnet_client_0123456789ABCDeff_{}", &tail[..43]))),
            ("short random part", resealed(&good[..good.len() - 7])),
            ("long random part", resealed(&format!("{}A", &good[..good.len() - 6]))),
            ("a fifth part", resealed(&format!("{}_", &good[..good.len() - 7]))),
            ("not base62", resealed(&format!("{}-", &good[..good.len() - 7]))),
            ("not ASCII", resealed(&format!("{}é", &good[..good.len() - 8]))),
        ];
        assert!(Secret::parse(&good).is_ok());
        assert!(Secret::parse(&resealed(&good[..good.len() - 6])).is_ok());
        for (name, text) in table {
            assert!(Secret::parse(&text).is_err(), "{name}: {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_back(_ in 0..64) {
            let secret = fresh();
            let read = Secret::parse(secret.expose()).unwrap();
            prop_assert_eq!(read.expose(), secret.expose());
            prop_assert_eq!(read.public_id(), secret.public_id());
        }

        #[test]
        fn any_changed_character_is_refused(at in 0_usize..80, to in "[ -~é]") {
            let good = fresh().expose().to_owned();
            prop_assert_eq!(good.len(), 80);
            prop_assume!(good[at..=at] != to);
            let typo = format!("{}{to}{}", &good[..at], &good[at + 1..]);
            prop_assert!(Secret::parse(&typo).is_err(), "{}", typo);
        }

        #[test]
        fn any_two_swapped_neighbours_are_refused(at in 0_usize..79) {
            let good = fresh().expose().to_owned();
            let (left, right) = (&good[at..=at], &good[at + 1..at + 2]);
            prop_assume!(left != right);
            let typo = format!("{}{right}{left}{}", &good[..at], &good[at + 2..]);
            prop_assert!(Secret::parse(&typo).is_err(), "{}", typo);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,120}") {
            let _ = Secret::parse(&text);
        }
    }
}
