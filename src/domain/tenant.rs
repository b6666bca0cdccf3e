//! A tenant's number, and the names that are made from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A *Tenant Service Group*: ten decimal digits, the first not zero.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TsgId(String);

/// Not ten decimal digits with the first not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tsg_id is ten decimal digits, the first not zero")]
pub struct NotATsgId;

impl TsgId {
    /// Reads ten digits.
    ///
    /// # Errors
    /// [`NotATsgId`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotATsgId> {
        let digits = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit());
        if digits && !text.starts_with('0') { Ok(Self(text.to_owned())) } else { Err(NotATsgId) }
    }

    /// The number that a random value names; used when a tenant is made.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        const FIRST: u64 = 1_000_000_000;
        Self((FIRST + random % (9 * FIRST)).to_string())
    }

    /// The ten digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TsgId {
    type Error = NotATsgId;
    fn try_from(text: String) -> Result<Self, NotATsgId> {
        Self::parse(&text)
    }
}

impl From<TsgId> for String {
    fn from(id: TsgId) -> Self {
        id.0
    }
}

impl fmt::Display for TsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name gives no `client_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name needs 3 to 63 letters, digits or hyphens, once written in lower case with hyphens for the rest"
)]
pub struct NoSlug;

/// The part of a `client_id` before the `@`: lower case, every run of other characters one hyphen.
///
/// # Errors
/// [`NoSlug`] when fewer than 3 or more than 63 characters would be left.
pub fn slug(name: &str) -> Result<String, NoSlug> {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if (3..=63).contains(&slug.len()) { Ok(slug.to_owned()) } else { Err(NoSlug) }
}

/// `<slug>@<tsg_id>.iam.<domain>`, fixed when the account is made.
#[must_use]
pub fn client_id(slug: &str, tsg_id: &TsgId, domain: &str) -> String {
    format!("{slug}@{tsg_id}.iam.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tsg_id_is_ten_digits_and_nothing_else() {
        assert!(TsgId::parse("1234567890").is_ok());
        for bad in ["", "123456789", "12345678901", "0234567890", "12345 7890", "١٢٣٤٥٦٧٨٩٠"] {
            assert_eq!(TsgId::parse(bad), Err(NotATsgId), "{bad}");
        }
        for random in [0, 1, u64::MAX] {
            let id = TsgId::from_random(random);
            assert_eq!(TsgId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn slugs_keep_letters_digits_and_single_hyphens() {
        assert_eq!(slug("Billing Export (EU)").as_deref(), Ok("billing-export-eu"));
        assert_eq!(slug("  a--b c "), Ok("a-b-c".into()));
        assert_eq!(slug("äö"), Err(NoSlug));
        assert_eq!(slug(&"x".repeat(64)), Err(NoSlug));
    }
}
