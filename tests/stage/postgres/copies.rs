//! Clusters made from clusters: the standby from its primary, the former primary from the new one, yesterday's from a backup.
//!
//! Programs of Postgres's do it, as the user that the servers run as.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use carnet::dev::child::{self, Running};
use rustix::process::Signal;

use super::{PATIENCE, Pair};

impl Pair {
    /// What `pg_rewind` insists on. In the file, not on the command line: it lets a server that was killed recover by itself, without ours.
    pub(super) fn prepare_for_rewinding(&self) {
        let settings = self.setup(0).cluster().join("postgresql.conf");
        let mut file = OpenOptions::new().append(true).open(settings).expect("a settings file");
        writeln!(file, "wal_log_hints = on\nfull_page_writes = on").expect("it is written");
    }

    /// A copy of the primary, to be given to [`Self::restore`] when it is old.
    pub fn backup(&self, name: &str) -> PathBuf {
        let target = self.servers[0].home.join(name);
        self.copy_cluster(self.primary(), &target);
        target
    }

    /// Both servers are thrown away, and the backup takes their place: what was committed since is forgotten.
    pub fn restore(&self, backup: &Path) {
        self.kill(0);
        self.kill(1);
        let primary = self.primary();
        let cluster = self.setup(primary).cluster();
        fs::remove_dir_all(&cluster).expect("ours to remove");
        let copied = std::process::Command::new("cp").arg("-a").arg(backup).arg(&cluster).status();
        assert!(copied.expect("cp runs").success(), "the backup cannot be copied");
        self.launch(primary);
        self.commit_alone(primary, true);
        self.copy_standby();
    }

    /// How often a standby was copied from its primary, the first time included: what cannot be rewound is.
    pub fn copies(&self) -> u32 {
        self.state().copies
    }

    /// Makes the other server a copy of the primary, and lets it follow.
    pub(super) fn copy_standby(&self) {
        let standby = 1 - self.primary();
        self.state().copies += 1;
        let cluster = self.setup(standby).cluster();
        if cluster.exists() {
            fs::remove_dir_all(&cluster).expect("ours to remove");
        }
        self.copy_cluster(self.primary(), &cluster);
        self.launch_standby(standby);
    }

    fn copy_cluster(&self, from: usize, to: &Path) {
        let arguments = ["-c", "fast", "--no-sync", "-X", "stream", "-d"].map(str::to_owned);
        let more = [self.url(from), "-D".to_owned(), to.display().to_string()];
        let copied = self.run_tool("pg_basebackup", arguments.iter().chain(&more));
        assert!(copied.is_ok(), "pg_basebackup: {copied:?}");
    }

    pub(super) fn rewind(&self, number: usize) -> bool {
        let source = self.setup(1 - number);
        let server = format!("host={} user=postgres dbname=postgres", source.sockets.display());
        let cluster = self.setup(number).cluster().display().to_string();
        let arguments = [
            "--no-sync".to_owned(),
            format!("--source-server={server}"),
            format!("--target-pgdata={cluster}"),
        ];
        let rewound = self.run_tool("pg_rewind", arguments.iter());
        if let Err(why) = &rewound {
            eprintln!("pg_rewind: {why}; the standby is copied anew");
        }
        rewound.is_ok()
    }

    /// Runs a program of Postgres's as the servers' user; its last words if it failed.
    fn run_tool<'a>(&self, tool: &str, arguments: impl Iterator<Item = &'a String>) -> Result<(), String> {
        let log = self.place.own.join(format!("{tool}.log"));
        let mut command = child::command(self.binaries.dir.join(tool), self.account.as_ref(), Signal::KILL);
        command.args(arguments);
        let mut running = Running::start(command, Signal::TERM, &log).expect("it starts");
        let ended = running.wait(PATIENCE).then(|| running.ended()).flatten();
        if ended.is_some_and(|status| status.success()) { Ok(()) } else { Err(child::last_words(&log)) }
    }
}
