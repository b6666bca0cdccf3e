//! Wrong claims under good signatures: what a bug of ours, or an older version, might sign.

use super::Algorithm::RS256;
use super::Rejected::{Claims, Expired, IssuedInFuture, WrongIssuer};
use super::*;

fn swap(name: &'static str, from: &'static str, to: &'static str) -> Row {
    Row(name, RS256, Claims, Twist::Payload(from, to))
}

/// RFC 7519 §4: names are unique. A reader that takes the first and one that takes the last
/// would see two different tokens.
#[test]
fn no_claim_twice_and_no_other_claim() {
    let first = |name, to| swap(name, "{", to);
    let last = |name, to| swap(name, "\"}", to);
    judge(&[
        first("exp twice, later first", r#"{"exp":9999999999,"#),
        last("exp twice, later last", r#"","exp":9999999999}"#),
        first("exp twice, once escaped", r#"{"\u0065xp":9999999999,"#),
        first("iss twice", r#"{"iss":"https://evil.example","#),
        first("sub twice", r#"{"sub":"admin","#),
        first("aud twice", r#"{"aud":"https://id.example","#),
        first("tsg_id twice", r#"{"tsg_id":"9999999999","#),
        first("roles twice", r#"{"roles":["superuser"],"#),
        first("api_key_id twice", r#"{"api_key_id":"43","#),
        last("an unknown claim", r#"","admin":true}"#),
        last("nbf, which we never set", r#"","nbf":0}"#),
        last("cnf of a kind that we would not check", r#"","cnf":{"kid":"x"}}"#),
        last("cnf with more than we would check", r#"","cnf":{"jkt":"x","jwk":{}}}"#),
        last("cnf twice", r#"","cnf":{"jkt":"x"},"cnf":{"jkt":"y"}}"#),
        last("jkt twice", r#"","cnf":{"jkt":"x","jkt":"y"}}"#),
        last("an empty name", r#"","":0}"#),
        last("an upper-case name", r#"","EXP":9999999999}"#),
    ]);
}

#[test]
fn no_claim_missing() {
    const REQUIRED: [&str; 10] =
        ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "tsg_id", "credential_id"];
    let read = |value: &serde_json::Value| AccessClaims::from_payload(value.to_string().as_bytes());
    let whole = serde_json::to_value(super::super::claims()).unwrap();
    assert!(read(&whole).is_ok());
    for name in REQUIRED {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(name).unwrap();
        assert_eq!(read(&without), Err(Claims), "{name}");
        without[name] = serde_json::Value::Null;
        assert_eq!(read(&without), Err(Claims), "{name} null");
    }
    // RFC 9068 §2.2.3.1: who has no role says nothing of roles.
    let mut without = whole.clone();
    without.as_object_mut().unwrap().remove("roles").unwrap();
    assert_eq!(read(&without).map(|claims| claims.roles), Ok(vec![]));
    without["roles"] = serde_json::Value::Null;
    assert_eq!(read(&without), Err(Claims), "roles null");
}

/// CVE-2026-25537 was a string where a number belongs.
#[test]
fn no_claim_of_another_kind() {
    let exp = |name, to| swap(name, "1800000900", to);
    judge(&[
        exp("exp a string", r#""1800000900""#),
        exp("exp a string of words", r#""never""#),
        exp("exp a fraction", "1800000900.5"),
        exp("exp with an exponent", "1.8e9"),
        exp("exp beyond 64 bits", "99999999999999999999"),
        exp("exp not a number", "NaN"),
        exp("exp infinite", "Infinity"),
        exp("exp with a leading zero", "01800000900"),
        exp("exp an array", "[1800000900]"),
        exp("exp an object", r#"{"exp":1800000900}"#),
        exp("exp true", "true"),
        swap("iat a string", ":1800000000", r#":"1800000000""#),
        swap("iss an array", r#""https://id.example""#, r#"["https://id.example"]"#),
        swap("aud a number", r#""https://wildfire.example""#, "1"),
        swap("aud an object", r#""https://wildfire.example""#, "{}"),
        swap("aud nested", r#""https://wildfire.example""#, r#"[["https://wildfire.example"]]"#),
        swap("roles a string", r#"["superuser"]"#, r#""superuser""#),
        swap("roles with a number", r#"["superuser"]"#, r#"["superuser",1]"#),
        swap("tsg_id a number", r#""1234567890""#, "1234567890"),
        swap("api_key_id a number", r#""42""#, "42"),
        swap("credential_id too short", "0123456789ABCDef", "0123456789ABCDe"),
        swap("credential_id with a quote", "0123456789ABCDef", "0123456789ABCD''"),
    ]);
}

#[test]
fn no_other_payload() {
    let whole = |name, twist| Row(name, RS256, Claims, Twist::Draft(twist));
    judge(&[
        swap("white space in front", "{", " {"),
        swap("not closed", "\"}", "\""),
        swap("something behind", "\"}", "\"}{}"),
        swap("a comma too many", "\"}", "\",}"),
        whole("nothing", |draft| draft.payload.clear()),
        whole("an empty object", |draft| draft.payload = "{}".to_owned()),
        whole("null", |draft| draft.payload = "null".to_owned()),
        whole("a string", |draft| {
            draft.payload = format!("{:?}", draft.payload);
        }),
        whole("an array around the object", |draft| {
            draft.payload = format!("[{}]", draft.payload);
        }),
        whole("an array in place of the object", |draft| {
            let value: serde_json::Value = serde_json::from_str(&draft.payload).unwrap();
            let values: Vec<_> = value.as_object().unwrap().values().collect();
            draft.payload = serde_json::to_string(&values).unwrap();
        }),
        whole("another token", |draft| {
            draft.payload = Draft::good(RS256).compact();
        }),
    ]);
}

/// RFC 9068 §4: `iss` and `exp`; RFC 7519 §4.1.6: `iat`.
#[test]
fn no_other_time_and_no_other_issuer() {
    let row = |name, why, from, to| Row(name, RS256, why, Twist::Payload(from, to));
    let issuer = |name, to| row(name, WrongIssuer, r#""https://id.example""#, to);
    judge(&[
        row("expired long ago", Expired, "1800000900", "0"),
        row("before 1970", Expired, "1800000900", "-1"),
        row("expired just now", Expired, "1800000900", "1800000000"),
        row("issued in a minute", IssuedInFuture, ":1800000000", ":1800000060"),
        row("issued at the end of time", IssuedInFuture, ":1800000000", ":9223372036854775807"),
        issuer("another issuer", r#""https://evil.example""#),
        issuer("the issuer with a slash", r#""https://id.example/""#),
        issuer("the issuer in capitals", r#""https://ID.example""#),
        issuer("the issuer over http", r#""http://id.example""#),
        issuer("no issuer's name", r#""""#),
    ]);
}
