//! A region's Redis: a primary and a replica that follows it.
//!
//! Nothing is kept on disk, so that a server that starts is empty, and has another run id.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use carnet::dev::child::{Account, Running};
use carnet::dev::{Place, Redis};
use redis::{FromRedisValue, RedisResult};
use rustix::process::Signal;

use super::proxy::{Address, Proxy};
use super::{processes, until};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server may take to answer the stage itself.
const ANSWER: Duration = Duration::from_secs(2);

/// The two servers of one region. All of it blocks.
pub struct RedisPair {
    servers: [Server; 2],
    state: Mutex<State>,
    program: PathBuf,
    account: Option<Account>,
    place: Arc<Place>,
}

struct Server {
    name: String,
    home: PathBuf,
    /// Its way to the other, when it is the replica.
    upstream: Proxy,
}

struct State {
    running: [Option<Running>; 2],
    primary: usize,
}

impl RedisPair {
    /// Two empty servers, the first of which is the primary.
    pub fn start(region: &str, place: Arc<Place>, account: Option<Account>, program: PathBuf) -> Self {
        let homes = [0, 1].map(|number| place.sockets.path().join(format!("redis-{region}-{number}")));
        for home in &homes {
            // A region of this name may have been here and gone.
            fs::remove_dir_all(home).ok();
            fs::DirBuilder::new().mode(0o700).create(home).expect("a directory");
            if let Some(account) = &account {
                chown(home, Some(account.uid), Some(account.gid)).expect("ours to give");
            }
        }
        let servers = [0, 1].map(|number| Server {
            name: format!("redis-{region}-{number}"),
            home: homes[number].clone(),
            upstream: Proxy::to(Address::Unix(homes[1 - number].join("redis.sock"))),
        });
        let state = Mutex::new(State { running: [None, None], primary: 0 });
        let pair = Self { servers, state, program, account, place };
        pair.launch(0);
        pair.launch(1);
        pair.await_following();
        pair
    }

    /// Which of the two is the primary.
    pub fn primary(&self) -> usize {
        self.state().primary
    }

    /// Where a server listens.
    pub fn address(&self, number: usize) -> Address {
        Address::Unix(self.servers[number].home.join("redis.sock"))
    }

    /// Runs a command on a server.
    pub fn command<T: FromRedisValue>(&self, number: usize, words: &[&str]) -> RedisResult<T> {
        let client = redis::Client::open(self.setup(number).url())?;
        let mut connection = client.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(ANSWER))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut connection)
    }

    /// Runs a command on the primary, which must answer.
    pub fn tell<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.command(self.primary(), words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Sets a setting of the primary.
    pub fn set(&self, setting: &str, value: &str) {
        self.tell::<()>(&["CONFIG", "SET", setting, value]);
    }

    /// Starts a server that is not running, empty; as what it was.
    pub fn launch(&self, number: usize) {
        let mut state = self.state();
        if state.running[number].as_mut().is_some_and(|running| running.ended().is_none()) {
            return;
        }
        // What a replica got from its primary is there no longer.
        drop(fs::remove_file(self.servers[number].home.join("dump.rdb")));
        let mut setup = self.setup(number);
        if state.primary != number {
            let port = self.servers[number].upstream.port().to_string();
            setup.settings.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), port]);
        }
        state.running[number] = Some(setup.start().unwrap_or_else(|error| panic!("{error}")));
    }

    /// Kills a server; what it held is gone.
    pub fn kill(&self, number: usize) {
        let Some(mut running) = self.state().running[number].take() else { return };
        running.signal(Signal::KILL);
        running.wait(PATIENCE);
    }

    /// A server accepts connections and answers nothing.
    pub fn pause(&self, number: usize) {
        self.signal(number, Signal::STOP);
        let id = self.state().running[number].as_ref().map(Running::id);
        id.into_iter().for_each(processes::await_stopped);
    }

    /// It goes on.
    pub fn resume(&self, number: usize) {
        self.signal(number, Signal::CONT);
    }

    /// The primary is killed and the replica becomes the primary; the number of the former.
    pub fn promote(&self) -> usize {
        self.await_following();
        let former = self.primary();
        self.kill(former);
        self.command::<()>(1 - former, &["REPLICAOF", "NO", "ONE"]).expect("it is promoted");
        self.state().primary = 1 - former;
        former
    }

    /// Whatever does not run runs, and the replica follows.
    pub fn whole(&self) {
        self.launch(self.primary());
        self.launch(1 - self.primary());
        self.await_following();
    }

    fn await_following(&self) {
        until("the replica follows", PATIENCE, || self.is_whole().is_ok());
    }

    /// Whether both run and the replica follows, and nothing is evicted; else what is wrong.
    pub fn is_whole(&self) -> Result<(), String> {
        let words = |error: redis::RedisError| error.to_string();
        let (primary, replica) = (self.primary(), 1 - self.primary());
        let memory = self.command::<String>(primary, &["INFO", "memory"]).map_err(words)?;
        if !memory.contains("maxmemory_policy:noeviction") || !memory.contains("maxmemory:0\r") {
            return Err("its memory is limited".to_owned());
        }
        let follows = self.command::<String>(replica, &["INFO", "replication"]).map_err(words)?;
        let up = follows.contains("master_link_status:up");
        if up { Ok(()) } else { Err("the replica does not follow".to_owned()) }
    }

    fn setup(&self, number: usize) -> Redis {
        let server = &self.servers[number];
        // Without the delay for other replicas that might come.
        let settings = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"];
        Redis {
            program: self.program.clone(),
            account: self.account.clone(),
            socket: server.home.join("redis.sock"),
            log: self.place.own.join(format!("{}.log", server.name)),
            settings: settings.map(str::to_owned).into(),
        }
    }

    fn signal(&self, number: usize, signal: Signal) {
        if let Some(running) = self.state().running[number].as_mut() {
            running.signal(signal);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

impl Drop for RedisPair {
    fn drop(&mut self) {
        // Asked, a primary would wait for its replica.
        self.kill(0);
        self.kill(1);
    }
}
