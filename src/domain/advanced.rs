//! How an advanced key is presented: its number, a nonce, a time, and a hash of the secret with the two. Whoever sees one request
//! can send no other, and this one not again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use ring::digest::{Context, SHA256};
use subtle::ConstantTimeEq;

/// Characters of a nonce.
const NONCE: usize = 64;
/// How far its time may be from ours, before and after.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(300);

/// What a request says.
#[derive(Clone, PartialEq, Eq)]
pub struct AdvancedProof {
    nonce: String,
    /// As it was sent: that is what is hashed.
    timestamp: String,
    at: Timestamp,
    hash: [u8; 32],
}

impl AdvancedProof {
    /// Reads the three headers: 64 letters and digits, milliseconds since 1970, and SHA-256 in lower-case hex.
    #[must_use]
    pub fn read(nonce: &str, timestamp: &str, hash: &str) -> Option<Self> {
        let good_nonce = nonce.len() == NONCE && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Seconds, which some would send, are a moment in 1970.
        let digits =
            (1..=16).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        if !good_nonce || !digits {
            return None;
        }
        let at = Timestamp::from_millisecond(timestamp.parse().ok()?).ok()?;
        Some(Self { nonce: nonce.to_owned(), timestamp: timestamp.to_owned(), at, hash: hex_32(hash)? })
    }

    /// What is good once.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// When it is over, and its nonce needs to be remembered no longer.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.at.checked_add(WINDOW).unwrap_or(Timestamp::MAX)
    }

    /// Whether its time is near enough to now.
    #[must_use]
    pub fn is_timely(&self, now: Timestamp) -> bool {
        self.at.duration_since(now).abs() <= WINDOW && self.ends_at() > now
    }

    /// Whether it was made with this secret; compared in constant time.
    #[must_use]
    pub fn is_of(&self, secret: &[u8]) -> bool {
        let mut context = Context::new(&SHA256);
        for part in [secret, self.nonce.as_bytes(), self.timestamp.as_bytes()] {
            context.update(part);
        }
        context.finish().as_ref().ct_eq(&self.hash).into()
    }
}

impl fmt::Debug for AdvancedProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdvancedProof").field("at", &self.at).finish_non_exhaustive()
    }
}

fn hex_32(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab";
    const AT: &str = "1700000000000";

    fn hash_of(secret: &str, nonce: &str, at: &str) -> String {
        let digest = ring::digest::digest(&SHA256, format!("{secret}{nonce}{at}").as_bytes());
        digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }

    #[test]
    fn a_proof_is_of_one_secret_nonce_and_time() {
        let hash = hash_of("secret", NONCE, AT);
        let proof = AdvancedProof::read(NONCE, AT, &hash).expect("a proof");
        assert!(proof.is_of(b"secret") && !proof.is_of(b"Secret") && !proof.is_of(b""));
        let later = AdvancedProof::read(NONCE, "1700000000001", &hash).expect("a proof");
        assert!(!later.is_of(b"secret"));
        let other = AdvancedProof::read(&NONCE.replace('a', "z"), AT, &hash).expect("a proof");
        assert!(!other.is_of(b"secret"));
        assert!(!format!("{proof:?}").contains(&NONCE[..8]));
    }

    #[test]
    fn its_time_is_five_minutes_either_way() {
        let hash = hash_of("secret", NONCE, AT);
        let proof = AdvancedProof::read(NONCE, AT, &hash).expect("a proof");
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).expect("a moment");
        assert!(proof.is_timely(at(0)) && proof.is_timely(at(299)) && proof.is_timely(at(-300)));
        for off in [300, 301, -301, 86_400] {
            assert!(!proof.is_timely(at(off)), "{off}");
        }
        assert_eq!(proof.ends_at(), at(300));
    }

    #[test]
    fn what_is_not_quite_a_proof_is_none() {
        let hash = hash_of("secret", NONCE, AT);
        let read = AdvancedProof::read;
        assert!(read(NONCE, AT, &hash).is_some());
        for nonce in
            ["", &NONCE[1..], &format!("{NONCE}x"), &NONCE.replace('a', "-"), &NONCE.replace("ab", "é")]
        {
            assert!(read(nonce, AT, &hash).is_none(), "{nonce}");
        }
        for time in
            ["", "-1", "+1700000000000", "1700000000000.0", "17000000000000000", "now", " 1700000000000"]
        {
            assert!(read(NONCE, time, &hash).is_none(), "{time}");
        }
        for hash in
            ["", &hash[1..], &hash.to_uppercase(), &format!("{hash}00"), &hash.replace(&hash[..1], "g")]
        {
            assert!(read(NONCE, AT, hash).is_none(), "{hash}");
        }
    }
}
