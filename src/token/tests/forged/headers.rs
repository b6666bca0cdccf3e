//! Forged headers, each signed with the right key.

use super::Algorithm::{ES256, EdDSA, RS256};
use super::Rejected::{BadSignature, Header, UnknownKey, WrongAlgorithm, WrongType};
use super::*;

/// RFC 8725 §3.1 and §3.2: the key decides the algorithm.
#[test]
fn no_other_algorithm() {
    let alg = |name, to| Row(name, RS256, WrongAlgorithm, Twist::Header(r#""RS256""#, to));
    judge(&[
        alg("alg none", r#""none""#),
        alg("alg NONE", r#""NONE""#),
        alg("alg empty", r#""""#),
        alg("alg in lower case", r#""rs256""#),
        alg("alg with a space", r#""RS256 ""#),
        alg("alg with a NUL", r#""RS256\u0000""#),
        alg("alg HS256", r#""HS256""#),
        alg("alg RS384", r#""RS384""#),
        alg("alg PS256", r#""PS256""#),
        alg("alg of our other key", r#""ES256""#),
        Row("ES256 key as RS256", ES256, WrongAlgorithm, Twist::Header("ES256", "RS256")),
        Row("ES256 key as EdDSA", ES256, WrongAlgorithm, Twist::Header("ES256", "EdDSA")),
        Row("EdDSA key as ES256", EdDSA, WrongAlgorithm, Twist::Header("EdDSA", "ES256")),
        Row("EdDSA under its newer name", EdDSA, WrongAlgorithm, Twist::Header("EdDSA", "Ed25519")),
        Row(
            "alg and kid of our other key",
            RS256,
            BadSignature,
            Twist::Draft(|draft| {
                draft.header = Draft::good(ES256).header;
            }),
        ),
        Row(
            "kid of our other key",
            RS256,
            WrongAlgorithm,
            Twist::Draft(|draft| {
                draft.header = Draft::good(ES256).header.replace("ES256", "RS256");
            }),
        ),
    ]);
}

/// RFC 7515 §4: only what is understood, and each once.
#[test]
fn no_other_member_and_none_twice() {
    let add = |name, to| Row(name, RS256, Header, Twist::Header("}", to));
    let first = |name, to| Row(name, RS256, Header, Twist::Header("{", to));
    judge(&[
        add("crit with nothing", r#","crit":[]}"#),
        add("crit with exp", r#","crit":["exp"]}"#),
        add("crit with b64", r#","crit":["b64"],"b64":true}"#),
        add("b64", r#","b64":false}"#),
        add("zip", r#","zip":"DEF"}"#),
        add("cty", r#","cty":"JWT"}"#),
        add("jku", r#","jku":"https://evil.example/jwks.json"}"#),
        add("x5u", r#","x5u":"https://evil.example/cert.pem"}"#),
        add("x5c", r#","x5c":["MIIB"]}"#),
        add("x5t", r#","x5t":"AAAA"}"#),
        add("jwk null", r#","jwk":null}"#),
        add("an unknown member", r#","foo":1}"#),
        add("an empty member name", r#","":1}"#),
        add("an upper-case member", r#","ALG":"none"}"#),
        add("alg twice, the same", r#","alg":"RS256"}"#),
        add("alg twice, then none", r#","alg":"none"}"#),
        first("alg twice, none first", r#"{"alg":"none","#),
        first("alg twice, once escaped", r#"{"\u0061lg":"none","#),
        first("kid twice", r#"{"kid":"x","#),
        first("typ twice", r#"{"typ":"JWT","#),
        Row(
            "jwk of the stranger who signed",
            RS256,
            Header,
            Twist::Draft(|draft| {
                let jwk = serde_json::to_string(&STRANGER.key(RS256).public_jwk()).unwrap();
                draft.header = draft.header.replace('}', &format!(r#","jwk":{jwk}}}"#));
                draft.sign = |text| rsa(&STRANGER, &RSA_PKCS1_SHA256, text);
            }),
        ),
    ]);
}

#[test]
fn no_member_missing_or_of_another_kind() {
    let swap = |name, from, to| Row(name, RS256, Header, Twist::Header(from, to));
    let whole = |name, twist| Row(name, RS256, Header, Twist::Draft(twist));
    judge(&[
        swap("no typ", r#""typ":"at+jwt","#, ""),
        swap("no alg", r#""alg":"RS256","#, ""),
        swap("no kid", r#","kid":""#, "}"),
        swap("typ null", r#""at+jwt""#, "null"),
        swap("alg null", r#""RS256""#, "null"),
        swap("alg a number", r#""RS256""#, "256"),
        swap("alg an array", r#""RS256""#, r#"["RS256"]"#),
        swap("kid a number", r#""kid":""#, r#""kid":1,"_":""#),
        swap("white space in front", "{", " {"),
        swap("a byte order mark in front", "{", "\u{feff}{"),
        swap("a comma too many", "}", ",}"),
        swap("something behind", "}", "}{}"),
        swap("a NUL behind", "}", "}\0"),
        swap("a comment", "{", "{/**/"),
        swap("not closed", "}", ""),
        whole("nothing", |draft| draft.header.clear()),
        whole("null", |draft| draft.header = "null".to_owned()),
        whole("a string", |draft| {
            draft.header = format!("{:?}", draft.header);
        }),
        whole("an array in place of the object", |draft| {
            let kid = OURS.key(RS256).kid();
            draft.header = format!(r#"["at+jwt","RS256","{kid}"]"#);
        }),
        whole("an array around the object", |draft| {
            draft.header = format!("[{}]", draft.header);
        }),
        whole("10,000 brackets", |draft| draft.header = "[".repeat(10_000)),
    ]);
}

/// RFC 9068 §4: another kind of JWT, signed by the same issuer, is no access token.
#[test]
fn no_other_type() {
    let typ = |name, to| Row(name, RS256, WrongType, Twist::Header(r#""at+jwt""#, to));
    judge(&[
        typ("JWT", r#""JWT""#),
        typ("empty", r#""""#),
        typ("application/jwt", r#""application/jwt""#),
        typ("a status list", r#""statuslist+jwt""#),
        typ("a logout token", r#""logout+jwt""#),
        typ("a DPoP proof", r#""dpop+jwt""#),
        typ("with a NUL", r#""at+jwt\u0000""#),
        typ("with a parameter", r#""at+jwt;v=1""#),
    ]);
}

/// RFC 7515 §4.1.4
#[test]
fn no_other_key() {
    let kid = |name, to| Row(name, RS256, UnknownKey, Twist::Header(r#""kid":""#, to));
    judge(&[
        kid("a character in front", r#""kid":"x"#),
        kid("a path", r#""kid":"../../dev/null"#),
        kid("SQL", r#""kid":"x' UNION SELECT 'key"#),
        Row(
            "empty",
            RS256,
            UnknownKey,
            Twist::Draft(|draft| {
                draft.header = draft.header.replace(OURS.key(RS256).kid(), "");
            }),
        ),
        Row(
            "in lower case",
            RS256,
            UnknownKey,
            Twist::Draft(|draft| {
                let kid = OURS.key(RS256).kid();
                draft.header = draft.header.replace(kid, &kid.to_ascii_lowercase());
            }),
        ),
        Row(
            "a stranger's, who signed",
            RS256,
            UnknownKey,
            Twist::Draft(|draft| {
                draft.header = draft.header.replace(OURS.key(RS256).kid(), STRANGER.key(RS256).kid());
                draft.sign = |text| rsa(&STRANGER, &RSA_PKCS1_SHA256, text);
            }),
        ),
    ]);
}
