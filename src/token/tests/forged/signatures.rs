//! Forged signatures under good headers.

use ring::hmac;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};

use super::Algorithm::{ES256, EdDSA, RS256};
use super::Rejected::{BadSignature, WrongAlgorithm};
use super::*;

fn row(name: &'static str, algorithm: Algorithm, sign: fn(&mut Draft)) -> Row {
    Row(name, algorithm, BadSignature, Twist::Draft(sign))
}

#[test]
fn no_other_signature() {
    let mut rows = Vec::new();
    for algorithm in Algorithm::ALL {
        rows.extend([
            row("none", algorithm, |draft| draft.sign = |_| vec![]),
            row("64 zeros", algorithm, |draft| draft.sign = |_| vec![0; 64]),
            row("64 ones", algorithm, |draft| {
                draft.sign = |_| vec![0xFF; 64];
            }),
            row("256 zeros", algorithm, |draft| {
                draft.sign = |_| vec![0; 256];
            }),
            row("of a stranger", algorithm, |draft| {
                draft.sign = match draft.algorithm {
                    RS256 => |text| rsa(&STRANGER, &RSA_PKCS1_SHA256, text),
                    ES256 => |text| p256(&STRANGER, text),
                    EdDSA => |text| ed25519(&STRANGER, text),
                };
            }),
            row("one byte short", algorithm, |draft| {
                draft.sign = match draft.algorithm {
                    RS256 => |text| rsa(&OURS, &RSA_PKCS1_SHA256, text)[..255].to_vec(),
                    ES256 => |text| p256(&OURS, text)[..63].to_vec(),
                    EdDSA => |text| ed25519(&OURS, text)[..63].to_vec(),
                };
            }),
            row("one byte long", algorithm, |draft| {
                draft.sign = match draft.algorithm {
                    RS256 => |text| [rsa(&OURS, &RSA_PKCS1_SHA256, text), vec![0]].concat(),
                    ES256 => |text| [p256(&OURS, text), vec![0]].concat(),
                    EdDSA => |text| [ed25519(&OURS, text), vec![0]].concat(),
                };
            }),
            row("of the header alone", algorithm, |draft| {
                draft.sign = match draft.algorithm {
                    RS256 => |text| rsa(&OURS, &RSA_PKCS1_SHA256, header_of(text)),
                    ES256 => |text| p256(&OURS, header_of(text)),
                    EdDSA => |text| ed25519(&OURS, header_of(text)),
                };
            }),
            row("of another payload", algorithm, |draft| {
                draft.sign = match draft.algorithm {
                    RS256 => |text| rsa(&OURS, &RSA_PKCS1_SHA256, &text.replace('.', ".e30")),
                    ES256 => |text| p256(&OURS, &text.replace('.', ".e30")),
                    EdDSA => |text| ed25519(&OURS, &text.replace('.', ".e30")),
                };
            }),
        ]);
    }
    judge(&rows);
}

fn header_of(signed: &str) -> &str {
    signed.split('.').next().unwrap()
}

/// RFC 7518 §3.3: RS256 is PKCS#1 v1.5 with SHA-256 and nothing else.
#[test]
fn no_other_rsa_scheme() {
    judge(&[
        row("PS256 in RS256's name", RS256, |draft| {
            draft.sign = |text| rsa(&OURS, &RSA_PSS_SHA256, text);
        }),
        row("RS384 in RS256's name", RS256, |draft| {
            draft.sign = |text| rsa(&OURS, &RSA_PKCS1_SHA384, text);
        }),
        row("RS512 in RS256's name", RS256, |draft| {
            draft.sign = |text| rsa(&OURS, &RSA_PKCS1_SHA512, text);
        }),
        row("our ES256 key", RS256, |draft| {
            draft.sign = |text| p256(&OURS, text);
        }),
    ]);
}

/// RFC 8725 §2.1: a public key is no secret.
#[test]
fn no_hmac_with_a_public_key() {
    let hs256 = |name, sign| {
        let twist = Twist::Draft(sign);
        [Row(name, RS256, WrongAlgorithm, twist)]
    };
    let rows = [
        hs256("HS256 with our JWK as the secret", |draft| {
            draft.header = draft.header.replace("RS256", "HS256");
            draft.sign = |text| {
                let jwk = serde_json::to_vec(&OURS.key(RS256).public_jwk()).unwrap();
                hmac_sha256(&jwk, text)
            };
        }),
        hs256("HS256 with our whole JWKS as the secret", |draft| {
            draft.header = draft.header.replace("RS256", "HS256");
            draft.sign = |text| hmac_sha256(OURS.keyring.jwks(), text);
        }),
        hs256("HS256 with nothing as the secret", |draft| {
            draft.header = draft.header.replace("RS256", "HS256");
            draft.sign = |text| hmac_sha256(b"", text);
        }),
    ];
    judge(rows.as_flattened());
    judge(&[row("the same in RS256's name", RS256, |draft| {
        draft.sign = |text| hmac_sha256(OURS.keyring.jwks(), text);
    })]);
}

fn hmac_sha256(secret: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// RFC 7518 §3.4: two integers of 32 bytes, neither zero, and no ASN.1.
#[test]
fn no_other_shape_of_es256() {
    judge(&[
        row("r = 0", ES256, |draft| {
            draft.sign = |text| [vec![0; 32], p256(&OURS, text)[32..].to_vec()].concat();
        }),
        row("s = 0", ES256, |draft| {
            draft.sign = |text| [p256(&OURS, text)[..32].to_vec(), vec![0; 32]].concat();
        }),
        row("r and s exchanged", ES256, |draft| {
            draft.sign = |text| {
                let mut signature = p256(&OURS, text);
                signature.rotate_left(32);
                signature
            };
        }),
        row("ASN.1", ES256, |draft| {
            draft.sign = |text| {
                let (rng, der) = (SystemRandom::new(), OURS.der(ES256));
                let asn1 = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(asn1, der, &rng).unwrap();
                pair.sign(&rng, text.as_bytes()).unwrap().as_ref().to_vec()
            };
        }),
    ]);
}

/// RFC 8032 §5.1.7: S is below the order of the group, so that nobody can make a second
/// signature out of one.
#[test]
fn no_second_ed25519_signature_from_one() {
    judge(&[row("S + L", EdDSA, |draft| {
        draft.sign = |text| {
            // L = 2^252 + 27742317777372353535851937790883648493, little-endian.
            const L: [u8; 32] = [
                0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
                0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
            ];
            let mut signature = ed25519(&OURS, text);
            let mut carry = 0;
            for (byte, order) in signature[32..].iter_mut().zip(L) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                *byte = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
            signature
        };
    })]);
}
