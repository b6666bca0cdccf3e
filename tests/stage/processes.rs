//! Signals to servers: to one process, or to a server and its children, which only what they work in tells from others.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::until;

/// How long the kernel may take to stop every thread of a process.
const STOPS: Duration = Duration::from_secs(5);

/// Sends a signal to every process that works in this directory; how many there are.
pub fn signal_in(directory: &Path, signal: Signal) -> usize {
    let Ok(directory) = fs::canonicalize(directory) else { return 0 };
    let numbers = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let inside =
        numbers.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory));
    let found: Vec<_> = inside.filter_map(Pid::from_raw).collect();
    for pid in &found {
        // It may have ended meanwhile.
        let _ = kill_process(*pid, signal);
        if signal == Signal::STOP {
            await_stopped(pid.as_raw_nonzero().get().unsigned_abs());
        }
    }
    found.len()
}

/// Waits until a process that was told to stand still does: some thread of it may be about to answer.
pub fn await_stopped(id: u32) {
    until("it stands still", STOPS, || {
        let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return true };
        threads.flatten().all(|thread| stands_still(&thread.path()))
    });
}

/// The word after the name, which is in brackets: stopped, or gone.
fn stands_still(thread: &Path) -> bool {
    let Ok(stat) = fs::read_to_string(thread.join("stat")) else { return true };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('T' | 'Z' | 'X') | None)
}
