//! Child processes that cannot outlive us, and whom they run as.
//!
//! A child is started through `setpriv --pdeathsig`: the kernel signals it when its parent *thread* ends. A test's or a
//! runtime's thread may end long before the process, so every child is started from one thread that never ends.
//! `setpriv` also changes the user, which keeps this crate free of `unsafe`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::error::{DevError, Doing};

/// How long a server may take to stop when asked; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often a state that nobody announces is looked at.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// The unprivileged user that the stores run as when we are root.
#[derive(Debug, Clone)]
pub struct Account {
    /// As `/etc/passwd` has it.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
}

impl Account {
    /// Whom to run the stores as: `postgres`, else `nobody`, when we are root; `None` is ourselves.
    ///
    /// # Errors
    /// When we are root and there is neither.
    pub fn for_stores() -> Result<Option<Self>, DevError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd_path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(passwd_path).doing("read", passwd_path)?;
        let account = Self::find(&passwd, "postgres").or_else(|| Self::find(&passwd, "nobody"));
        account.map(Some).ok_or(DevError::NobodyToRunAs)
    }

    fn find(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), uid, gid })
    }

    /// Whether this user may enter `dir`, parents and access lists included: the kernel is asked, not the mode bits.
    pub(super) fn can_enter(&self, dir: &Path) -> Result<bool, DevError> {
        let mut test = command("test", Some(self), Signal::KILL);
        test.arg("-x").arg(dir).stderr(Stdio::null());
        Ok(start(test)?.wait().doing("look into", dir)?.success())
    }
}

/// A command that runs `program` as `account`, with no environment but `PATH`, in a process group of its own (so that
/// Ctrl-C reaches us alone and the stores end last), and that gets `when_we_end` as soon as this process is gone.
pub fn command(program: impl AsRef<Path>, account: Option<&Account>, when_we_end: Signal) -> Command {
    let mut command = outlived_by_us(when_we_end);
    if let Some(account) = account {
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={}", account.gid))
            .arg("--clear-groups");
    }
    command.arg("--").arg(program.as_ref());
    command.env_clear().env("LC_ALL", "C");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    command
}

/// `setpriv` with the death signal set, to be completed with `--` and a program.
pub(super) fn outlived_by_us(when_we_end: Signal) -> Command {
    let name = match when_we_end {
        Signal::INT => "INT",
        Signal::TERM => "TERM",
        _ => "KILL",
    };
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(name);
    command
}

/// Starts `command`, which is a `setpriv`, from the thread that is the parent of all children.
///
/// # Errors
/// When it cannot be started.
pub fn start(mut command: Command) -> Result<Child, DevError> {
    on_parent_thread(move || command.spawn()).map_err(not_started)
}

/// What it means that `setpriv` itself could not be started.
pub(super) fn not_started(source: io::Error) -> DevError {
    match source.kind() {
        io::ErrorKind::NotFound => DevError::Missing { what: "setpriv", how: "install util-linux" },
        _ => DevError::Io { what: "start setpriv".to_owned(), source },
    }
}

/// Runs `job` on the one thread that lives as long as the process.
pub(super) fn on_parent_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    type Job = Box<dyn FnOnce() + Send>;
    static PARENT: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        let parent = thread::Builder::new().name("parent-of-stores".to_owned());
        parent.spawn(move || jobs.into_iter().for_each(|job| job())).expect("a thread can be started");
        sender
    });
    let (answer, answered) = mpsc::sync_channel(1);
    let job = Box::new(move || drop(answer.send(job())));
    PARENT.send(job).expect("the parent thread lives as long as the process");
    answered.recv().expect("starting a process does not panic")
}

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    ask: Signal,
}

impl Running {
    /// Starts a server that stops when it gets `ask`. What it says goes to `log`, which starts afresh.
    ///
    /// # Errors
    /// When it cannot be started, or its log not be written.
    pub fn start(command: Command, ask: Signal, log: &Path) -> Result<Self, DevError> {
        let mut owner_only = OpenOptions::new();
        owner_only.write(true).create(true).truncate(true).mode(0o600);
        Self::start_saying(command, ask, owner_only.open(log).doing("write", log)?)
    }

    /// The same with a log that is open already.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_saying(mut command: Command, ask: Signal, log: File) -> Result<Self, DevError> {
        let copy = log.try_clone().map_err(not_started)?;
        command.stdout(copy).stderr(log);
        Ok(Self { child: start(command)?, ask })
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal, unless it has ended: its number may be somebody else's by then.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Waits until it has ended; `false` when `limit` passes first.
    pub fn wait(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(self.ask);
        self.signal(Signal::CONT); // a paused process would not hear it
        if !self.wait(STOP_LIMIT) {
            tracing::warn!(pid = self.child.id(), "a store did not stop in time and is killed");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The line of a log in which a server says why it gave up: its last complaint, else its last line.
#[must_use]
pub fn last_words(log: &Path) -> String {
    const COMPLAINTS: [&str; 4] = ["FATAL", "PANIC", "rror:", "Fail"];
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let complaint = lines().find(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
    complaint.or_else(|| lines().next()).unwrap_or("it said nothing").to_owned()
}
