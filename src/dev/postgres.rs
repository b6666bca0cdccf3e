//! A private Postgres: its cluster made once, its server started, watched until it is ready, and given its database.
//!
//! It listens on one Unix socket in a directory that only its own user may enter, which is why `trust` will do for
//! authentication. Settings go on the command line, so that nothing in the cluster needs to be edited.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::binaries::PostgresBinaries;
use super::child::{self, Account, POLL, Running, last_words};
use super::error::{DevError, Doing};

/// The cluster's directory, inside the place that the data has.
pub(super) const CLUSTER: &str = "postgres";
/// The database that Carnet finds there, and the superuser that it comes as.
const DATABASE: &str = "carnet";
const SUPERUSER: &str = "postgres";
/// How long `initdb` may take, and how long the server may take to be ready (it may have a crash to recover from).
const INITDB_LIMIT: Duration = Duration::from_mins(1);
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait for the server of a supervisor that was killed: it is on its way out.
const FORMER_SERVER_LIMIT: Duration = Duration::from_secs(10);

/// All that is needed to start the server, again and again.
#[derive(Debug)]
pub struct Postgres {
    /// Of one version.
    pub binaries: PostgresBinaries,
    /// Whom it runs as.
    pub account: Option<Account>,
    /// The parent of the cluster's directory.
    pub place: PathBuf,
    /// Where its socket is; only its own user may enter.
    pub sockets: PathBuf,
    /// What the server says; starts afresh with it.
    pub log: PathBuf,
    /// Whether a commit must survive a power cut. Off for stores that are thrown away.
    pub durable: bool,
    /// More settings, `name=value`; they win over ours.
    pub settings: Vec<String>,
}

impl Postgres {
    /// The URL of the database, in the one form that libpq, psycopg and `tokio-postgres` all take for a socket.
    #[must_use]
    pub fn url(&self) -> String {
        let host = self.sockets.to_string_lossy();
        let host = percent_encoding::utf8_percent_encode(&host, percent_encoding::NON_ALPHANUMERIC);
        format!("postgresql://{SUPERUSER}@{host}/{DATABASE}")
    }

    /// The cluster's directory.
    #[must_use]
    pub fn cluster(&self) -> PathBuf {
        self.place.join(CLUSTER)
    }

    /// Makes the cluster if there is none, and checks that the one that is there can be used.
    ///
    /// # Errors
    /// When it cannot be made, or is somebody else's.
    pub fn prepare(&self) -> Result<(), DevError> {
        let cluster = self.cluster();
        if !cluster.exists() {
            return self.make_cluster();
        }
        let owner = fs::metadata(&cluster).doing("look at", &cluster)?.uid();
        let user =
            self.account.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |account| account.uid);
        if owner != user {
            let name = self
                .account
                .as_ref()
                .map_or_else(|| format!("user id {user}"), |account| account.name.clone());
            return Err(DevError::OtherOwner { dir: cluster, owner, user: name });
        }
        let version = cluster.join("PG_VERSION");
        let made_by = fs::read_to_string(&version).doing("read", &version)?.trim().to_owned();
        let found = self.binaries.major;
        if made_by != found.to_string() {
            return Err(DevError::OtherVersion { dir: cluster, made_by, found });
        }
        wait_for_former_server(&cluster)
    }

    /// `initdb` into a directory beside, which takes the cluster's name when it is whole: one that was killed on the
    /// way is never mistaken for a cluster.
    fn make_cluster(&self) -> Result<(), DevError> {
        let unfinished = self.place.join("postgres.unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).doing("remove", &unfinished)?;
        }
        DirBuilder::new().mode(0o700).create(&unfinished).doing("make", &unfinished)?;
        if let Some(account) = &self.account {
            chown(&unfinished, Some(account.uid), Some(account.gid)).doing("hand over", &unfinished)?;
        }
        let mut initdb =
            child::command(self.binaries.dir.join("initdb"), self.account.as_ref(), Signal::TERM);
        initdb.args(["--auth=trust", "--no-locale", "--encoding=UTF8", "--username", SUPERUSER]);
        if !self.durable {
            initdb.arg("--no-sync");
        }
        initdb.arg("--pgdata").arg(&unfinished);
        let mut running = Running::start(initdb, Signal::TERM, &self.log)?;
        if !running.wait(INITDB_LIMIT) {
            return Err(self.not_ready("initdb", INITDB_LIMIT));
        }
        if !running.ended().is_some_and(|status| status.success()) {
            return Err(DevError::Exited { what: "initdb".to_owned(), last_words: last_words(&self.log) });
        }
        fs::rename(&unfinished, self.cluster()).doing("rename", &unfinished)
    }

    /// Starts the server and waits until it takes connections and has its database. It blocks.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub fn start(&self) -> Result<Running, DevError> {
        let mut server =
            child::command(self.binaries.dir.join("postgres"), self.account.as_ref(), Signal::INT);
        server.arg("-D").arg(self.cluster()).arg("-k").arg(&self.sockets);
        let settings = [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "port=5432", // names the socket, nothing else
            "max_connections=200",
            "synchronous_commit=on",
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        let hasty = ["fsync=off", "full_page_writes=off"];
        let ours = settings.iter().chain(hasty.iter().filter(|_| !self.durable)).copied();
        for setting in ours.chain(self.settings.iter().map(String::as_str)) {
            server.arg("-c").arg(setting);
        }
        // SIGINT is Postgres's fast shutdown; SIGTERM would wait for every client to leave.
        let mut running = Running::start(server, Signal::INT, &self.log)?;
        self.wait_until_ready(&mut running)?;
        on_a_runtime_of_its_own(&self.sockets)?;
        Ok(running)
    }

    /// The eighth line of `postmaster.pid` turns to `ready`: what `pg_ctl --wait` looks at, too.
    fn wait_until_ready(&self, running: &mut Running) -> Result<(), DevError> {
        let state = self.cluster().join("postmaster.pid");
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let text = fs::read_to_string(&state).unwrap_or_default();
            let (pid, ready) = (text.lines().next(), text.lines().nth(7));
            if pid == Some(&running.id().to_string()) && ready.is_some_and(|word| word.trim() == "ready") {
                return Ok(());
            }
            if running.ended().is_some() {
                return Err(DevError::Exited {
                    what: "Postgres".to_owned(),
                    last_words: last_words(&self.log),
                });
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready("Postgres", READY_LIMIT));
            }
            thread::sleep(POLL);
        }
    }

    fn not_ready(&self, what: &str, limit: Duration) -> DevError {
        DevError::NotReady {
            what: what.to_owned(),
            seconds: limit.as_secs(),
            last_words: last_words(&self.log),
        }
    }
}

/// The server that runs in `cluster`, if one does. Its lock file may be left over from a crash and its number somebody
/// else's by now, but only a server of this cluster works *in* it.
pub(super) fn server_in(cluster: &Path) -> Option<u32> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (works_in == fs::canonicalize(cluster).ok()?).then_some(pid)
}

/// Lets the server of a killed supervisor finish, and clears away a lock file that a crash has left: Postgres itself
/// would take any process with that number for its other self.
fn wait_for_former_server(cluster: &Path) -> Result<(), DevError> {
    let deadline = Instant::now() + FORMER_SERVER_LIMIT;
    while let Some(pid) = server_in(cluster) {
        if Instant::now() >= deadline {
            return Err(DevError::InUse { dir: cluster.to_path_buf(), pid: pid.to_string() });
        }
        thread::sleep(POLL);
    }
    let left_over = cluster.join("postmaster.pid");
    if left_over.exists() {
        fs::remove_file(&left_over).doing("remove", &left_over)?;
    }
    Ok(())
}

/// Runs [`create_database`] on a thread without a runtime, for our caller may well be inside one.
fn on_a_runtime_of_its_own(sockets: &Path) -> Result<(), DevError> {
    let in_a_runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.doing("wait for", sockets)?.block_on(create_database(sockets))
    };
    thread::scope(|scope| scope.spawn(in_a_runtime).join()).expect("creating a database does not panic")
}

/// Creates the database unless it is there.
async fn create_database(sockets: &Path) -> Result<(), DevError> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(sockets).user(SUPERUSER).dbname("postgres").connect_timeout(READY_LIMIT);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let known = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&DATABASE]).await?;
    if known.is_none() {
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}
