//! Client secrets as the database keeps them: HMAC-SHA-256 under a key it does not have.
//!
//! A slow password hash would buy nothing here: a secret holds 256 random bits, so nobody guesses
//! it, and an attacker with the rows alone lacks the pepper. Two microseconds instead of 234 ms.

use std::fmt;
use std::hint::black_box;

use ring::hmac::{self, HMAC_SHA256};

use super::master::{Master, UnknownMaster, expand};
use crate::domain::secret::Secret;

const LABEL: &[u8] = b"pepper of client secrets";

/// The HMAC keys of all master keys, prepared once.
pub struct Pepper {
    current: Key,
    earlier: Vec<Key>,
}

struct Key {
    id: String,
    hmac: hmac::Key,
}

impl Pepper {
    pub(super) fn derive(masters: &[Master]) -> Self {
        let mut keys = masters
            .iter()
            .map(|master| Key { id: master.id.clone(), hmac: expand(&master.prk, LABEL, HMAC_SHA256) });
        Self { current: keys.next().expect("a list of master keys is never empty"), earlier: keys.collect() }
    }

    /// What to store for a new secret: the id of the pepper that was used, and the hash.
    #[must_use]
    pub fn hash(&self, secret: &Secret) -> (&str, [u8; 32]) {
        let tag = hmac::sign(&self.current.hmac, secret.expose().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        (&self.current.id, hash)
    }

    /// The id of the pepper that hashes everything new.
    #[must_use]
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// Whether the presented secret is the one that was stored, in constant time.
    ///
    /// # Errors
    /// [`UnknownMaster`] when the stored hash cannot be judged here. Answer it as an outage: the
    /// secret may well be right.
    pub fn verify(&self, pepper_id: &str, stored: &[u8], presented: &Secret) -> Result<bool, UnknownMaster> {
        let key = std::iter::once(&self.current)
            .chain(&self.earlier)
            .find(|key| key.id == pepper_id)
            .ok_or_else(|| UnknownMaster { id: pepper_id.to_owned() })?;
        Ok(hmac::verify(&key.hmac, presented.expose().as_bytes(), stored).is_ok())
    }

    /// Does the work of [`Pepper::verify`] for a client that does not exist, so that the time of
    /// the answer does not tell unknown clients from wrong secrets.
    pub fn verify_nothing(&self, presented: &Secret) {
        let stored = black_box([0; 32]);
        let verdict = hmac::verify(&self.current.hmac, presented.expose().as_bytes(), &stored);
        let _ = black_box(verdict.is_ok());
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper").field("current", &self.current.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::domain::ids::PublicId;
    use crate::domain::secret::SecretKind;
    use crate::seal::{KNOWN_MASTER, MasterKeys, generate_master_key};

    fn secret() -> Secret {
        let rng = SystemRandom::new();
        let id = PublicId::generate(&rng).unwrap();
        Secret::generate(SecretKind::Client, id, &rng).unwrap()
    }

    fn master(id: &str) -> String {
        generate_master_key(id, &SystemRandom::new()).unwrap().to_string()
    }

    #[test]
    fn only_the_stored_secret_is_right() {
        let entry = master("a");
        let pepper = MasterKeys::parse([&*entry]).unwrap().pepper();
        let (right, wrong) = (secret(), secret());
        let (id, hash) = pepper.hash(&right);
        assert_eq!(id, "a");
        assert_eq!(pepper.verify(id, &hash, &right), Ok(true));
        assert_eq!(pepper.verify(id, &hash, &wrong), Ok(false));
        assert_eq!(pepper.verify(id, &hash[..31], &right), Ok(false));
        assert_eq!(pepper.verify(id, &[], &right), Ok(false));
        assert_eq!(pepper.verify(id, &[0; 32], &right), Ok(false));
    }

    /// What is stored today must be right in ten years. Computed with another HKDF and HMAC.
    #[test]
    fn a_known_secret_has_its_known_hash() {
        let pepper = MasterKeys::parse([KNOWN_MASTER]).unwrap().pepper();
        let known = "carnet_client_0123456789ABCDef_\
                     abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ1BSvhI";
        let stored = [
            0x77, 0xf1, 0xda, 0xf0, 0x61, 0xff, 0xac, 0x8d, 0x99, 0xa7, 0x6f, 0xce, 0xba, 0x0a, 0xa2, 0x28,
            0xe6, 0x72, 0xce, 0xaf, 0x65, 0x62, 0xc3, 0x6c, 0x53, 0x4b, 0x9e, 0xd2, 0x17, 0xde, 0x35, 0x36,
        ];
        assert_eq!(pepper.hash(&Secret::parse(known).unwrap()), ("a", stored));
    }

    #[test]
    fn another_installation_makes_another_hash() {
        let (here, there) = (master("a"), master("a"));
        let here = MasterKeys::parse([&*here]).unwrap().pepper();
        let there = MasterKeys::parse([&*there]).unwrap().pepper();
        let secret = secret();
        assert_ne!(here.hash(&secret).1, there.hash(&secret).1);
    }

    #[test]
    fn after_a_rotation_old_hashes_hold_and_new_ones_are_new() {
        let (old, new) = (master("old"), master("new"));
        let secret = secret();
        let before = MasterKeys::parse([&*old]).unwrap().pepper();
        let (_, stored) = before.hash(&secret);
        let after = MasterKeys::parse([&*new, &*old]).unwrap().pepper();
        assert_eq!(after.verify("old", &stored, &secret), Ok(true));
        assert_eq!(after.verify("new", &stored, &secret), Ok(false));
        assert_eq!(after.hash(&secret).0, "new");
    }

    #[test]
    fn a_missing_pepper_is_not_a_wrong_secret() {
        let (entry, secret) = (master("a"), secret());
        let pepper = MasterKeys::parse([&*entry]).unwrap().pepper();
        let (_, hash) = pepper.hash(&secret);
        let missing = UnknownMaster { id: "b".to_owned() };
        assert_eq!(pepper.verify("b", &hash, &secret), Err(missing));
    }

    #[test]
    fn debug_shows_the_id_only() {
        let entry = master("a");
        let pepper = MasterKeys::parse([&*entry]).unwrap().pepper();
        assert_eq!(format!("{pepper:?}"), "Pepper { current: \"a\", .. }");
    }
}
