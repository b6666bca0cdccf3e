//! What an assertion says: each name once, and each of the kind that it must be.

use serde_json::{Map, Value};

use super::BadAssertion;
use super::unique::Members;

/// The most characters of its `jti`.
const LONGEST_JTI: usize = 255;

/// `NumericDate`s, in whole seconds to the disadvantage of the assertion.
#[derive(Clone, Copy)]
pub(in crate::token) struct Times {
    pub exp: i64,
    pub iat: Option<i64>,
    pub nbf: Option<i64>,
}

/// What an assertion says. Claims that nobody here knows are ignored (RFC 7523 §3, 8).
pub(in crate::token) struct Claims(Map<String, Value>);

impl Claims {
    pub fn read(json: &[u8]) -> Result<Self, BadAssertion> {
        serde_json::from_slice(json).map(|Members(claims)| Self(claims)).map_err(|_| BadAssertion::Claims)
    }

    /// A claim that is there, and is a text with something in it.
    pub fn text(&self, name: &str) -> Result<&str, BadAssertion> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(BadAssertion::Claims)
    }

    /// All of them.
    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// RFC 7523 §3, 1 and 2.B.
    pub fn client_id(&self) -> Result<String, BadAssertion> {
        let (iss, sub) = (self.text("iss")?, self.text("sub")?);
        if iss == sub { Ok(sub.to_owned()) } else { Err(BadAssertion::Issuer) }
    }

    pub fn audience(&self) -> Result<Vec<String>, BadAssertion> {
        match self.0.get("aud") {
            Some(Value::String(only)) => Ok(vec![only.clone()]),
            Some(Value::Array(several)) => {
                let text = |one: &Value| one.as_str().map(str::to_owned).ok_or(BadAssertion::Claims);
                several.iter().map(text).collect()
            }
            _ => Err(BadAssertion::Claims),
        }
    }

    pub fn audience_is_text(&self) -> bool {
        self.0.get("aud").is_some_and(Value::is_string)
    }

    pub fn times(&self) -> Result<Times, BadAssertion> {
        let later = |name: &str| self.0.get(name).map(|date| numeric_date(date, f64::ceil)).transpose();
        let exp = self.0.get("exp").ok_or(BadAssertion::Claims)?;
        Ok(Times { exp: numeric_date(exp, f64::floor)?, iat: later("iat")?, nbf: later("nbf")? })
    }

    pub fn jti(&self) -> Result<String, BadAssertion> {
        let jti = self.text("jti")?;
        if jti.chars().count() <= LONGEST_JTI { Ok(jti.to_owned()) } else { Err(BadAssertion::Claims) }
    }
}

/// Seconds since 1970, with or without a fraction (RFC 7519 §2).
pub(in crate::token) fn numeric_date(date: &Value, round: impl Fn(f64) -> f64) -> Result<i64, BadAssertion> {
    /// The year 9999.
    const LATEST: f64 = 253_402_300_799.0;
    if let Some(whole) = date.as_i64() {
        return Ok(whole);
    }
    let fraction = date.as_f64().filter(|date| (0.0..=LATEST).contains(date)).ok_or(BadAssertion::Claims)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and not beyond the year 9999")]
    Ok(round(fraction) as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc_7519_section_2_a_date_is_a_number_and_its_fraction_is_never_to_its_advantage() {
        assert_eq!(numeric_date(&json!(1.5), f64::floor), Ok(1));
        assert_eq!(numeric_date(&json!(1.5), f64::ceil), Ok(2));
        for bad in [json!("1"), json!(null), json!(1e300), json!(-0.5), json!(true), json!([1])] {
            assert_eq!(numeric_date(&bad, f64::floor), Err(BadAssertion::Claims), "{bad}");
        }
    }

    #[test]
    fn rfc_7519_section_4_no_member_comes_twice() {
        let read = |json: &str| Claims::read(json.as_bytes()).is_ok();
        assert!(read(r#"{"a":1,"b":1}"#));
        for twice in [
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"b":1}]}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"exp":1,"\u0065xp":2}"#,
            "[]",
            "null",
            "{}{}",
            "",
        ] {
            assert!(!read(twice), "{twice}");
        }
    }
}
