//! What an account has one of, and how often it was changed.

/// A thing with its revision.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Revised<T> {
    /// What is there; empty before the first change.
    pub value: T,
    /// Raised by every change; 0 when there was none.
    pub revision: i32,
}
