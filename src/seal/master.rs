//! The ordered list of master keys, and the derivation of everything else from it.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::hkdf::{HKDF_SHA256, KeyType, Okm, Prk, Salt};
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::{Nonces, Pepper, Purpose, Sealer};
use crate::domain::ids::NoRandomness;

const KEY_BYTES: usize = 32;

/// 32 bytes in base64, its one `=` included.
const MAX_BASE64_LENGTH: usize = 44;

/// Separates Carnet from anything else that may be fed the same master key.
const SALT: &[u8] = b"carnet master key v1";

const CHECK_LABEL: &[u8] = b"check value";
const CHECK_BYTES: usize = 16;

/// The name of a master key: 1 to 16 of `a-z`, `0-9`, `-`. Stored beside whatever it made.
pub(super) fn is_master_id(id: &[u8]) -> bool {
    (1..=16).contains(&id.len()) && id.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// One master key, already run through HKDF-Extract; its own bytes are gone.
pub(super) struct Master {
    pub(super) id: String,
    pub(super) prk: Prk,
}

/// HKDF-Expand (RFC 5869 §2.3), straight into a prepared key.
pub(super) fn expand<L: KeyType, K>(prk: &Prk, info: &[u8], length: L) -> K
where
    K: for<'a> From<Okm<'a, L>>,
{
    prk.expand(&[info], length).expect("HKDF-SHA-256 gives up to 8,160 bytes and a key has 32").into()
}

/// The master keys of this installation: the first is current and makes everything new, the
/// others are kept for what they made before.
pub struct MasterKeys {
    masters: Vec<Master>,
}

/// Why a list of master keys cannot be used. It names positions only (the first is 1): a mixed-up
/// entry may have its key where the name should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMasterKeys {
    /// There is none.
    #[error("at least one master key is needed")]
    Empty,
    /// Not `<id>:<base64 of 32 bytes>`.
    #[error(
        "master key {position} is not `<id>:<base64 of 32 bytes>` with an id of 1 to 16 \
         characters of a-z, 0-9 and `-`"
    )]
    Malformed {
        /// Which entry of the list.
        position: usize,
    },
    /// Two entries carry the same id.
    #[error("master key {position} has the id of an earlier one")]
    DuplicateId {
        /// Which entry of the list.
        position: usize,
    },
    /// All its bytes are alike: a placeholder from an example, not a key.
    #[error("master key {position} is a placeholder, not 32 random bytes")]
    Placeholder {
        /// Which entry of the list.
        position: usize,
    },
}

/// Something was made with a master key that this instance was not given. That is an outage of
/// this instance, never the fault of the caller whose request met it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("made with master key `{id}`, which this instance does not have")]
pub struct UnknownMaster {
    /// The id that is missing.
    pub id: String,
}

/// What a database remembers of a master key, to refuse an instance that was given another one
/// under the same id. It is derived one way and is of no use for anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckValue {
    /// The master key's id.
    pub id: String,
    /// 32 hexadecimal digits.
    pub value: String,
}

impl MasterKeys {
    /// Reads entries `<id>:<base64 or base64url of 32 bytes>`, padded or not, the current one first.
    ///
    /// # Errors
    /// [`MalformedMasterKeys`], for the first entry that is wrong.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, MalformedMasterKeys> {
        let salt = Salt::new(HKDF_SHA256, SALT);
        let mut masters: Vec<Master> = Vec::new();
        for (entry, position) in entries.into_iter().zip(1..) {
            let (id, key) = read_entry(entry).ok_or(MalformedMasterKeys::Malformed { position })?;
            if masters.iter().any(|master| master.id == id) {
                return Err(MalformedMasterKeys::DuplicateId { position });
            }
            if key.iter().all(|byte| *byte == key[0]) {
                return Err(MalformedMasterKeys::Placeholder { position });
            }
            masters.push(Master { id: id.to_owned(), prk: salt.extract(&*key) });
        }
        if masters.is_empty() {
            return Err(MalformedMasterKeys::Empty);
        }
        Ok(Self { masters })
    }

    /// The pepper of the client secrets.
    #[must_use]
    pub fn pepper(&self) -> Pepper {
        Pepper::derive(&self.masters)
    }

    /// What nonces are made of, and known by.
    #[must_use]
    pub fn nonces(&self) -> Nonces {
        Nonces::derive(&self.masters)
    }

    /// What seals and opens for one purpose. Hand out only the one that a room needs.
    #[must_use]
    pub fn sealer(&self, purpose: Purpose) -> Sealer {
        Sealer::derive(&self.masters, purpose)
    }

    /// A check value for each master key, the current one first.
    #[must_use]
    pub fn check_values(&self) -> Vec<CheckValue> {
        self.masters.iter().map(check_value).collect()
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.masters.iter().map(|master| &master.id);
        f.write_str("MasterKeys")?;
        f.debug_list().entries(ids).finish()
    }
}

/// A new entry for the list, to be kept where neither the database nor Redis can read it.
///
/// # Errors
/// [`NoRandomness`] when the generator fails.
pub fn generate_master_key(id: &str, rng: &dyn SecureRandom) -> Result<Zeroizing<String>, NoRandomness> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill(&mut *key).map_err(|_| NoRandomness)?;
    let mut entry = Zeroizing::new(String::with_capacity(id.len() + 1 + MAX_BASE64_LENGTH));
    entry.push_str(id);
    entry.push(':');
    STANDARD.encode_string(key.as_slice(), &mut entry);
    Ok(entry)
}

fn read_entry(entry: &str) -> Option<(&str, Zeroizing<[u8; KEY_BYTES]>)> {
    const EITHER_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let (id, base64) = entry.split_once(':')?;
    if !is_master_id(id.as_bytes()) || base64.len() > MAX_BASE64_LENGTH {
        return None;
    }
    let alphabet = if base64.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let engine = GeneralPurpose::new(alphabet, EITHER_PADDING);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let length = engine.decode_slice(base64, &mut *key).ok()?;
    (length == KEY_BYTES).then_some((id, key))
}

fn check_value(master: &Master) -> CheckValue {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            CHECK_BYTES
        }
    }
    let mut bytes = [0; CHECK_BYTES];
    master
        .prk
        .expand(&[CHECK_LABEL], Length)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("HKDF-SHA-256 gives up to 8,160 bytes");
    let mut value = String::with_capacity(2 * CHECK_BYTES);
    for byte in bytes {
        write!(value, "{byte:02x}").expect("a String can always be written to");
    }
    CheckValue { id: master.id.clone(), value }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use ring::rand::SystemRandom;

    use super::*;
    use crate::seal::KNOWN_MASTER;

    fn fresh(id: &str) -> Zeroizing<String> {
        generate_master_key(id, &SystemRandom::new()).unwrap()
    }

    /// 32 bytes whose base64 differs in all four spellings.
    fn key() -> [u8; 32] {
        let mut key = [0xFB; 32];
        key[31] = 0xEF;
        key
    }

    #[test]
    fn all_four_spellings_of_base64_are_the_same_key() {
        let spellings = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .map(|engine| format!("a:{}", engine.encode(key())));
        let first = MasterKeys::parse([&*spellings[0]]).unwrap().check_values();
        for spelling in &spellings {
            let keys = MasterKeys::parse([&**spelling]).unwrap();
            assert_eq!(keys.check_values(), first, "{spelling}");
        }
    }

    #[test]
    fn wrong_entries_are_refused_by_position() {
        let good = fresh("2026-11");
        let key = good.split_once(':').unwrap().1;
        assert!(MasterKeys::parse([&**good]).is_ok());
        let table = [
            ("empty", String::new()),
            ("no id", format!(":{key}")),
            ("no colon", key.to_owned()),
            ("no key", "a:".to_owned()),
            ("upper-case id", format!("A:{key}")),
            ("17 characters of id", format!("a2345678901234567:{key}")),
            ("space", format!("a: {key}")),
            ("31 bytes", format!("a:{}", STANDARD.encode([7; 31]))),
            ("33 bytes", format!("a:{}", STANDARD.encode([7; 33]))),
            ("both alphabets", format!("a:{}-/=", &"A".repeat(41))),
            ("trailing bits", format!("a:{}B=", "A".repeat(42))),
            ("hexadecimal", format!("a:{}", "0f".repeat(32))),
        ];
        for (name, entry) in table {
            let refused = MasterKeys::parse([&**good, &*entry]).unwrap_err();
            let expected = MalformedMasterKeys::Malformed { position: 2 };
            assert_eq!(refused, expected, "{name}: {entry}");
        }
    }

    #[test]
    fn an_empty_list_a_double_id_and_a_placeholder_are_refused() {
        assert_eq!(MasterKeys::parse([]).unwrap_err(), MalformedMasterKeys::Empty);
        let (one, other) = (fresh("a"), fresh("a"));
        assert_eq!(
            MasterKeys::parse([&**one, &**other]).unwrap_err(),
            MalformedMasterKeys::DuplicateId { position: 2 }
        );
        let zeros = format!("a:{}", STANDARD.encode([0; 32]));
        assert_eq!(
            MasterKeys::parse([&*zeros]).unwrap_err(),
            MalformedMasterKeys::Placeholder { position: 1 }
        );
    }

    #[test]
    fn check_values_tell_keys_apart_and_stay_the_same() {
        let (old, new) = (fresh("old"), fresh("new"));
        let both = MasterKeys::parse([&**new, &**old]).unwrap().check_values();
        assert_eq!(both[0].id, "new");
        assert_eq!(both[1], MasterKeys::parse([&**old]).unwrap().check_values()[0]);
        assert_ne!(both[0].value, both[1].value);
    }

    /// Databases remember it for years. Computed from RFC 5869 with another HKDF.
    #[test]
    fn the_check_value_of_a_key_never_changes() {
        let keys = MasterKeys::parse([KNOWN_MASTER]).unwrap();
        let known = "49c03a7411adba39b44e077f6ecd35a2";
        assert_eq!(keys.check_values()[0].value, known);
    }

    #[test]
    fn debug_shows_ids_only() {
        let entry = fresh("2026-11");
        let keys = MasterKeys::parse([&**entry]).unwrap();
        assert_eq!(format!("{keys:?}"), "MasterKeys[\"2026-11\"]");
    }
}
