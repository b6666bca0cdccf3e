//! A stage whose process is killed, for which this needs a second process: this binary again, in another role.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::stage;
use crate::stage::until;

/// Tells a second process of these tests that it is one; unset in the first.
const ROLE: &str = "CARNET_TEST_HOLDS_A_STAGE";

/// Not a test but what the next one runs in a process that it can kill.
#[test]
fn role_holder_of_a_stage() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let stage = stage();
    let ids: Vec<_> = stage.instances().iter().filter_map(|instance| instance.id()).collect();
    println!("\nready {ids:?}");
    std::thread::sleep(Duration::from_mins(10));
}

/// The command lines that speak of this directory.
fn processes_of(directory: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    let lines = all.filter_map(|process| {
        let line = String::from_utf8_lossy(&fs::read(process.join("cmdline")).ok()?).into_owned();
        let works_in = fs::read_link(process.join("cwd")).unwrap_or_default();
        (line.contains(directory) || works_in.starts_with(directory)).then_some(line)
    });
    lines.collect()
}

#[test]
fn a_stage_whose_process_is_killed_leaves_no_process() {
    let directory = tempfile::tempdir().expect("a directory");
    // The servers' user has to get in.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("ours to open");
    let mention = directory.path().to_str().expect("a path in UTF-8").to_owned();
    let mut holder = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "--nocapture", "stage_works::killed::role_holder_of_a_stage"])
        .env(ROLE, "yes")
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut says = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let ready = says.find_map(|line| line.expect("text").strip_prefix("ready ").map(str::to_owned));
    let ready = ready.expect("it stood");
    let instances: Vec<u32> = serde_json::from_str(&ready).expect("numbers");
    let running =
        || instances.iter().filter(|id| fs::exists(format!("/proc/{id}/exe")).unwrap_or(false)).count();
    assert_eq!(running(), 3);
    assert!(processes_of(&mention).len() >= 4, "two of Postgres, two of Redis");
    holder.kill().expect("it is killed");
    holder.wait().expect("it has ended");
    until("all of it ends", Duration::from_secs(10), || running() == 0 && processes_of(&mention).is_empty());
}
