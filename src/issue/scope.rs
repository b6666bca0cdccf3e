//! The `scope` parameter (RFC 6749 §3.3): one tenant by number, and the words that mean nothing here.

use super::TokenError;
use crate::domain::tenant::TsgId;
use crate::token::discovery::HABITUAL_SCOPES;

/// The most bytes of a scope. It goes into the token, which has to fit into a header.
const LONGEST: usize = 512;

/// A scope that this server understands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scope {
    asked: Option<String>,
    tsg_id: Option<String>,
}

impl Scope {
    pub fn parse(asked: Option<&str>) -> Result<Self, TokenError> {
        let Some(asked) = asked else { return Ok(Self { asked: None, tsg_id: None }) };
        if asked.len() > LONGEST {
            return Err(TokenError::InvalidScope);
        }
        let mut tsg_id = None;
        // One space between two (RFC 6749 §3.3), so an empty word is a mistake as well.
        for word in asked.split(' ') {
            if let Some(number) = word.strip_prefix("tsg_id:") {
                let number = TsgId::parse(number).map_err(|_| TokenError::InvalidScope)?;
                if tsg_id.replace(String::from(number)).is_some() {
                    return Err(TokenError::InvalidScope);
                }
            } else if !HABITUAL_SCOPES.contains(&word) {
                return Err(TokenError::InvalidScope);
            }
        }
        Ok(Self { asked: Some(asked.to_owned()), tsg_id })
    }

    /// The tenant that is named.
    pub fn tsg_id(&self) -> Option<&str> {
        self.tsg_id.as_deref()
    }

    /// As it was asked for.
    pub fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// What is granted: to the letter what was asked, for one popular client raises when it is not.
    pub fn granted(&self, tsg_id: &str) -> String {
        self.asked.clone().unwrap_or_else(|| format!("tsg_id:{tsg_id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_and_habits_are_understood_and_echoed() {
        for asked in
            ["tsg_id:1234567890", "tsg_id:1234567890 email profile", "openid", "profile tsg_id:1234567890"]
        {
            let scope = Scope::parse(Some(asked)).expect("understood");
            assert_eq!(scope.granted("9999999999"), asked);
        }
        assert_eq!(Scope::parse(None).expect("nothing").granted("1234567890"), "tsg_id:1234567890");
    }

    #[test]
    fn anything_else_is_refused_rather_than_narrowed() {
        for asked in [
            "admin",
            "tsg_id:",
            "tsg_id:12",
            "tsg_id:1234567890 admin",
            "tsg_id:1234567890  email",
            " ",
            "tsg_id:1234567890 tsg_id:1234567891",
            "TSG_ID:1234567890",
            "email\tprofile",
            &["email"; 86].join(" "),
        ] {
            assert_eq!(Scope::parse(Some(asked)), Err(TokenError::InvalidScope), "{asked:?}");
        }
    }
}
