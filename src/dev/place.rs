//! Where one set of stores lives: the directory of its data, and a short private one for its sockets.
//!
//! Both must be open to the user that the stores run as. Root's home usually is not, and it is exactly where a fresh
//! machine gets its first checkout: then the data goes to `/var/lib/carnet-dev`, and a link in the data directory says
//! so. Nothing outside our own directories is opened up.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

use super::child::Account;
use super::error::{DevError, Doing};
use super::postgres;

/// Where the data of a checkout goes that the stores' user may not enter.
const OPEN_TO_ALL: &str = "/var/lib/carnet-dev";
/// The link to it, inside the data directory.
const MOVED: &str = "moved";
/// The link to the sockets' directory (`psql -h .carnet/…/sockets` works), and how that one's name begins.
const SOCKETS: &str = "sockets";
const PREFIX: &str = "carnet-";
/// A Unix socket's path must be shorter than this many bytes.
const SOCKET_PATH_LIMIT: usize = 108;
/// What the longest of our sockets adds to the temporary directory; the fault suite has some for each region.
const SOCKET_NAME_LIMIT: usize = "/carnet-XXXXXX/redis-some-region-0/redis.sock".len();

/// The directories of one set of stores. Dropping it removes the sockets' one and lets go of the data.
#[derive(Debug)]
pub struct Place {
    /// Logs, and what else is ours.
    pub own: PathBuf,
    /// The parent of the cluster's directory.
    pub data: PathBuf,
    /// Owned by the stores' user, closed to everybody else.
    pub sockets: TempDir,
    _lock: File,
}

impl Place {
    /// Makes or finds the directories, and takes the lock on `dir`.
    ///
    /// # Errors
    /// When somebody else holds it, or the operating system refuses.
    pub fn take(dir: &Path, account: Option<&Account>, durable: bool) -> Result<Self, DevError> {
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).doing("make", parent)?;
        }
        make_dir(dir, 0o700)?;
        let own = fs::canonicalize(dir).doing("find", dir)?;
        if account.is_some() {
            let mode = fs::metadata(&own).doing("look at", &own)?.permissions().mode();
            fs::set_permissions(&own, Permissions::from_mode(mode | 0o011)).doing("open", &own)?;
        }
        let lock = lock(&own)?;
        let link = own.join(SOCKETS);
        sweep(&link);
        let sockets = sockets_dir(account)?;
        symlink(sockets.path(), &link).doing("make", &link)?;
        let data = match account {
            Some(account) if !account.can_enter(&own)? && durable => moved(&own)?,
            Some(account) if !account.can_enter(&own)? => sockets.path().to_path_buf(),
            _ => own.clone(),
        };
        Ok(Self { own, data, sockets, _lock: lock })
    }
}

/// Makes `dir` with `mode`, unless it is there. `recursive` only makes that no error: its parent exists.
fn make_dir(dir: &Path, mode: u32) -> Result<(), DevError> {
    DirBuilder::new().recursive(true).mode(mode).create(dir).doing("make", dir)
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.own.join(SOCKETS));
    }
}

/// Removes what a killed process has left: its sockets' directory and the link to it.
fn sweep(link: &Path) {
    let Ok(left) = fs::read_link(link) else {
        return;
    };
    let name = left.file_name().unwrap_or_default();
    if name.to_string_lossy().starts_with(PREFIX) {
        let _ = fs::remove_dir_all(&left);
    }
    let _ = fs::remove_file(link);
}

fn lock(own: &Path) -> Result<File, DevError> {
    let path = own.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .doing("open", &path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(DevError::InUse { dir: own.to_path_buf(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(source).doing("lock", &path),
    }
    file.set_len(0).doing("write", &path)?;
    writeln!(file, "{}", std::process::id()).doing("write", &path)?;
    Ok(file)
}

/// A private directory with a short path: the system's temporary one may be long, or closed to the stores' user.
fn sockets_dir(account: Option<&Account>) -> Result<TempDir, DevError> {
    let usual = std::env::temp_dir();
    let short = usual.as_os_str().len() + SOCKET_NAME_LIMIT < SOCKET_PATH_LIMIT;
    let open = account.map_or(Ok(true), |account| account.can_enter(&usual))?;
    let parent = if short && open { usual } else { PathBuf::from("/tmp") };
    let dir = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .doing("make a directory in", &parent)?;
    if let Some(account) = account {
        chown(dir.path(), Some(account.uid), Some(account.gid)).doing("hand over", dir.path())?;
    }
    Ok(dir)
}

/// The place under [`OPEN_TO_ALL`] that stands for `own`, with a link to it. Without the link, what is there was left
/// by a data directory that somebody has removed since, and goes too.
fn moved(own: &Path) -> Result<PathBuf, DevError> {
    let name = utf8_percent_encode(&own.to_string_lossy(), NON_ALPHANUMERIC).to_string();
    let place = Path::new(OPEN_TO_ALL).join(name);
    let link = own.join(MOVED);
    if fs::read_link(&link).is_ok_and(|target| target == place) && place.exists() {
        return Ok(place);
    }
    if place.exists() {
        if let Some(pid) = postgres::server_in(&place.join(postgres::CLUSTER)) {
            return Err(DevError::InUse { dir: place, pid: pid.to_string() });
        }
        fs::remove_dir_all(&place).doing("remove", &place)?;
    }
    make_dir(Path::new(OPEN_TO_ALL), 0o711)?;
    make_dir(&place, 0o711)?;
    let _ = fs::remove_file(&link);
    symlink(&place, &link).doing("make", &link)?;
    tracing::info!(data = %place.display(), link = %link.display(), "the stores' user may not enter the data directory");
    Ok(place)
}
