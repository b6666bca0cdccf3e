//! Sealing: AES-256-GCM, each sealed text bound to the one place where it may be opened.
//!
//! The place (a row's key; a cache entry's region, epoch, credential and version) goes into the
//! derivation of the key *and* into the authenticated data. So a sealed text that is copied to
//! another place does not open there; and since every place has a key of its own, random 96-bit
//! nonces never come near the number at which they could meet (NIST SP 800-38D §8.3: 2³² per key),
//! however many entries a region holds.
//!
//! Layout: `version (1) ‖ length of id (1) ‖ master id ‖ nonce (12) ‖ ciphertext ‖ tag (16)`.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::master::{Master, UnknownMaster, expand, is_master_id};

const VERSION: u8 = 1;

/// What is sealed. Each purpose has keys of its own: nothing sealed for one opens for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A private signing key in its database row.
    SigningKey,
    /// A credential's entry in a region's cache.
    CacheEntry,
    /// The secret of an API key that is never sent, in its row.
    KeySecret,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SigningKey => b"seal of signing keys",
            Self::CacheEntry => b"seal of cache entries",
            Self::KeySecret => b"seal of key secrets",
        }
    }
}

/// Seals and opens for one purpose.
pub struct Sealer {
    purpose: Purpose,
    /// The current master key's first.
    keys: Vec<(String, Prk)>,
    /// Not an argument: who could choose a nonce could choose the same one twice, and so undo
    /// the seal.
    nonces: SystemRandom,
}

/// The system gave no randomness, or the text is longer than AES-GCM takes (64 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot seal")]
pub struct CannotSeal;

/// Why a sealed text did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// Not the layout of a sealed text.
    #[error("not a sealed text")]
    Malformed,
    /// Sealed with a key that this instance was not given.
    #[error(transparent)]
    UnknownMaster(#[from] UnknownMaster),
    /// Changed, or moved from the place it was sealed for, or sealed by somebody else.
    #[error("the seal is broken")]
    Broken,
}

impl Sealer {
    pub(super) fn derive(masters: &[Master], purpose: Purpose) -> Self {
        let key = |master: &Master| {
            let prk = expand(&master.prk, purpose.label(), HKDF_SHA256);
            (master.id.clone(), prk)
        };
        Self { purpose, keys: masters.iter().map(key).collect(), nonces: SystemRandom::new() }
    }

    /// The name of the master key that seals everything new.
    #[must_use]
    pub fn current_id(&self) -> &str {
        &self.keys[0].0
    }

    /// Seals a text for a place, which is named by any number of fields: `["ab", "c"]` and
    /// `["a", "bc"]` are different places.
    ///
    /// # Errors
    /// [`CannotSeal`]
    pub fn seal(&self, place: &[&[u8]], text: &[u8]) -> Result<Vec<u8>, CannotSeal> {
        let (id, prk) = &self.keys[0];
        let mut nonce = [0; NONCE_LEN];
        self.nonces.fill(&mut nonce).map_err(|_| CannotSeal)?;

        let body = 2 + id.len() + NONCE_LEN;
        let mut sealed = Vec::with_capacity(body + text.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.push(u8::try_from(id.len()).map_err(|_| CannotSeal)?);
        sealed.extend_from_slice(id.as_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);

        let place = encode(place);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key(prk, &place)
            .seal_in_place_separate_tag(nonce, Aad::from(&place), &mut sealed[body..])
            .map_err(|_| CannotSeal)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a text that was sealed for the same place, with whichever master key it names.
    ///
    /// # Errors
    /// [`CannotOpen`]. For a cache entry every cause means the same: there is no entry.
    pub fn open(&self, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (id, nonce, ciphertext) = take_apart(sealed).ok_or(CannotOpen::Malformed)?;
        let (_, prk) = self
            .keys
            .iter()
            .find(|(known, _)| known.as_bytes() == id)
            .ok_or_else(|| UnknownMaster { id: String::from_utf8_lossy(id).into_owned() })?;

        let place = encode(place);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let length = key(prk, &place)
            .open_in_place(nonce, Aad::from(&place), &mut text)
            .map_err(|_| CannotOpen::Broken)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

fn key(prk: &Prk, place: &[u8]) -> LessSafeKey {
    let key: UnboundKey = expand(prk, place, &AES_256_GCM);
    LessSafeKey::new(key)
}

/// Every field behind its length, so that no two places have the same encoding.
fn encode(place: &[&[u8]]) -> Vec<u8> {
    let length = place.iter().map(|field| 8 + field.len()).sum();
    let mut encoded = Vec::with_capacity(length);
    for field in place {
        encoded.extend_from_slice(&(field.len() as u64).to_be_bytes());
        encoded.extend_from_slice(field);
    }
    encoded
}

/// Master id, nonce, and ciphertext with its tag.
fn take_apart(sealed: &[u8]) -> Option<(&[u8], [u8; NONCE_LEN], &[u8])> {
    let (&[version, length], rest) = sealed.split_first_chunk()?;
    let (id, rest) = rest.split_at_checked(usize::from(length))?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    let whole = version == VERSION && is_master_id(id);
    whole.then_some((id, *nonce, ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{KNOWN_MASTER, MasterKeys, generate_master_key};

    const PLACE: &[&[u8]] = &[b"region", b"credential"];

    fn master(id: &str) -> String {
        generate_master_key(id, &SystemRandom::new()).unwrap().to_string()
    }

    fn cache() -> Sealer {
        let entry = master("a");
        let keys = MasterKeys::parse([&*entry]).unwrap();
        keys.sealer(Purpose::CacheEntry)
    }

    #[test]
    fn what_is_sealed_opens_in_its_place() {
        let cache = cache();
        for text in [&b""[..], b"x", &[7; 5_000]] {
            let sealed = cache.seal(PLACE, text).unwrap();
            assert_eq!(sealed.len(), 1 + 1 + 1 + 12 + text.len() + 16);
            assert_eq!(**cache.open(PLACE, &sealed).unwrap(), *text);
        }
    }

    /// Rows sealed today must open in ten years. Computed with another HKDF and AES-GCM.
    #[test]
    fn a_known_sealed_text_opens() {
        let known = [
            0x01, 0x01, b'a', // version, length of id, id
            0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, // nonce
            0xcb, 0xa9, 0x9d, 0xd1, // ciphertext
            0xa3, 0xa4, 0x2f, 0xbe, 0xc6, 0x2a, 0x96, 0x79, // tag
            0x0c, 0xbc, 0x7a, 0x58, 0x03, 0x89, 0xf8, 0x5b,
        ];
        let keys = MasterKeys::parse([KNOWN_MASTER]).unwrap();
        let opened = keys.sealer(Purpose::SigningKey).open(PLACE, &known);
        assert_eq!(**opened.unwrap(), *b"text");
    }

    #[test]
    fn it_opens_nowhere_else() {
        let cache = cache();
        let sealed = cache.seal(PLACE, b"text").unwrap();
        let elsewhere: [&[&[u8]]; 6] = [
            &[],
            &[b"region"],
            &[b"credential", b"region"],
            &[b"regionc", b"redential"],
            &[b"region", b"credential", b""],
            &[b"regioncredential"],
        ];
        assert!(cache.open(PLACE, &sealed).is_ok());
        for place in elsewhere {
            let opened = cache.open(place, &sealed);
            assert_eq!(opened, Err(CannotOpen::Broken), "{place:?}");
        }
    }

    #[test]
    fn it_opens_for_no_other_purpose() {
        let entry = master("a");
        let keys = MasterKeys::parse([&*entry]).unwrap();
        let sealed = keys.sealer(Purpose::CacheEntry).seal(PLACE, b"x").unwrap();
        let opened = keys.sealer(Purpose::SigningKey).open(PLACE, &sealed);
        assert_eq!(opened, Err(CannotOpen::Broken));
    }

    #[test]
    fn it_opens_with_no_other_key_of_the_same_name() {
        let sealed = cache().seal(PLACE, b"x").unwrap();
        assert_eq!(cache().open(PLACE, &sealed), Err(CannotOpen::Broken));
    }

    #[test]
    fn no_bit_and_no_byte_can_be_changed() {
        let cache = cache();
        let sealed = cache.seal(PLACE, b"text").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(cache.open(PLACE, &changed).is_err(), "bit {bit} of {at}");
            }
            assert!(cache.open(PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
        let longer = [&*sealed, b"\0"].concat();
        assert!(cache.open(PLACE, &longer).is_err());
        assert_eq!(cache.open(PLACE, b""), Err(CannotOpen::Malformed));
    }

    #[test]
    fn the_same_text_never_looks_the_same_twice() {
        let cache = cache();
        let once = cache.seal(PLACE, b"text").unwrap();
        assert_ne!(once, cache.seal(PLACE, b"text").unwrap());
    }

    #[test]
    fn after_a_rotation_old_seals_open_and_new_ones_name_the_new_key() {
        let (old, new) = (master("old"), master("new"));
        let rows = |entries: &[&str]| {
            let keys = MasterKeys::parse(entries.iter().copied()).unwrap();
            keys.sealer(Purpose::SigningKey)
        };
        let before = rows(&[&old]);
        let after = rows(&[&new, &old]);
        let sealed = before.seal(PLACE, b"text").unwrap();
        assert_eq!(**after.open(PLACE, &sealed).unwrap(), *b"text");

        let resealed = after.seal(PLACE, b"text").unwrap();
        assert_eq!(resealed[2..5], *b"new");
        let missing = UnknownMaster { id: "new".to_owned() };
        assert_eq!(before.open(PLACE, &resealed), Err(missing.into()));
    }
}
