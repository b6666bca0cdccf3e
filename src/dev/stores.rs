//! One Postgres and any number of Redis servers, as the one thing that the rest of Carnet asks for.
//!
//! Each server can be stopped and started again by itself: that is how tests find out what an outage looks like.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use super::binaries::Search;
use super::child::{Account, Running};
use super::error::DevError;
use super::place::Place;
use super::postgres::Postgres;
use super::redis::Redis;

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Holds the Postgres cluster, the logs and a lock; made if missing, used again if not.
    pub data_dir: PathBuf,
    /// How many Redis servers: one for each region.
    pub redis_servers: usize,
    /// Whether a commit survives a power cut. `false` is faster, for stores that are thrown away.
    pub durable: bool,
}

/// Private stores that run until this is dropped or the process ends, however it ends.
pub struct Stores {
    database_url: String,
    redis_urls: Vec<String>,
    postgres: Server<Postgres>,
    redis: Vec<Server<Redis>>,
    // Last: the servers stop before their directories are let go.
    place: Place,
}

impl Stores {
    /// Starts everything, and returns when everything answers. It blocks, for seconds the first time in a directory.
    ///
    /// # Errors
    /// Each [`DevError`] says in one line what is missing or in the way. Nothing is left running.
    pub fn start(options: &StoreOptions) -> Result<Self, DevError> {
        let account = Account::for_stores()?;
        let search = Search::of_this_process(account.as_ref());
        let (binaries, program) = (search.postgres()?, search.redis()?);
        let place = Place::take(&options.data_dir, account.as_ref(), options.durable)?;
        let sockets = place.sockets.path().to_path_buf();
        let redis = (0..options.redis_servers).map(|number| Redis {
            program: program.clone(),
            account: account.clone(),
            socket: sockets.join(format!("redis-{number}.sock")),
            log: place.own.join(format!("redis-{number}.log")),
            settings: Vec::new(),
        });
        let redis: Vec<_> = redis.map(Server::stopped).collect();
        let postgres = Server::stopped(Postgres {
            binaries,
            account: account.clone(),
            place: place.data.clone(),
            sockets,
            log: place.own.join("postgres.log"),
            durable: options.durable,
            settings: Vec::new(),
        });
        postgres.setup.prepare()?;
        let database_url = postgres.setup.url();
        let redis_urls = redis.iter().map(|server| server.setup.url()).collect();
        let stores = Self { database_url, redis_urls, postgres, redis, place };
        stores.start_postgres()?;
        (0..options.redis_servers).try_for_each(|number| stores.start_redis(number))?;
        Ok(stores)
    }

    /// The database `carnet`, as its superuser, over a Unix socket; libpq, psycopg and `tokio-postgres` take it.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// One URL for each Redis server, over a Unix socket; `redis-rs` and redis-py take it.
    #[must_use]
    pub fn redis_urls(&self) -> &[String] {
        &self.redis_urls
    }

    /// Where the data really is: the data directory, unless the stores' user may not enter it.
    #[must_use]
    pub fn data_place(&self) -> &std::path::Path {
        &self.place.data
    }

    /// Stops Postgres as an administrator would: clients are cut off, what was committed stays.
    pub fn stop_postgres(&self) {
        self.postgres.stop();
    }

    /// Starts Postgres again, under the same URL. Does nothing if it runs.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub fn start_postgres(&self) -> Result<(), DevError> {
        self.postgres.start(Postgres::start)
    }

    /// Stops one Redis server. What it held is gone.
    ///
    /// # Panics
    /// When there is no server of that number.
    pub fn stop_redis(&self, number: usize) {
        self.redis[number].stop();
    }

    /// Starts one Redis server again, empty, under the same URL. Does nothing if it runs.
    ///
    /// # Errors
    /// When it does not come up in time.
    ///
    /// # Panics
    /// When there is no server of that number.
    pub fn start_redis(&self, number: usize) -> Result<(), DevError> {
        self.redis[number].start(Redis::start)
    }

    /// Lets one Redis server hang: it accepts connections and answers nothing, until [`Self::resume_redis`].
    ///
    /// # Panics
    /// When there is no server of that number.
    pub fn pause_redis(&self, number: usize) {
        self.redis[number].signal(Signal::STOP);
    }

    /// Lets a paused Redis server go on.
    ///
    /// # Panics
    /// When there is no server of that number.
    pub fn resume_redis(&self, number: usize) {
        self.redis[number].signal(Signal::CONT);
    }

    /// Stops everything and waits until it has ended. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (postgres, redis) = (&self.database_url, &self.redis_urls);
        f.debug_struct("Stores")
            .field("database_url", postgres)
            .field("redis_urls", redis)
            .finish_non_exhaustive()
    }
}

/// How to start one server, and the server while it runs.
struct Server<T> {
    setup: T,
    running: Mutex<Option<Running>>,
}

impl<T> Server<T> {
    fn stopped(setup: T) -> Self {
        Self { setup, running: Mutex::new(None) }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, start: impl FnOnce(&T) -> Result<Running, DevError>) -> Result<(), DevError> {
        let mut running = self.running();
        if running.as_mut().is_none_or(|server| server.ended().is_some()) {
            *running = Some(start(&self.setup)?);
        }
        Ok(())
    }

    fn stop(&self) {
        drop(self.running().take());
    }

    fn signal(&self, signal: Signal) {
        if let Some(server) = self.running().as_mut() {
            server.signal(signal);
        }
    }
}
