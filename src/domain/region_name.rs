//! What a region is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A region's name: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionName(String);

/// Not 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a region's name is 1 to 32 of a-z, 0-9 and '-'")]
pub struct NotARegionName;

impl RegionName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NotARegionName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotARegionName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err(NotARegionName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RegionName {
    type Error = NotARegionName;
    fn try_from(text: String) -> Result<Self, NotARegionName> {
        Self::parse(&text)
    }
}

impl From<RegionName> for String {
    fn from(name: RegionName) -> Self {
        name.0
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!(RegionName::parse("eu-west-1").is_ok() && RegionName::parse(&"x".repeat(32)).is_ok());
        for bad in ["", "EU", "eu west", "eu_west", "eu\0", "ü", &"x".repeat(33)] {
            assert_eq!(RegionName::parse(bad), Err(NotARegionName), "{bad}");
        }
    }
}
