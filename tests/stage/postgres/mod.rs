//! A primary and its synchronous standby, and everything that can happen to the two.
//!
//! A commit is acknowledged when the standby has it on disk, so that whoever is promoted lacks nothing that anybody was told. After a promotion the
//! former primary is taken back as the new one's standby (`pg_rewind`); until it has caught up the new primary commits alone, and nobody is promoted.
//!
//! Who is primary is this module's business; where the instances' links lead is the stage's.

mod copies;

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carnet::dev::child::{Account, Running};
use carnet::dev::{Place, Postgres, PostgresBinaries};
use rustix::process::Signal;

use super::processes;
use super::proxy::{Address, Proxy};
use super::sql::{Value, sql};
use super::until;

/// The longest that a server may take to follow, to be promoted, to be rewound.
const PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of the former primary when the standby is promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fence {
    /// It is stopped as an administrator would.
    Stopped,
    /// It is killed.
    Killed,
    /// It goes on running. Whether anybody reaches it is a question of links.
    Running,
}

/// The pair. All of it blocks.
pub struct Pair {
    servers: [Server; 2],
    state: Mutex<State>,
    binaries: PostgresBinaries,
    account: Option<Account>,
    place: Arc<Place>,
}

/// What stays of one server, whatever becomes of it.
struct Server {
    number: usize,
    /// Its directory and that of its socket.
    home: PathBuf,
    sockets: PathBuf,
    /// Its way to the other, when it is the standby.
    upstream: Proxy,
}

struct State {
    running: [Option<Running>; 2],
    primary: usize,
    starts: u32,
    copies: u32,
}

impl Pair {
    /// Two new servers, the first of which is the primary.
    pub fn start(place: Arc<Place>, account: Option<Account>, binaries: PostgresBinaries) -> Self {
        let sockets = [0, 1].map(|n| place.sockets.path().join(format!("pg{n}")));
        let servers = [0, 1].map(|number| Server {
            number,
            home: place.data.join(format!("pg{number}")),
            sockets: sockets[number].clone(),
            upstream: Proxy::to(Address::Unix(sockets[1 - number].join(".s.PGSQL.5432"))),
        });
        for directory in servers.iter().flat_map(|server| [&server.home, &server.sockets]) {
            make_private(directory, account.as_ref());
        }
        let state = Mutex::new(State { running: [None, None], primary: 0, starts: 0, copies: 0 });
        let pair = Self { servers, state, binaries, account, place };
        pair.setup(0).prepare().unwrap_or_else(|error| panic!("{error}"));
        pair.prepare_for_rewinding();
        pair.launch(0);
        pair.copy_standby();
        pair
    }

    /// Which of the two is the primary.
    pub fn primary(&self) -> usize {
        self.state().primary
    }

    /// Where a server listens.
    pub fn address(&self, number: usize) -> Address {
        Address::Unix(self.servers[number].sockets.join(".s.PGSQL.5432"))
    }

    /// The URL of a server's database, as its superuser, not by a link.
    pub fn url(&self, number: usize) -> String {
        self.setup(number).url()
    }

    /// Runs statements on the primary.
    pub fn sql(&self, statements: &str) -> Value {
        self.sql_on(self.primary(), statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// Runs statements on this server; what it says against them.
    pub fn sql_on(&self, number: usize, statements: &str) -> Result<Value, String> {
        sql(&self.url(number), statements)
    }

    /// The link by which the standby follows.
    pub fn replication(&self) -> &Proxy {
        &self.servers[1 - self.primary()].upstream
    }

    /// Starts a server again that is not running; as what it was.
    pub fn launch(&self, number: usize) {
        let mut state = self.state();
        if state.running[number].as_mut().is_some_and(|running| running.ended().is_none()) {
            return;
        }
        state.starts += 1;
        let mut setup = self.setup(number);
        setup.log = self.place.own.join(format!("pg{number}-{:03}.log", state.starts));
        setup.prepare().unwrap_or_else(|error| panic!("{error}"));
        let started = setup.start();
        state.running[number] = Some(started.unwrap_or_else(|error| panic!("postgres {number}: {error}")));
    }

    /// Stops a server as an administrator would: clients are cut off, what was committed stays.
    pub fn stop(&self, number: usize) {
        let running = self.state().running[number].take();
        drop(running);
    }

    /// Kills a server with all that belongs to it.
    pub fn kill(&self, number: usize) {
        let Some(mut running) = self.state().running[number].take() else { return };
        running.signal(Signal::KILL);
        running.wait(PATIENCE);
        // Its children notice by themselves; a stopped one would not, and until they have gone nobody else may start.
        let cluster = self.setup(number).cluster();
        until("the killed server's children end", PATIENCE, || {
            processes::signal_in(&cluster, Signal::KILL) == 0
        });
    }

    /// A server and all that belongs to it stand still.
    pub fn pause(&self, number: usize) {
        if let Some(running) = self.state().running[number].as_mut() {
            running.signal(Signal::STOP);
        }
        processes::signal_in(&self.setup(number).cluster(), Signal::STOP);
    }

    /// They go on.
    pub fn resume(&self, number: usize) {
        processes::signal_in(&self.setup(number).cluster(), Signal::CONT);
    }

    /// Fences the primary and promotes the standby, which then commits alone; the number of the former primary.
    pub fn promote(&self, fence: Fence) -> usize {
        self.await_following();
        let former = self.primary();
        let standby = 1 - former;
        match fence {
            Fence::Stopped => self.stop(former),
            Fence::Killed => self.kill(former),
            Fence::Running => {}
        }
        self.commit_alone(standby, true);
        // It must not go on hearing from a primary that goes on running.
        self.sql_on(standby, "SELECT pg_promote(true, 30)").expect("it is promoted");
        self.state().primary = standby;
        until("the new primary writes", PATIENCE, || {
            self.sql_on(standby, "CHECKPOINT; SELECT pg_is_in_recovery()")
                .is_ok_and(|v| v.as_deref() == Some("f"))
        });
        former
    }

    /// Takes the former primary back as the standby of the new one, however it was left, and returns when commits wait for it again. What cannot be
    /// rewound is copied anew.
    pub fn take_back(&self) {
        let standby = 1 - self.primary();
        self.resume(standby);
        self.stop(standby);
        if self.rewind(standby) {
            self.launch_standby(standby);
        } else {
            self.copy_standby();
        }
    }

    /// Waits until the standby follows and commits wait for it.
    pub fn await_following(&self) {
        until("the standby follows", PATIENCE, || self.whole().is_ok());
    }

    /// Whether both run, the standby follows and commits wait for it; else what is wrong.
    pub fn whole(&self) -> Result<(), String> {
        let follows =
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'";
        match self.sql_on(self.primary(), follows)?.as_deref() {
            Some("1") if self.replication().troubles() == 0 => Ok(()),
            Some("1") => Err("the standby's link has trouble".to_owned()),
            _ => Err("the standby does not follow".to_owned()),
        }
    }

    fn launch_standby(&self, number: usize) {
        let signal = self.setup(number).cluster().join("standby.signal");
        fs::write(&signal, "").expect("a directory of ours");
        give(&signal, self.account.as_ref());
        self.launch(number);
        let primary = self.primary();
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        until("the standby streams", PATIENCE, || {
            self.sql_on(primary, streams).is_ok_and(|value| value.as_deref() == Some("1"))
        });
        self.commit_alone(primary, false);
        self.await_following();
    }

    /// Whether commits of this server wait for a standby. Not in the command line, which could not be changed.
    fn commit_alone(&self, number: usize, alone: bool) {
        let names = if alone { "" } else { "*" };
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        self.sql_on(number, &set).expect("it can be set");
        self.sql_on(number, "SELECT pg_reload_conf()").expect("it can be reloaded");
    }

    fn setup(&self, number: usize) -> Postgres {
        let server = &self.servers[number];
        let upstream = format!("host=127.0.0.1 port={} user=postgres", server.upstream.port());
        let settings = [
            format!("cluster_name=pg{}", server.number),
            format!("primary_conninfo={upstream}"),
            // Over what stores that are thrown away are given otherwise.
            "full_page_writes=on".to_owned(),
            "wal_keep_size=512MB".to_owned(),
            // A link that hangs is noticed, and a server that is gone is looked for.
            "wal_sender_timeout=5s".to_owned(),
            "wal_receiver_timeout=5s".to_owned(),
            "wal_retrieve_retry_interval=100ms".to_owned(),
            "max_connections=300".to_owned(),
            "shared_buffers=64MB".to_owned(),
        ];
        Postgres {
            binaries: self.binaries.clone(),
            account: self.account.clone(),
            place: server.home.clone(),
            sockets: server.sockets.clone(),
            log: self.place.own.join(format!("pg{number}.log")),
            durable: false,
            settings: settings.into(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

/// A directory for the servers' user alone.
fn make_private(directory: &Path, account: Option<&Account>) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(directory).expect("a directory");
    give(directory, account);
}

fn give(path: &Path, account: Option<&Account>) {
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid)).expect("ours to give");
    }
}
