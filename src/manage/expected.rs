//! Changes are made only to what the caller has seen: lost updates are refused (RFC 9110 §13.1.1).

use super::ManageError;

/// Which revisions of a thing a change may be made to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Whatever there is.
    Any,
    /// One of these.
    OneOf(Vec<i32>),
}

impl Expected {
    /// Whether the caller has seen this revision.
    ///
    /// # Errors
    /// [`ManageError::StaleEtag`] when not.
    pub fn check(&self, revision: i32) -> Result<(), ManageError> {
        match self {
            Self::OneOf(seen) if !seen.contains(&revision) => Err(ManageError::StaleEtag(revision)),
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_revision_that_was_seen_may_be_changed() {
        assert!(Expected::Any.check(3).is_ok());
        assert!(Expected::OneOf(vec![2, 3]).check(3).is_ok());
        assert!(matches!(Expected::OneOf(vec![2]).check(3), Err(ManageError::StaleEtag(3))));
        assert!(Expected::OneOf(vec![]).check(3).is_err());
    }
}
