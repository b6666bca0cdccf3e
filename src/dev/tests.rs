//! The promises of the private stores, each tried on real servers.

mod killed;

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use super::child::Account;
use super::{DevError, StoreOptions, Stores};

fn options(dir: &Path) -> StoreOptions {
    StoreOptions { data_dir: dir.to_path_buf(), redis_servers: 1, durable: false }
}

/// Runs one statement on a connection of its own.
fn sql(stores: &Stores, statement: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(stores.database_url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let messages = client.simple_query(statement).await?;
        let first_column = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(first_column).collect())
    })
}

/// Runs one Redis command on a connection of its own.
fn redis(stores: &Stores, number: usize, words: &[&str]) -> redis::RedisResult<redis::Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = redis::Client::open(stores.redis_urls()[number].as_str())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await
    })
}

fn text(value: &str) -> redis::Value {
    redis::Value::BulkString(value.as_bytes().to_vec())
}

/// The command lines of the processes that work in one of `dirs`, which each of the stores' processes does.
pub(super) fn processes_in(dirs: &[PathBuf]) -> Vec<String> {
    let works_inside = |pid: &Path| {
        let works_in = fs::read_link(pid.join("cwd")).unwrap_or_default();
        dirs.iter().any(|dir| works_in.starts_with(dir))
    };
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let names = all.filter(|pid| works_inside(pid));
    names.map(|pid| fs::read_to_string(pid.join("cmdline")).unwrap_or_default()).collect()
}

pub(super) fn wait_until(what: &str, limit: Duration, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn sockets_of(stores: &Stores) -> PathBuf {
    let socket = stores.redis_urls()[0].strip_prefix("unix://").unwrap();
    Path::new(socket).parent().unwrap().to_path_buf()
}

#[test]
fn a_second_start_is_quick_and_finds_the_data_of_the_first() {
    let dir = TempDir::new().unwrap();
    let began = Instant::now();
    let stores = Stores::start(&options(dir.path())).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "first start: {:?}", began.elapsed());
    sql(&stores, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')").unwrap();
    redis(&stores, 0, &["SET", "word", "gone"]).unwrap();
    let sockets = sockets_of(&stores);
    let door = fs::metadata(&sockets).unwrap();
    let data = fs::metadata(stores.data_place().join("postgres")).unwrap();
    assert_eq!(door.mode() & 0o777, 0o700, "nobody else gets at the sockets");
    assert_eq!(data.uid(), door.uid());
    assert_ne!(data.uid(), 0, "root hands over to somebody else");
    let places = [stores.data_place().to_path_buf(), sockets.clone()];
    stores.stop();
    assert_eq!(processes_in(&places), Vec::<String>::new());
    assert!(!sockets.exists());
    assert!(fs::symlink_metadata(dir.path().join("sockets")).is_err());

    let began = Instant::now();
    let stores = Stores::start(&options(dir.path())).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "second start: {:?}", began.elapsed());
    assert_eq!(sql(&stores, "SELECT word FROM kept").unwrap(), ["here"]);
    assert_eq!(redis(&stores, 0, &["GET", "word"]).unwrap(), redis::Value::Nil);
}

#[test]
fn two_directories_do_not_collide_and_nobody_listens_on_a_port() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut both = options(one.path());
    both.redis_servers = 2;
    let first = Stores::start(&both).unwrap();
    let second = Stores::start(&options(two.path())).unwrap();
    sql(&first, "CREATE TABLE first_only ()").unwrap();
    assert!(sql(&second, "TABLE first_only").is_err());
    redis(&first, 0, &["SET", "word", "zero"]).unwrap();
    redis(&first, 1, &["SET", "word", "one"]).unwrap();
    assert_eq!(redis(&first, 0, &["GET", "word"]).unwrap(), text("zero"));
    assert_eq!(redis(&second, 0, &["GET", "word"]).unwrap(), redis::Value::Nil);
    assert_eq!(sql(&first, "SHOW listen_addresses").unwrap(), [""]);
    let port = redis(&first, 0, &["CONFIG", "GET", "port"]).unwrap();
    assert_eq!(port, redis::Value::Array(vec![text("port"), text("0")]));
}

#[test]
fn a_directory_in_use_is_refused_in_one_line_and_free_again_afterwards() {
    let dir = TempDir::new().unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    let refusal = Stores::start(&options(dir.path())).unwrap_err();
    assert!(matches!(refusal, DevError::InUse { .. }), "{refusal}");
    let expected = format!("is in use by process {}", std::process::id());
    assert!(refusal.to_string().contains(&expected), "{refusal}");
    sql(&stores, "SELECT 1").expect("the first goes on");
    stores.stop();
    Stores::start(&options(dir.path())).unwrap();
}

#[test]
fn data_of_another_postgres_is_refused_with_the_way_out() {
    let dir = TempDir::new().unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    let cluster = stores.data_place().join("postgres");
    stores.stop();
    fs::write(cluster.join("PG_VERSION"), "9.6\n").unwrap();
    let refusal = Stores::start(&options(dir.path())).unwrap_err().to_string();
    assert!(refusal.contains("was made by Postgres 9.6"), "{refusal}");
}

#[test]
fn an_initdb_cut_short_is_done_again() {
    let dir = TempDir::new().unwrap();
    let unfinished = dir.path().join("postgres.unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    assert_eq!(sql(&stores, "SELECT current_database()").unwrap(), ["carnet"]);
}

/// Postgres itself would take any process of its own user for its other self.
#[test]
fn a_lock_file_of_a_crash_is_cleared_even_when_its_number_is_taken() {
    let (crashed, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let stores = Stores::start(&options(crashed.path())).unwrap();
    let left_over = stores.data_place().join("postgres/postmaster.pid");
    stores.stop();
    let others = Stores::start(&options(other.path())).unwrap();
    fs::copy(others.data_place().join("postgres/postmaster.pid"), left_over).unwrap();
    Stores::start(&options(crashed.path())).unwrap();
}

#[test]
fn a_start_waits_for_a_former_server_that_is_on_its_way_out() {
    let dir = TempDir::new().unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    sql(&stores, "CREATE TABLE kept ()").unwrap();
    // Without its lock it looks like the server of a parent that was killed.
    fs::remove_file(dir.path().join("lock")).unwrap();
    let leaves = thread::spawn(move || {
        thread::sleep(Duration::from_secs(1));
        stores.stop();
    });
    let stores = Stores::start(&options(dir.path())).unwrap();
    leaves.join().unwrap();
    sql(&stores, "TABLE kept").unwrap();
}

#[test]
fn each_store_stops_and_starts_again_under_its_url() {
    let dir = TempDir::new().unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    sql(&stores, "CREATE TABLE kept ()").unwrap();
    stores.stop_postgres();
    assert!(sql(&stores, "SELECT 1").is_err());
    assert!(redis(&stores, 0, &["PING"]).is_ok());
    stores.start_postgres().unwrap();
    stores.start_postgres().expect("starting what runs is no error");
    sql(&stores, "TABLE kept").unwrap();

    redis(&stores, 0, &["SET", "word", "gone"]).unwrap();
    stores.stop_redis(0);
    assert!(redis(&stores, 0, &["PING"]).is_err());
    stores.start_redis(0).unwrap();
    assert_eq!(redis(&stores, 0, &["GET", "word"]).unwrap(), redis::Value::Nil);
}

#[test]
fn a_paused_redis_takes_connections_but_gives_no_answer() {
    let dir = TempDir::new().unwrap();
    let stores = Stores::start(&options(dir.path())).unwrap();
    let socket = sockets_of(&stores).join("redis-0.sock");
    stores.pause_redis(0);
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    std::io::Write::write_all(&mut stream, b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 7];
    assert_eq!(stream.read_exact(&mut answer).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    stores.resume_redis(0);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.read_exact(&mut answer).unwrap();
    stores.pause_redis(0);
    let began = Instant::now();
    stores.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "a paused store holds nothing up");
}

#[test]
fn stores_started_inside_a_runtime_outlive_the_thread_that_started_them() {
    let dir = TempDir::new().unwrap();
    let options = options(dir.path());
    let in_a_runtime = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { Stores::start(&options).unwrap() })
    };
    let stores = thread::spawn(in_a_runtime).join().unwrap();
    thread::sleep(Duration::from_millis(300));
    sql(&stores, "SELECT 1").unwrap();
    redis(&stores, 0, &["PING"]).unwrap();
}

/// As root below a closed home: there the servers' user cannot go, and nothing of it is opened up.
#[test]
fn data_that_the_servers_user_may_not_enter_lives_elsewhere() {
    if Account::for_stores().unwrap().is_none() {
        return; // nobody else is involved
    }
    let home = TempDir::new().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let mut options = options(&home.path().join("checkout/.carnet/data"));
    let stores = Stores::start(&options).unwrap();
    assert!(stores.data_place().starts_with(sockets_of(&stores)), "throw-away data goes with the sockets");
    stores.stop();

    options.durable = true;
    let stores = Stores::start(&options).unwrap();
    let place = stores.data_place().to_path_buf();
    assert!(place.starts_with("/var/lib/carnet-dev"));
    assert_eq!(fs::read_link(options.data_dir.join("moved")).unwrap(), place);
    sql(&stores, "CREATE TABLE kept ()").unwrap();
    stores.stop();
    let stores = Stores::start(&options).unwrap();
    sql(&stores, "TABLE kept").unwrap();

    fs::remove_dir_all(&options.data_dir).unwrap();
    let refusal = Stores::start(&options).unwrap_err();
    assert!(matches!(refusal, DevError::InUse { .. }), "its servers still run: {refusal}");
    stores.stop();
    let stores = Stores::start(&options).unwrap();
    assert!(sql(&stores, "TABLE kept").is_err(), "who removes the data directory begins anew");
    stores.stop();
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);
    fs::remove_dir_all(place).unwrap();
}
