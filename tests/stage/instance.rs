//! One `carnet serve`, with links of its own to Postgres and to its region's Redis.
//!
//! Its ports stay when it starts again; what the protocol knows it by does not, for every process draws that anew.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use carnet::dev::child::{self, Running};
use rustix::process::Signal;

use super::proxy::Proxy;
use super::{ask, processes};

/// What stands in a log before each start. Whoever was killed before may have left half a line.
pub const STARTED: &str = "\n# started\n";
/// How long it may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a look at its health may take.
const LOOK: Duration = Duration::from_millis(500);

/// A server, whether it runs or not. All of it blocks.
pub struct Instance {
    pub region: String,
    /// From 0, in its region.
    pub number: usize,
    /// Where its API is, without a trailing slash.
    pub url: String,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub health_url: String,
    pub api: SocketAddr,
    pub health: SocketAddr,
    /// Its link to the Postgres primary.
    pub database: Proxy,
    /// Its link to its region's Redis primary.
    pub redis: Proxy,
    /// What it says, in lines of JSON, one start after the other.
    pub log: PathBuf,
    program: PathBuf,
    settings: Vec<(String, String)>,
    running: Mutex<Option<Running>>,
    ended_by_itself: AtomicUsize,
}

/// What an instance is made of.
pub struct Setup {
    pub region: String,
    pub number: usize,
    pub database: Proxy,
    pub redis: Proxy,
    pub log: PathBuf,
    pub program: PathBuf,
    /// Variables of its environment beside those that say where things are; the last of a name wins.
    pub settings: Vec<(String, String)>,
}

impl Instance {
    /// An instance that does not run yet.
    pub fn new(setup: Setup) -> Self {
        let Setup { region, number, database, redis, log, program, settings: given } = setup;
        let (api, health) = (free_address(), free_address());
        let own = [
            ("CARNET_REGION", region.clone()),
            ("CARNET_BIND", api.to_string()),
            ("CARNET_HEALTH_BIND", health.to_string()),
            ("CARNET_DATABASE_URL", database.database_url("carnet").replace("postgres@", "carnet@")),
            ("CARNET_REDIS_URL", format!("redis://127.0.0.1:{}", redis.port())),
        ];
        let mut settings: Vec<_> = own.map(|(name, value)| (name.to_owned(), value)).into();
        settings.extend(given);
        let (url, health_url) = (format!("http://{api}"), format!("http://{health}"));
        Self {
            region,
            number,
            url,
            health_url,
            api,
            health,
            database,
            redis,
            log,
            program,
            settings,
            running: Mutex::new(None),
            ended_by_itself: AtomicUsize::new(0),
        }
    }

    /// As people call it: `eu/0`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.region, self.number)
    }

    /// Starts it, if it does not run, and does not wait for anything.
    pub fn launch(&self) {
        self.launch_with(&[]);
    }

    /// The same with more variables in its environment, which win.
    pub fn launch_with(&self, more: &[(&str, &str)]) {
        let mut running = self.running();
        match running.as_mut().map(Running::ended) {
            Some(None) => return,
            Some(Some(_)) => drop(self.ended_by_itself.fetch_add(1, Ordering::Relaxed)),
            None => {}
        }
        let mut command = child::command(&self.program, None, Signal::KILL);
        command.arg("serve").envs(self.settings.iter().cloned()).envs(more.iter().copied());
        let mut log = OpenOptions::new().append(true).create(true).open(&self.log).expect("a log");
        log.write_all(STARTED.as_bytes()).expect("a log that takes a line");
        let started = Running::start_saying(command, Signal::TERM, log);
        *running = Some(started.unwrap_or_else(|error| panic!("{}: {error}", self.name())));
    }

    /// Whether its process is there.
    pub fn runs(&self) -> bool {
        self.running().as_mut().is_some_and(|running| running.ended().is_none())
    }

    /// How often it had ended by itself when it was started again: it does so when it cannot start, with Postgres away, say.
    pub fn ended_by_itself(&self) -> usize {
        self.ended_by_itself.load(Ordering::Relaxed)
    }

    /// Its process number, if it runs.
    pub fn id(&self) -> Option<u32> {
        self.running().as_ref().map(Running::id)
    }

    /// Whether it says that it holds a lease.
    pub fn is_ready(&self) -> bool {
        ask::get(self.health, "/readyz", LOOK).is_ok_and(|said| said.status == 200)
    }

    /// Whether it runs, is ready and has no trouble; else what is wrong.
    pub fn is_whole(&self) -> Result<(), String> {
        if !self.runs() {
            return Err(format!("it does not run: {}", child::last_words(&self.log)));
        }
        if self.database.troubles() + self.redis.troubles() > 0 {
            return Err("a link of it has trouble".to_owned());
        }
        if self.is_ready() { Ok(()) } else { Err(format!("it is not ready ({})", self.log.display())) }
    }

    /// Asks it to end, and waits until it has: it finishes what is under way, and gives its lease back.
    pub fn stop(&self) {
        let running = self.running().take();
        drop(running);
    }

    /// Kills it.
    pub fn kill(&self) {
        let Some(mut running) = self.running().take() else { return };
        running.signal(Signal::KILL);
        assert!(running.wait(PATIENCE), "{} cannot be killed", self.name());
    }

    /// It stands still.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        self.id().into_iter().for_each(processes::await_stopped);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = self.running().as_mut() {
            running.signal(signal);
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().expect("no panic")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address that stays free while its server is away: not one of the ports that the kernel hands out by itself, and at
/// a loopback address that no other process of tests has, so that nobody else takes it.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 64 + high, middle, low], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
