//! A public key that verifies signatures, in the form that nothing is left to parse of: read once, with what it came in.
//!
//! Which algorithms go with it is a matter of its kind, and never of what a signature says of itself (RFC 8725 §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "PublicMembers", try_from = "PublicMembers")]
pub enum PublicKey {
    /// RSA, 2048 to 8192 bits.
    Rsa {
        /// The modulus, big-endian without leading zeros.
        n: Vec<u8>,
        /// The exponent, likewise.
        e: Vec<u8>,
    },
    /// On P-256: the uncompressed point, `04 ‖ x ‖ y`.
    P256([u8; 65]),
    /// The same on P-384.
    P384([u8; 97]),
    /// Ed25519.
    Ed25519([u8; 32]),
}

/// The members of its JWK, as base64url (RFC 7518 §6, RFC 8037 §2). There is none for anything private.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum PublicMembers {
    /// RFC 7518 §6.3.1.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// RFC 7518 §6.2.1.
    #[serde(rename = "EC")]
    Ec {
        /// The curve.
        crv: String,
        /// The x coordinate.
        x: String,
        /// The y coordinate.
        y: String,
    },
    /// RFC 8037 §2.
    #[serde(rename = "OKP")]
    Okp {
        /// The curve.
        crv: String,
        /// The key.
        x: String,
    },
}

/// Why members make no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPublicKey {
    /// Not base64url without padding, or not of the length that it has.
    #[error("{0} is not base64url without padding of the right length")]
    Member(&'static str),
    /// A number that begins with a zero is another spelling of the same number.
    #[error("{0} begins with a zero byte")]
    LeadingZero(&'static str),
    /// None of P-256, P-384 and Ed25519.
    #[error("crv must be P-256 or P-384 for EC and Ed25519 for OKP")]
    Curve,
    /// Too easy to factor, or too dear to verify.
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    /// Even, or beyond what verifiers take.
    #[error("the RSA exponent must be odd, at least 3 and at most 33 bits long")]
    RsaExponent,
}

impl PublicKey {
    /// The members of its JWK.
    #[must_use]
    pub fn members(&self) -> PublicMembers {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = |crv: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            PublicMembers::Ec { crv: crv.into(), x: base64(x), y: base64(y) }
        };
        match self {
            Self::Rsa { n, e } => PublicMembers::Rsa { n: base64(n), e: base64(e) },
            Self::P256(point) => ec("P-256", point),
            Self::P384(point) => ec("P-384", point),
            Self::Ed25519(key) => PublicMembers::Okp { crv: "Ed25519".into(), x: base64(key) },
        }
    }
}

impl From<PublicKey> for PublicMembers {
    fn from(key: PublicKey) -> Self {
        key.members()
    }
}

impl TryFrom<PublicMembers> for PublicKey {
    type Error = NoPublicKey;

    fn try_from(members: PublicMembers) -> Result<Self, NoPublicKey> {
        match members {
            PublicMembers::Rsa { n, e } => {
                let (n, e) = (number("n", &n)?, number("e", &e)?);
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                let odd = e.last().is_some_and(|byte| byte % 2 == 1);
                if !(2_048..=8_192).contains(&bits) {
                    return Err(NoPublicKey::RsaSize);
                }
                if !odd || e == [1] || e.len() > 5 || e.len() == 5 && e[0] > 1 {
                    return Err(NoPublicKey::RsaExponent);
                }
                Ok(Self::Rsa { n, e })
            }
            PublicMembers::Ec { crv, x, y } if crv == "P-256" => Ok(Self::P256(point::<65, 32>(&x, &y)?)),
            PublicMembers::Ec { crv, x, y } if crv == "P-384" => Ok(Self::P384(point::<97, 48>(&x, &y)?)),
            PublicMembers::Okp { crv, x } if crv == "Ed25519" => Ok(Self::Ed25519(exactly("x", &x)?)),
            PublicMembers::Ec { .. } | PublicMembers::Okp { .. } => Err(NoPublicKey::Curve),
        }
    }
}

fn number(name: &'static str, text: &str) -> Result<Vec<u8>, NoPublicKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoPublicKey::Member(name))?;
    match bytes.first() {
        None => Err(NoPublicKey::Member(name)),
        Some(0) => Err(NoPublicKey::LeadingZero(name)),
        Some(_) => Ok(bytes),
    }
}

fn exactly<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], NoPublicKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(NoPublicKey::Member(name))
}

/// SEC 1 §2.3.3, without compression.
fn point<const LENGTH: usize, const HALF: usize>(x: &str, y: &str) -> Result<[u8; LENGTH], NoPublicKey> {
    let mut point = [4; LENGTH];
    point[1..=HALF].copy_from_slice(&exactly::<HALF>("x", x)?);
    point[HALF + 1..].copy_from_slice(&exactly::<HALF>("y", y)?);
    Ok(point)
}

impl PublicMembers {
    /// RFC 7638 §3: SHA-256 over the required members, sorted by name, without white space.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(n: &[u8], e: &[u8]) -> Result<PublicKey, NoPublicKey> {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        PublicMembers::Rsa { n: base64(n), e: base64(e) }.try_into()
    }

    /// RFC 7638 §3.1
    #[test]
    fn the_thumbprint_is_the_one_of_the_rfc() {
        let members = PublicMembers::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc\
                _BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ\
                R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF\
                TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
                .to_owned(),
            e: "AQAB".to_owned(),
        };
        assert_eq!(members.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let key = PublicKey::try_from(members.clone()).expect("a key");
        assert_eq!(key.members(), members);
    }

    #[test]
    fn a_point_is_read_as_it_was_written() {
        let [x, y] = [1, 2].map(|byte| URL_SAFE_NO_PAD.encode([byte; 48]));
        let members = PublicMembers::Ec { crv: "P-384".into(), x, y };
        let key = PublicKey::try_from(members.clone()).expect("a key");
        assert!(matches!(&key, PublicKey::P384(point) if point[0] == 4 && point[48] == 1 && point[49] == 2));
        assert_eq!(key.members(), members);
    }

    #[test]
    fn rfc_7518_section_6_3_1_an_rsa_key_is_neither_small_nor_spelt_twice() {
        let mut n = vec![0xff; 256];
        assert!(rsa(&n, &[1, 0, 1]).is_ok() && rsa(&n, &[3]).is_ok());
        for e in [&[2][..], &[1], &[4, 0], &[3, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
            assert_eq!(rsa(&n, e), Err(NoPublicKey::RsaExponent), "{e:?}");
        }
        assert_eq!(rsa(&n, &[0, 3]), Err(NoPublicKey::LeadingZero("e")));
        assert_eq!(rsa(&n, &[]), Err(NoPublicKey::Member("e")));
        n[0] = 0x7f;
        assert_eq!(rsa(&n, &[3]), Err(NoPublicKey::RsaSize));
        assert_eq!(rsa(&[0xff; 1025], &[3]), Err(NoPublicKey::RsaSize));
        n[0] = 0;
        assert_eq!(rsa(&n, &[3]), Err(NoPublicKey::LeadingZero("n")));
    }

    #[test]
    fn other_curves_and_lengths_are_no_keys() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let ec = |crv: &str, x: &str, y: &str| {
            PublicKey::try_from(PublicMembers::Ec { crv: crv.into(), x: x.into(), y: y.into() })
        };
        assert!(ec("P-256", &x, &x).is_ok());
        assert_eq!(ec("P-384", &x, &x), Err(NoPublicKey::Member("x")));
        let longer = URL_SAFE_NO_PAD.encode([1; 48]);
        assert!(ec("P-384", &longer, &longer).is_ok());
        assert_eq!(ec("P-256", &longer, &longer), Err(NoPublicKey::Member("x")));
        assert_eq!(ec("P-521", &longer, &longer), Err(NoPublicKey::Curve));
        assert_eq!(ec("P-256", &format!("{x}="), &x), Err(NoPublicKey::Member("x")));
        assert_eq!(ec("P-256", &x, &x[1..]), Err(NoPublicKey::Member("y")));
        let okp = PublicMembers::Okp { crv: "X25519".into(), x };
        assert_eq!(PublicKey::try_from(okp), Err(NoPublicKey::Curve));
    }
}
