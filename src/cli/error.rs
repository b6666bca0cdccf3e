//! Why a command did not do what it was asked, and which one comes next.

use serde::Deserialize;

/// A refusal of the server's, an outage, or something missing here.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nobody said where the server is.
    #[error("no server is named: set CARNET_URL, or give --url (`carnet dev` prints a line to paste)")]
    NoUrl,
    /// Nobody said who asks.
    #[error(
        "{0} is not set: it must be that of an administrator (`carnet dev` and `carnet bootstrap` print one)"
    )]
    NoAccount(&'static str),
    /// A file with certificates that cannot be used.
    #[error("CARNET_CA_FILE: {path} cannot be used: {why}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer.
    #[error(
        "{url} cannot be reached: {why}. Is it the URL of a Carnet that runs? Try `curl {url}/.well-known/jwks.json`"
    )]
    Unreachable {
        /// Whom we asked.
        url: String,
        /// What happened.
        why: String,
    },
    /// It says that it cannot answer now.
    #[error("{url} cannot answer now: {why}. Try again in a moment")]
    Unavailable {
        /// Whom we asked.
        url: String,
        /// What it says.
        why: String,
    },
    /// An answer that makes no sense.
    #[error("{url} is no Carnet, or of another version: {why}")]
    NotUnderstood {
        /// Whom we asked.
        url: String,
        /// What it answered.
        why: String,
    },
    /// The secret is wrong, or not yet or no more valid.
    #[error("{client_id} gets no token: {why}. Check CARNET_CLIENT_ID and CARNET_CLIENT_SECRET")]
    NoToken {
        /// Who asked.
        client_id: String,
        /// What the server says.
        why: String,
    },
    /// Nobody said whose account it is.
    #[error("whose service account is it? Name it by its client ID, or give --tenant (CARNET_TSG_ID)")]
    NoTenant,
    /// There is none of this name.
    #[error("there is no service account {0} within your reach: check its client ID")]
    NoSuchAccount(String),
    /// It has none that works, or several, or not the one that was named.
    #[error(
        "which secret of {0}? `carnet secrets list {0}` shows them; name one that is valid with --secret"
    )]
    WhichSecret(String),
    /// A problem, and what can be done about it.
    #[error("{problem}{next}")]
    Refused {
        /// What the server says.
        problem: Problem,
        /// The command that comes next, as a sentence.
        next: String,
    },
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
}

/// What a server says of an error (RFC 9457).
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// For programs.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl CliError {
    /// The code of a refusal; empty for anything else.
    #[must_use]
    pub fn code(&self) -> &str {
        if let Self::Refused { problem, .. } = self { &problem.code } else { "" }
    }

    /// Whether the same may succeed in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unavailable { .. } => true,
            Self::Refused { problem, .. } => matches!(&*problem.code, "unavailable" | "internal"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_with_what_to_do_next() {
        let refused = |code: &str| {
            let problem = Problem { code: code.to_owned(), detail: "So it is.".to_owned() };
            CliError::Refused { problem, next: " Do that.".to_owned() }
        };
        assert_eq!(refused("region_in_use").to_string(), "So it is. Do that.");
        assert!(refused("unavailable").is_passing() && !refused("not_found").is_passing());
    }
}
