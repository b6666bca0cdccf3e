//! The protocol log of a stage's instances, replayed against the rules that the model steps by.
//!
//! A stage sees many runs, and what was known before still binds: so the lines are kept, and all of them are replayed
//! after each run. They are read while processes go on writing, one file after the other; what was written since the
//! reading began is left to the next time, for what led to it may be missing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carnet::clock;

use crate::replay::log::{self, Line};
use crate::replay::replayer::{Broken, Forbidden, Replayer};
use crate::stage::Stage;
use crate::stage::instance::STARTED;

/// What instances have to say so that there is a trail.
pub const LOG: &str = "warn,deadpool=error,carnet=info,carnet::protocol=debug";
/// The longest between the time in a line and the line itself, where no process stands still.
const WRITES: Duration = Duration::from_millis(250);
/// How many lines are told before the forbidden one, and after it.
const AROUND: (usize, usize) = (12, 4);

/// All lines of a stage, as far as they were read.
#[derive(Default)]
pub struct Trail {
    /// How far each file was read.
    read: HashMap<PathBuf, u64>,
    /// Of files that were there before this trail, what processes say that were started before is not for it.
    skips: HashSet<PathBuf>,
    lines: Vec<Line>,
}

/// The rule that a line breaks, and that line among others.
#[derive(Debug)]
pub struct Found {
    pub broken: Broken,
    line: usize,
    told: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}: line {} of the protocol log is forbidden:", self.broken, self.line)?;
        f.write_str(&self.told)
    }
}

impl Trail {
    /// The trail of processes that are started from now on.
    pub fn from_now(stage: &Stage) -> Self {
        let mut trail = Self::default();
        for path in logs(stage) {
            let length = fs::metadata(&path).expect("it is there").len();
            trail.read.insert(path.clone(), length);
            trail.skips.insert(path);
        }
        trail
    }

    /// Replays everything up to now: how many lines that were, or the first that is forbidden.
    pub fn replay(&mut self, stage: &Stage) -> Result<usize, Found> {
        let now = i64::try_from(clock::since_boot().as_millis()).expect("no machine is up for so long");
        let horizon = now - i64::try_from(WRITES.as_millis()).expect("a short time");
        let mut read = vec![std::mem::take(&mut self.lines)];
        read.extend(logs(stage).iter().map(|path| self.lines_of(path)));
        self.lines = log::merge(read);
        let told = &self.lines[..self.lines.partition_point(|line| line.at_ms < horizon)];
        let lease_ms = i64::try_from(stage.options.lease_seconds * 1_000).expect("a short lease");
        Replayer::new(told, lease_ms).run().map(|()| told.len()).map_err(|forbidden| self.found(&forbidden))
    }

    /// Writes all lines there are.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let lines: Vec<String> = self.lines.iter().map(written).collect();
        fs::write(path, lines.join("\n") + "\n")
    }

    /// What a file says that was not read yet.
    fn lines_of(&mut self, path: &Path) -> Vec<Line> {
        let from = self.read.entry(path.to_owned()).or_default();
        let mut bytes = Vec::new();
        let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.seek(SeekFrom::Start(*from)).and_then(|_| file.read_to_end(&mut bytes)).expect("a log");
        // The last line may be half written.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        *from += bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        let mut lives: Vec<&str> = text.split(STARTED).collect();
        let running = lives.pop();
        let mut lives: Vec<&str> = lives.into_iter().map(whole_lines).chain(running).collect();
        if self.skips.contains(path) {
            lives.remove(0);
            if !lives.is_empty() {
                self.skips.remove(path);
            }
        }
        let read = |life| log::read(life).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        lives.into_iter().flat_map(read).collect()
    }

    fn found(&self, Forbidden { line, broken }: &Forbidden) -> Found {
        let (before, after) = AROUND;
        let first = line.saturating_sub(before + 1);
        let around = self.lines.iter().enumerate().skip(first).take(before + 1 + after);
        let told = around.map(|(number, it)| {
            let mark = if number + 1 == *line { ">" } else { " " };
            format!("  {mark} {}\n", written(it))
        });
        Found { broken: *broken, line: *line, told: told.collect() }
    }
}

/// The logs of all instances, those of regions that are gone among them.
fn logs(stage: &Stage) -> Vec<PathBuf> {
    let instances = stage.instances();
    let directory = instances.first().and_then(|instance| instance.log.parent()).expect("an instance");
    let files = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut logs: Vec<PathBuf> = files.filter(|path| is_of_an_instance(path)).collect();
    logs.sort();
    logs
}

fn is_of_an_instance(path: &Path) -> bool {
    let mut begins = [0; STARTED.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins == STARTED.as_bytes()
}

/// A life that has ended, without the line that it did not live to finish.
fn whole_lines(life: &str) -> &str {
    life.rfind('\n').map_or("", |last| &life[..=last])
}

fn written(line: &Line) -> String {
    serde_json::to_string(line).expect("a line is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seq: i64) -> String {
        let fields = format!(r#"{{"event":"returned","at_ms":{seq},"seq":{seq}}}"#);
        format!(r#"{{"level":"DEBUG","fields":{fields},"target":"{}"}}"#, log::TARGET)
    }

    fn seqs(trail: &mut Trail, path: &Path) -> Vec<i64> {
        trail.lines_of(path).iter().map(|line| line.at_ms).collect()
    }

    #[test]
    fn half_a_line_is_passed_over_where_a_process_was_killed_and_waited_for_where_it_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("eu-0.log");
        let (half, rest) = (&said(4)[..30], &said(4)[30..]);
        let ended = format!("{STARTED}{}\n{}\npanicked\n{}", said(1), said(2), &said(3)[..40]);
        let text = format!("{ended}{STARTED}{half}");
        fs::write(&path, &text).expect("written");
        let mut trail = Trail::default();
        assert_eq!(seqs(&mut trail, &path), [1, 2]);
        fs::write(&path, format!("{text}{rest}\n{}\n", said(5))).expect("written");
        assert_eq!(seqs(&mut trail, &path), [4, 5]);
        assert!(is_of_an_instance(&path));
    }

    #[test]
    fn a_trail_from_now_on_begins_with_the_next_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("eu-0.log");
        let old = format!("{STARTED}{}\n", said(1));
        let mut trail = Trail::default();
        trail.read.insert(path.clone(), old.len() as u64);
        trail.skips.insert(path.clone());
        let old = format!("{old}{}\n", said(2));
        fs::write(&path, &old).expect("written");
        assert_eq!(seqs(&mut trail, &path), [] as [i64; 0]);
        fs::write(&path, format!("{old}{}\n{STARTED}{}\n", said(3), said(4))).expect("written");
        assert_eq!(seqs(&mut trail, &path), [4]);
    }
}
