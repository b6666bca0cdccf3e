//! Signals to a server and its children, which only what they work in tells from others.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

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
    }
    found.len()
}
