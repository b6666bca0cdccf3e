//! Why private stores did not start, each case as one line that says what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between finding the binaries and stopping the servers.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A program is not installed, too old, or cannot be run by the user that the stores run as.
    #[error("{what} is missing: run `scripts/deps.sh run`, or {how}")]
    Missing {
        /// The program, with the versions that will do.
        what: &'static str,
        /// The other ways to get it.
        how: &'static str,
    },
    /// `CARNET_PG_BIN` or `CARNET_REDIS_BIN` names a directory without what it promises.
    #[error("{variable}={} holds no {what} that can be run{}", .dir.display(), by(.user.as_deref()))]
    BadBinaries {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        dir: PathBuf,
        /// What was expected there.
        what: &'static str,
        /// The unprivileged user that must be able to run it, when we are root.
        user: Option<String>,
    },
    /// We are root, and there is nobody to run the stores as.
    #[error(
        "Postgres refuses to run as root and /etc/passwd has neither `postgres` nor `nobody` to run it as"
    )]
    NobodyToRunAs,
    /// Another process of ours holds the directory, or its Postgres still runs there.
    #[error("{} is in use by process {pid}: stop that one or choose another directory", .dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// Who holds it, as far as is known.
        pid: String,
    },
    /// The data was made under another user, usually by an earlier run with (or without) root.
    #[error("{} belongs to user id {owner}, but the stores would run as {user}: remove it, or run as before", .dir.display())]
    OtherOwner {
        /// The directory of the cluster.
        dir: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who would use it.
        user: String,
    },
    /// The data was made by another major version of Postgres.
    #[error("{} was made by Postgres {made_by}, and {found} was found: set CARNET_PG_BIN to the former, or remove the directory", .dir.display())]
    OtherVersion {
        /// The directory of the cluster.
        dir: PathBuf,
        /// The major version that made it.
        made_by: String,
        /// The major version of the binaries.
        found: u32,
    },
    /// A server ended by itself while it was starting.
    #[error("{what} did not start: {last_words}")]
    Exited {
        /// The program.
        what: String,
        /// The end of its log.
        last_words: String,
    },
    /// A server runs but does not answer in time.
    #[error("{what} was not ready after {seconds} s: {last_words}")]
    NotReady {
        /// The program.
        what: String,
        /// How long we waited.
        seconds: u64,
        /// The end of its log.
        last_words: String,
    },
    /// Postgres answers, but the database could not be created.
    #[error("the private Postgres refused to set up its database")]
    Database(#[from] tokio_postgres::Error),
    /// Anything the operating system refused.
    #[error("cannot {what}: {source}")]
    Io {
        /// What we were doing, with the path.
        what: String,
        /// Its answer.
        source: io::Error,
    },
}

fn by(user: Option<&str>) -> String {
    user.map(|name| format!(" by user `{name}`")).unwrap_or_default()
}

/// Says what we were doing when the operating system refused: `fs::read(p).doing("read", p)`.
pub(super) trait Doing<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, DevError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, DevError> {
        self.map_err(|source| DevError::Io { what: format!("{verb} {}", path.display()), source })
    }
}
