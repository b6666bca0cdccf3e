//! The stage of the fault suite: real processes, and everything that can happen to them.
//!
//! One idea: whoever writes a workload gets urls and a list of faults, and never starts, finds or heals anything. A Postgres primary with a synchronous
//! standby, a Redis primary with a replica for each region, instances of `carnet serve` with links of their own to both; all of it real, private, and
//! gone when the stage is dropped or this process ends, however it ends.
//!
//! **All of it blocks.** Call it from a plain `#[test]`, a thread of your own (the one who breaks things), or `spawn_blocking`. `&Stage` may be shared
//! between threads: one breaks, others ask. What does not work panics, and says what.
//!
//! ```ignore
//! let stage = Stage::start(StageOptions { regions: 3, instances: 3, lease_seconds: 3, ..StageOptions::default() });
//! stage.admin                      // tsg_id, client_id, client_secret; its secret is valid already
//! stage.regions()                  // Vec<Arc<Region>>: name, redis, instances
//! stage.instances()                // Vec<Arc<Instance>>: region, number, url, health_url, log, is_ready(), …
//! stage.database_url()             // the present primary, as superuser, by no link (for the checker's look at the end)
//! stage.sql("SELECT …")            // there, one value as text
//! stage.redis(&region)             // region.redis.tell(&["DBSIZE"])
//!
//! let mut chance = Chance::of(seed);                       // stage::proxy::chance::Chance, stable in every version
//! let kind = *chance.one_of(&stage.faults());          // fault::Kind, those that this stage can play
//! let fault = fault::Fault::plan(kind, &stage, &mut chance);      // chooses scope and strength; nothing happens yet
//! fault.to_string(), fault.thing(), fault.holds_for()      // for the log; what it touches; how long it should last
//! let begun = fault.begin(&stage);                         // blocks until it bites
//! std::thread::sleep(fault.holds_for());
//! begun.heal(&stage);                                      // blocks until that part is whole again
//! stage.await_whole();                                     // at the end: everything runs, follows, is ready
//! ```
//!
//! Several faults may be there at once when none [`fault::Thing::touches`] another's. A `Begun` that is dropped is not healed.
//!
//! What is no fault of chance but a tale of its own is told with the parts: `instance.database` and `instance.redis` are links ([`proxy::Proxy`]: impose
//! and lift, freeze, close, reset, lead elsewhere); `stage.postgres` can be promoted, taken back, backed up and restored ([`postgres::Pair`]);
//! `region.redis` is [`redis::RedisPair`].
//!
//! An instance that cannot start ends, as it does with Postgres away; [`Stage::await_whole`] starts it again, as a supervisor would, and
//! `instance.ended_by_itself()` counts it. Instances say JSON to `instance.log`, one start after the other; `StageOptions::log` is their `CARNET_LOG`,
//! `StageOptions::logs` a directory that stays. `CARNET_BIN` puts another build on stage.

pub mod ask;
pub mod fault;
pub mod instance;
pub mod postgres;
mod processes;
pub mod proxy;
pub mod redis;
mod region;
pub mod sql;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use carnet::dev::child::Account;
use carnet::dev::{Place, Search};
use tempfile::TempDir;

pub use fault::Kind;
pub use instance::Instance;
pub use postgres::{Fence, Pair};
pub use region::Region;

/// Any valid master key.
const MASTER_KEY: &str = "stage:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// How regions are called, as far as it goes.
const NAMES: [&str; 6] = ["eu", "us", "ap", "sa", "af", "me"];
/// How long everything may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(45);

/// What to build.
#[derive(Clone, Debug)]
pub struct StageOptions {
    pub regions: usize,
    /// In each region.
    pub instances: usize,
    /// What a question from another region than the first, where Postgres is, and its answer take longer together.
    pub delay_between_regions: Duration,
    pub lease_seconds: u64,
    /// Decides jitter. Faults have a seed of their own.
    pub seed: u64,
    /// `CARNET_LOG` of the instances. The protocol log is `carnet::protocol=debug`.
    pub log: String,
    /// Where logs go, if they are to stay.
    pub logs: Option<PathBuf>,
    /// More settings of every instance, as variables (`CARNET_…`); they win.
    pub settings: Vec<(String, String)>,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            regions: 1,
            instances: 3,
            delay_between_regions: Duration::ZERO,
            lease_seconds: 3,
            seed: 0,
            log: "warn,deadpool=error,carnet=info".to_owned(),
            logs: None,
            settings: Vec::new(),
        }
    }
}

/// The administrator of the stage's tenant, who may do everything in it.
#[derive(Clone, Debug)]
pub struct Admin {
    pub tsg_id: String,
    pub client_id: String,
    pub client_secret: String,
}

/// Everything that runs. Dropping it ends all of it.
pub struct Stage {
    pub options: StageOptions,
    pub admin: Admin,
    pub postgres: Pair,
    regions: RwLock<Vec<Arc<Region>>>,
    account: Option<Account>,
    // Last: directories go when nobody is in them.
    place: Arc<Place>,
    _directory: TempDir,
}

impl Stage {
    /// Builds all of it, and returns when every instance is ready and the administrator's secret is valid.
    pub fn start(options: StageOptions) -> Self {
        let directory = tempfile::Builder::new().prefix("carnet-stage-").tempdir().expect("a directory");
        let account = Account::for_stores().unwrap_or_else(|error| panic!("{error}"));
        let place = Place::take(&directory.path().join("stores"), account.as_ref(), false);
        let place = Arc::new(place.unwrap_or_else(|error| panic!("{error}")));
        let binaries = Search::of_this_process(account.as_ref()).postgres();
        let binaries = binaries.unwrap_or_else(|error| panic!("{error}"));
        let postgres = Pair::start(Arc::clone(&place), account.clone(), binaries);
        let admin = Admin { tsg_id: String::new(), client_id: String::new(), client_secret: String::new() };
        let regions = RwLock::default();
        let mut stage = Self { options, admin, postgres, regions, account, place, _directory: directory };
        stage.admin = stage.found();
        for name in NAMES.iter().take(stage.options.regions) {
            stage.add_region(name);
            // The very first region is required at once; the others join it.
            stage.await_whole();
        }
        let required = Some(stage.options.regions.to_string());
        until("every region is required", PATIENCE, || {
            stage.sql("SELECT count(*) FROM region WHERE state = 'required'") == required
        });
        stage.await_admin();
        stage
    }

    /// The regions of now.
    pub fn regions(&self) -> Vec<Arc<Region>> {
        self.regions.read().expect("no panic").clone()
    }

    /// One region.
    pub fn region(&self, name: &str) -> Arc<Region> {
        self.regions().into_iter().find(|region| region.name == name).expect("a region of that name")
    }

    /// The instances of all regions.
    pub fn instances(&self) -> Vec<Arc<Instance>> {
        self.regions().iter().flat_map(|region| region.instances.clone()).collect()
    }

    /// The URL of the present primary's database, as its superuser, by no link.
    pub fn database_url(&self) -> String {
        self.postgres.url(self.postgres.primary())
    }

    /// Runs statements on the present primary; their first value, as text.
    pub fn sql(&self, statements: &str) -> sql::Value {
        self.postgres.sql(statements)
    }

    /// Runs a command of the program against the present primary; what it printed, or what it said against it.
    pub fn carnet(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(arguments, &[])
    }

    /// Runs `carnet …` as the administrator, against an instance that is ready.
    pub fn carnet_as_admin(&self, arguments: &[&str]) -> Result<String, String> {
        let ready = self.instances().into_iter().find(|instance| instance.is_ready());
        let url = ready.ok_or("no instance is ready")?.url.clone();
        let Admin { client_id, client_secret, .. } = &self.admin;
        let who = [
            ("CARNET_URL", url.as_str()),
            ("CARNET_CLIENT_ID", client_id),
            ("CARNET_CLIENT_SECRET", client_secret),
        ];
        self.run(arguments, &who)
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
        let mut command = std::process::Command::new(program());
        // Where no settings file is.
        command.args(arguments).env_clear().envs(self.settings()).current_dir("/");
        let url = self.database_url().replace("postgres@", "carnet@");
        command.env("CARNET_DATABASE_URL", url).env("CARNET_REDIS_URL", "redis://127.0.0.1:1");
        command.env("CARNET_REGION", NAMES[0]).envs(variables.iter().copied());
        let output = command.output().expect("the program is there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Starts one more region; it joins.
    pub fn add_region(&self, name: &str) -> Arc<Region> {
        let search = Search::of_this_process(self.account.as_ref());
        let program = search.redis().unwrap_or_else(|error| panic!("{error}"));
        let far = !self.regions().is_empty();
        let region = Region::start(self, name, program, far);
        self.regions.write().expect("no panic").push(Arc::clone(&region));
        region
    }

    /// Ends a region's instances and forgets it. That the database forgets it, too, is its operator's business.
    pub fn remove_region(&self, name: &str) {
        let mut regions = self.regions.write().expect("no panic");
        if let Some(at) = regions.iter().position(|region| region.name == name) {
            let region = regions.remove(at);
            drop(regions);
            region.instances.iter().for_each(|instance| instance.stop());
        }
    }

    /// Leads the links of all instances to the present primary. Their connections of now are closed.
    pub fn lead_to_primary(&self) {
        let primary = self.postgres.address(self.postgres.primary());
        for instance in self.instances() {
            instance.database.lead_to(primary.clone());
            instance.database.close();
        }
    }

    /// Waits until everything is as it was at the start: every process runs, the standbys follow, no link has trouble, every instance is ready.
    /// An instance that has ended by itself is started again, as a supervisor would.
    pub fn await_whole(&self) {
        let began = Instant::now();
        loop {
            self.instances().iter().for_each(|instance| instance.launch());
            match self.whole() {
                Ok(()) => return,
                Err(why) => assert!(began.elapsed() < PATIENCE, "the stage is not whole: {why}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is not as it was at the start.
    pub fn whole(&self) -> Result<(), String> {
        self.postgres.whole()?;
        for region in self.regions() {
            region.redis.is_whole().map_err(|why| format!("Redis of {}: {why}", region.name))?;
            for instance in &region.instances {
                instance.is_whole().map_err(|why| format!("{}: {why}", instance.name()))?;
            }
        }
        Ok(())
    }

    /// The kinds of fault that can be played here.
    pub fn faults(&self) -> Vec<Kind> {
        Kind::all().into_iter().filter(|kind| kind.is_possible(self)).collect()
    }

    /// Settings of every instance, and of commands.
    fn settings(&self) -> BTreeMap<String, String> {
        let own = [
            ("CARNET_MASTER_KEYS", MASTER_KEY.to_owned()),
            // One for all, or a token of one would be no token of another.
            ("CARNET_ISSUER", "http://stage.carnet.local".to_owned()),
            ("CARNET_LEASE_SECONDS", self.options.lease_seconds.to_string()),
            ("CARNET_POLL_INTERVAL_MS", "100".to_owned()),
            ("CARNET_DATABASE_CONNECTIONS", "12".to_owned()),
            ("CARNET_WORKERS", "1".to_owned()),
            // All the load comes from one address, and much of it is meant to be refused.
            ("CARNET_CLIENT_TOKENS_PER_MINUTE", "0".to_owned()),
            ("CARNET_TENANT_TOKENS_PER_MINUTE", "0".to_owned()),
            ("CARNET_ADDRESS_REQUESTS_PER_MINUTE", "0".to_owned()),
            ("CARNET_CLIENT_FAILURES_PER_MINUTE", "0".to_owned()),
            ("CARNET_ADDRESS_FAILURES_PER_MINUTE", "0".to_owned()),
            ("CARNET_LOG", self.options.log.clone()),
            ("CARNET_LOG_FORMAT", "json".to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        own.into_iter().chain(self.options.settings.iter().cloned()).collect()
    }

    /// The database as an operator makes it: a role that is no superuser, the schema, the first tenant.
    fn found(&self) -> Admin {
        self.sql("CREATE ROLE carnet LOGIN CREATEROLE");
        self.sql("ALTER DATABASE carnet OWNER TO carnet");
        self.carnet(&["migrate"]).unwrap_or_else(|error| panic!("migrate: {error}"));
        let made = self.carnet(&["bootstrap", "--tenant", "Stage"]);
        let made = made.unwrap_or_else(|error| panic!("bootstrap: {error}"));
        let value = |name: &str| {
            let line = made.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("no {name} in {made}")).to_owned()
        };
        Admin {
            tsg_id: value("tsg_id"),
            client_id: value("client_id"),
            client_secret: value("client_secret"),
        }
    }

    fn await_admin(&self) {
        until("the administrator's secret is valid everywhere", PATIENCE, || {
            self.instances().iter().all(|instance| self.token_status(instance) == Some(200))
        });
    }

    /// What an instance answers when the administrator asks for a token; nothing if it does not answer within two seconds.
    pub fn token_status(&self, instance: &Instance) -> Option<u16> {
        let (id, secret) = (&self.admin.client_id, &self.admin.client_secret);
        ask::token(instance.api, id, secret, Duration::from_secs(2)).ok().map(|said| said.status)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // While Postgres and Redis are still there, but without good-byes: some links may be dead.
        self.instances().iter().for_each(|instance| instance.kill());
    }
}

/// The program that is put on stage: the one that these tests were built with, or another (a release build, say).
fn program() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_carnet"));
    std::env::var_os("CARNET_BIN").map_or_else(built, PathBuf::from)
}

/// Waits for something that nobody announces.
pub fn until(what: &str, limit: Duration, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
