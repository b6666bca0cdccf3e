//! Stores whose parent is killed, for which these tests need a second process: this binary again, in another role.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{options, processes_in, sockets_of, sql, wait_until};
use crate::dev::Stores;

/// Tells a second process of these tests what to do; unset in the first.
const ROLE_DIR: &str = "CARNET_TEST_STORES_DIR";

/// This binary, even when a build has replaced the file since.
fn ourselves() -> String {
    format!("/proc/{}/exe", process::id())
}

/// Not a test but what the next ones run in a process that they can kill.
#[test]
fn role_holder_of_stores() {
    let Some(dir) = env::var_os(ROLE_DIR) else {
        return;
    };
    println!("\nstarting {dir:?}");
    let stores = Stores::start(&options(Path::new(&dir))).unwrap();
    println!("place {}", stores.data_place().display());
    println!("place {}", sockets_of(&stores).display());
    println!("ready");
    thread::sleep(Duration::from_mins(10));
}

/// A second process of these tests that starts stores in `dir`.
struct Holder {
    process: Child,
    says: BufReader<ChildStdout>,
}

impl Holder {
    fn start(dir: &Path) -> Self {
        Self::start_by(Command::new(ourselves()), dir)
    }

    fn start_by(mut command: Command, dir: &Path) -> Self {
        let mut process = command
            .args(["--exact", "--nocapture", "dev::tests::killed::role_holder_of_stores"])
            .env(ROLE_DIR, dir)
            .env("TMPDIR", dir) // so that what a killed one leaves goes with it
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stdout.take().unwrap());
        Self { process, says }
    }

    /// Reads up to the line that is `word` or begins with it; returns the places named on the way.
    fn until(&mut self, word: &str) -> Vec<PathBuf> {
        let mut places = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "it ended before {word}");
            if let Some(place) = line.strip_prefix("place ") {
                places.push(PathBuf::from(place.trim_end()));
            }
            if line.starts_with(word) {
                return places;
            }
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_parent_killed_with_9_leaves_no_process_and_its_directory_is_good() {
    let dir = TempDir::new().unwrap();
    let mut holder = Holder::start(dir.path());
    let places = holder.until("ready");
    assert!(processes_in(&places).len() >= 2, "Postgres and Redis run");
    holder.kill();
    // At once, while the former server may still be on its way out.
    let stores = Stores::start(&options(dir.path())).unwrap();
    sql(&stores, "SELECT 1").unwrap();
    let sockets = places[1].clone();
    assert!(!sockets.exists(), "the next start sweeps up");
    wait_until("the killed one's Redis ends", Duration::from_secs(3), || {
        processes_in(std::slice::from_ref(&sockets)).is_empty()
    });
    stores.stop();
    assert_eq!(processes_in(&places), Vec::<String>::new());
}

#[test]
fn a_parent_killed_at_any_moment_of_its_first_start_leaves_no_process() {
    for milliseconds in [5, 60, 250, 700, 1100, 1600] {
        let dir = TempDir::new().unwrap();
        let mut holder = Holder::start(dir.path());
        holder.until("starting");
        thread::sleep(Duration::from_millis(milliseconds));
        holder.kill();
        let mention = dir.path().to_string_lossy().into_owned();
        wait_until("all of them end", Duration::from_secs(5), || {
            let all = fs::read_dir("/proc").unwrap().flatten();
            let mut lines = all.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
            !lines.any(|line| String::from_utf8_lossy(&line).contains(&mention))
                && processes_in(&[dir.path().to_path_buf()]).is_empty()
        });
    }
}

/// A terminal's Ctrl-C goes to the whole group of its foreground process. Our servers must end after us, not with us.
#[test]
fn ctrl_c_passes_the_stores_by() {
    let dir = TempDir::new().unwrap();
    // A parent that ignores the signal shows whether its stores got it: each sets a handler of its own.
    let mut deaf = Command::new("sh");
    deaf.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]).arg(ourselves()).process_group(0);
    let mut holder = Holder::start_by(deaf, dir.path());
    let places = holder.until("ready");
    let before = processes_in(&places).len();
    kill_process_group(Pid::from_child(&holder.process), Signal::INT).unwrap();
    thread::sleep(Duration::from_millis(500));
    assert!(processes_in(&places).len() >= 2 && before >= 2, "they go on");
    holder.kill();
    wait_until("they end with their parent", Duration::from_secs(5), || processes_in(&places).is_empty());
}
