//! Nonces that nobody has to remember: the time, under a key that every instance of every region has.
//!
//! One says that whoever shows it has heard from us a short while ago, and nothing else; it is the same for everybody. It is
//! good in the slot of time in which it was made, and in the next one; a slot more at either end is for clocks that differ.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{self, HMAC_SHA256};

use super::master::{Master, expand};

const LABEL: &[u8] = b"nonces of proofs";
/// How long a slot is, seconds: a nonce is good for one to two of them.
pub const SLOT_SECONDS: i64 = 120;
/// The time, and half of an HMAC-SHA-256.
const TIME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// The keys of all master keys, the current one first.
pub struct Nonces(Vec<hmac::Key>);

/// How old a nonce is that is still good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// It is the one that is given out now.
    Current,
    /// There is a newer one.
    Earlier,
}

impl Nonces {
    pub(super) fn derive(masters: &[Master]) -> Self {
        Self(masters.iter().map(|master| expand(&master.prk, LABEL, HMAC_SHA256)).collect())
    }

    /// The one to give out at this time.
    ///
    /// # Panics
    /// Never: a list of master keys is never empty.
    #[must_use]
    pub fn at(&self, now_unix: i64) -> String {
        let current = self.0.first().expect("a list of master keys is never empty");
        made(current, now_unix.div_euclid(SLOT_SECONDS))
    }

    /// How old a nonce is; nothing when it is none of ours, or too old.
    #[must_use]
    pub fn age(&self, nonce: &str, now_unix: i64) -> Option<Age> {
        let bytes =
            URL_SAFE_NO_PAD.decode(nonce).ok().filter(|bytes| bytes.len() == TIME_BYTES + TAG_BYTES)?;
        let (time, tag) = bytes.split_first_chunk::<TIME_BYTES>()?;
        let (slot, now) = (i64::from_be_bytes(*time), now_unix.div_euclid(SLOT_SECONDS));
        if !(now - 1..=now + 1).contains(&slot) {
            return None;
        }
        let ours = self.0.iter().any(|key| {
            // Of tags that are cut in half the library compares none; this one does not tell where two differ.
            let whole = hmac::sign(key, time);
            let differing = whole.as_ref()[..TAG_BYTES].iter().zip(tag).fold(0, |sum, (a, b)| sum | (a ^ b));
            differing == 0
        });
        ours.then_some(if slot < now { Age::Earlier } else { Age::Current })
    }
}

fn made(key: &hmac::Key, slot: i64) -> String {
    let time = slot.to_be_bytes();
    let tag = hmac::sign(key, &time);
    URL_SAFE_NO_PAD.encode([&time[..], &tag.as_ref()[..TAG_BYTES]].concat())
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(…)")
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::seal::{MasterKeys, generate_master_key};

    const NOW: i64 = 1_800_000_000;

    fn master(id: &str) -> String {
        generate_master_key(id, &SystemRandom::new()).unwrap().to_string()
    }

    fn nonces(masters: &[&str]) -> Nonces {
        MasterKeys::parse(masters.iter().copied()).unwrap().nonces()
    }

    #[test]
    fn rfc_9449_section_8_a_nonce_is_good_for_a_while_at_every_instance_and_then_no_more() {
        let (a, b) = (master("a"), master("b"));
        let (here, there) = (nonces(&[&a]), nonces(&[&a]));
        let nonce = here.at(NOW);
        let age = |later: i64| there.age(&nonce, NOW + later);
        assert_eq!(age(0), Some(Age::Current));
        assert_eq!(age(-SLOT_SECONDS), Some(Age::Current), "a clock that is behind");
        assert_eq!(age(SLOT_SECONDS), Some(Age::Earlier));
        assert_eq!((age(2 * SLOT_SECONDS), age(-2 * SLOT_SECONDS)), (None, None));
        assert_ne!(there.at(NOW + SLOT_SECONDS), nonce);
        // Whatever order the master keys are in while they are rotated.
        assert_eq!(nonces(&[&b, &a]).age(&nonce, NOW), Some(Age::Current));
        assert_eq!(nonces(&[&b]).age(&nonce, NOW), None);
    }

    #[test]
    fn nobody_else_makes_one() {
        let nonces = nonces(&[&master("a")]);
        let good = URL_SAFE_NO_PAD.decode(nonces.at(NOW)).unwrap();
        for n in 0..good.len() {
            let mut other = good.clone();
            other[n] ^= 1;
            assert_eq!(nonces.age(&URL_SAFE_NO_PAD.encode(other), NOW), None, "{n}");
        }
        for text in ["", "nonce", &URL_SAFE_NO_PAD.encode(&good[..23]), &format!("{}=", nonces.at(NOW))] {
            assert_eq!(nonces.age(text, NOW), None, "{text}");
        }
    }
}
