//! Settings come from variables that begin with `CARNET_`. Others begin so, too, and are no mistake; one
//! that nobody knows is.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::stores::{MASTER_KEY, database, redis_url};

const PATIENCE: Duration = Duration::from_secs(20);

/// What else may be in an environment: how a command runs and logs, what `carnet dev` gives to clients,
/// and what Kubernetes says of a service called `carnet`.
const NO_SETTINGS: [(&str, &str); 10] = [
    ("CARNET_LOG", "carnet=info"),
    ("CARNET_LOG_FORMAT", "json"),
    ("CARNET_PG_BIN", "/nowhere"),
    ("CARNET_CLIENT_SECRET", "something"),
    ("CARNET_REDIS_URLS", "redis://nowhere"),
    ("CARNET_PORT", "tcp://10.0.0.1:8080"),
    ("CARNET_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ("CARNET_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ("CARNET_SERVICE_HOST", "10.0.0.1"),
    ("CARNET_SERVICE_PORT_HTTP", "8080"),
];

/// The program, with the settings that it needs, a file that sets nothing, and what else there may be.
async fn carnet(command: &str, file: &NamedTempFile) -> Command {
    let mut carnet = Command::new(env!("CARGO_BIN_EXE_carnet"));
    carnet.arg(command).env_clear().envs(NO_SETTINGS);
    carnet.env("CARNET_DATABASE_URL", database().await).env("CARNET_REDIS_URL", redis_url());
    carnet.env("CARNET_MASTER_KEYS", MASTER_KEY).env("CARNET_DATABASE_CONNECTIONS", "12");
    carnet.env("CARNET_BIND", "127.0.0.1:0").env("CARNET_CONFIG", file.path());
    carnet.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    carnet
}

/// Whether a command that ends by itself succeeded, and what it said.
async fn outcome(mut command: Command) -> (bool, String) {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends");
    let output = output.expect("the program is there");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn what_begins_as_settings_do_and_is_none_does_not_stop_migrate() {
    let file = NamedTempFile::new().expect("a file");
    let (succeeded, said) = outcome(carnet("migrate", &file).await).await;
    assert!(succeeded, "{said}");
}

#[tokio::test]
async fn what_begins_as_settings_do_and_is_none_does_not_stop_serve() {
    let file = NamedTempFile::new().expect("a file");
    let mut server = carnet("serve", &file).await.spawn().expect("the program is there");
    let mut said = BufReader::new(server.stderr.take().expect("a pipe")).lines();
    let first = tokio::time::timeout(PATIENCE, said.next_line()).await.expect("it says something");
    let first = first.expect("text").unwrap_or_default();
    assert!(first.starts_with('{') && first.contains("serving"), "as JSON: {first}");
    let id = i32::try_from(server.id().expect("it runs")).expect("a process id");
    kill_process(Pid::from_raw(id).expect("not zero"), Signal::TERM).expect("ours to stop");
    let ended = tokio::time::timeout(PATIENCE, server.wait()).await.expect("it stops");
    assert!(ended.expect("a status").success());
}

#[tokio::test]
async fn a_setting_that_nobody_knows_names_itself() {
    let file = NamedTempFile::new().expect("a file");
    for command in ["serve", "migrate"] {
        let mut misspelt = carnet(command, &file).await;
        misspelt.env("CARNET_LEASE_SECS", "3");
        let (succeeded, said) = outcome(misspelt).await;
        assert!(!succeeded && said.contains("lease_secs"), "{command}: {said}");
    }
}
