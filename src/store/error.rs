//! What can go wrong with the authority, sorted by whose fault it is.

use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

/// A statement or transaction that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres could not be reached or would not work now: an outage, 503.
    #[error("Postgres is unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time: an outage, 503.
    #[error("Postgres did not answer within {0:?}")]
    TimedOut(Duration),
    /// Another transaction won; the same may succeed when tried again.
    #[error("another transaction was faster: {0}")]
    Contended(#[source] tokio_postgres::Error),
    /// A constraint says no; its name says which rule.
    #[error("constraint {0}")]
    Violates(String),
    /// One transaction cannot change so much, however often it is tried; nothing was changed.
    #[error("there is more to change at once than Postgres does within {0:?}")]
    TooMuch(Duration),
    /// Settings that cannot work; only at start.
    #[error("{0}")]
    Configuration(String),
    /// Our own mistake: 500.
    #[error("the database refused a statement: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether it is an outage, so that the answer is 503 and worth another try later.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut(_) | Self::Contended(_))
    }

    /// The constraint that was violated, if that is what happened.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        if let Self::Violates(name) = self { Some(name) } else { None }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Without an answer of the server's own, the connection is what failed, unless a value
        // could not be converted, which is a mistake of ours.
        let Some(db) = error.as_db_error() else {
            let ours = std::error::Error::source(&error)
                .is_some_and(<dyn std::error::Error>::is::<tokio_postgres::types::WrongType>);
            return if ours { Self::Broken(Box::new(error)) } else { Self::Unavailable(Box::new(error)) };
        };
        match db.code() {
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => Self::Contended(error),
            code if code.code().starts_with("23") => Self::Violates(constraint(db)),
            // The server's own words: "db error" helps nobody.
            code if is_outage(code) => Self::Unavailable(words(db).into()),
            _ => Self::Broken(words(db).into()),
        }
    }
}

/// Connection exceptions, credentials of ours that are refused, too few resources, an operator's intervention, a system error, a wait
/// that was cut short, a server that is read-only (no longer the primary) or that says it is shut.
fn is_outage(code: &SqlState) -> bool {
    const CLASSES: [&str; 6] = ["08", "28", "53", "57", "58", "XX"];
    const CODES: [&str; 4] = ["25006", "25P03", "25P04", "55P03"];
    CLASSES.iter().any(|class| code.code().starts_with(class)) || CODES.contains(&code.code())
}

fn words(db: &DbError) -> String {
    format!("{} (SQLSTATE {})", db.message(), db.code().code())
}

fn constraint(db: &DbError) -> String {
    db.constraint().unwrap_or("unnamed").to_owned()
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => error.into(),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
