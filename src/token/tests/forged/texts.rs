//! Other spellings and other shapes of a good token (RFC 7515 §7.1, RFC 4648 §3.5 and §5).

use super::Algorithm::EdDSA;
use super::Rejected::{BadSignature, Header, NotBase64Url, NotThreeParts, TooLong, WrongAlgorithm};
use super::*;
use crate::token::MAX_TOKEN_BYTES;

fn row(name: &'static str, expected: Rejected, twist: fn(String) -> String) -> Row {
    Row(name, EdDSA, expected, Twist::Text(twist))
}

/// The three parts, to be changed and put together again.
fn parts(token: &str, change: impl FnOnce(&mut [String; 3])) -> String {
    let mut parts = token.split('.').map(str::to_owned);
    let mut parts = [(); 3].map(|()| parts.next().unwrap());
    change(&mut parts);
    parts.join(".")
}

/// The next character of the alphabet at the end: the same bytes, if spare bits were ignored.
fn spare_bit(part: &mut String) {
    let last = part.pop().unwrap();
    let next = u8::try_from(last).unwrap() + 1;
    part.push(char::from(next));
}

#[test]
fn no_other_spelling() {
    judge(&[
        row("padded header", NotBase64Url, |token| parts(&token, |p| p[0] += "=")),
        row("padded signature", NotBase64Url, |token| parts(&token, |p| p[2] += "==")),
        row("spare bits in the signature", NotBase64Url, |token| parts(&token, |p| spare_bit(&mut p[2]))),
        row("line end behind", NotBase64Url, |token| token + "\n"),
        row("space behind", NotBase64Url, |token| token + " "),
        row("space in front", NotBase64Url, |token| format!(" {token}")),
        row("line break inside", NotBase64Url, |token| parts(&token, |p| p[2].insert(40, '\n'))),
        row("NUL inside", NotBase64Url, |token| parts(&token, |p| p[2].insert(40, '\0'))),
        row("its scheme in front", NotBase64Url, |token| format!("Bearer {token}")),
        row("in quotes", NotBase64Url, |token| format!("\"{token}\"")),
        row("percent-encoded", NotBase64Url, |token| parts(&token, |p| p[2].push_str("%3D"))),
        row("not ASCII", NotBase64Url, |token| parts(&token, |p| p[0].push('é'))),
        row("one character short", NotBase64Url, |token| token[..token.len() - 1].to_owned()),
        row("three characters long", NotBase64Url, |token| token + "AAA"),
        row("plus, of the other alphabet", NotBase64Url, |token| {
            parts(&token, |p| p[2].replace_range(10..11, "+"))
        }),
        row("slash, of the other alphabet", NotBase64Url, |token| {
            parts(&token, |p| p[2].replace_range(10..11, "/"))
        }),
    ]);
}

/// Payloads of one length in three have spare bits or room for padding; these have both.
#[test]
fn no_other_spelling_of_a_signed_payload() {
    let with_payload = |encode: fn(&str) -> String| {
        let draft = Draft::good(EdDSA);
        let mut payload = draft.payload;
        while payload.len() % 3 != 1 {
            payload.push(' ');
        }
        let signed = format!("{}.{}", base64(&draft.header), encode(&payload));
        let signature = base64((draft.sign)(&signed));
        let token = format!("{signed}.{signature}");
        AcceptedTokens::new().accept(&token, &OURS.keyring, NOW, ISSUER).map(drop)
    };
    assert_eq!(with_payload(|text| base64(text)), Ok(()));
    assert_eq!(with_payload(|text| base64(text) + "=="), Err(NotBase64Url));
    let spare = with_payload(|text| {
        let mut encoded = base64(text);
        spare_bit(&mut encoded);
        encoded
    });
    assert_eq!(spare, Err(NotBase64Url));
}

#[test]
fn no_other_number_of_parts() {
    judge(&[
        row("nothing", NotThreeParts, |_| String::new()),
        row("no dot", NotThreeParts, |token| token.replace('.', "")),
        row("one part", NotThreeParts, |token| token.split('.').next().unwrap().to_owned()),
        row("two parts", NotThreeParts, |token| token.rsplit_once('.').unwrap().0.to_owned()),
        row("a dot behind", NotThreeParts, |token| token + "."),
        row("a dot in front", NotThreeParts, |token| format!(".{token}")),
        row("a doubled dot", NotThreeParts, |token| token.replacen('.', "..", 1)),
        row("a fourth part", NotThreeParts, |token| token + ".e30"),
        row("five parts, as a JWE", NotThreeParts, |token| token + ".e30.e30"),
        row("twice", NotThreeParts, |token| format!("{token}.{token}")),
        row("JSON serialization", NotThreeParts, |token| parts(&token, |_| ()).replace('.', "\",\"")),
        row("two dots and nothing", Header, |_| "..".to_owned()),
        row("empty header", Header, |token| parts(&token, |p| p[0].clear())),
        row("empty payload", BadSignature, |token| parts(&token, |p| p[1].clear())),
        row("empty signature", BadSignature, |token| parts(&token, |p| p[2].clear())),
        row("parts exchanged", Header, |token| parts(&token, |p| p.swap(0, 1))),
        row("alg none and no signature", WrongAlgorithm, |_| {
            let draft = Draft::good(EdDSA);
            let header = draft.header.replace("EdDSA", "none");
            format!("{}.{}.", base64(header), base64(draft.payload))
        }),
        row("one byte longer than what is read", TooLong, |token| {
            let missing = MAX_TOKEN_BYTES + 1 - token.len();
            token + &"A".repeat(missing)
        }),
        Row(
            "a megabyte, well signed",
            EdDSA,
            TooLong,
            Twist::Draft(|draft| {
                draft.payload += &" ".repeat(1_000_000);
            }),
        ),
    ]);
}

#[test]
fn no_changed_character_anywhere() {
    let token = Draft::good(EdDSA).compact();
    let accept = |token: &str| {
        let tokens = AcceptedTokens::new();
        tokens.accept(token, &OURS.keyring, NOW, ISSUER).map(drop)
    };
    assert_eq!(accept(&token), Ok(()));
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert!(accept(&changed).is_err(), "character {at} of {token}");
    }
}
