//! The real binary, in a process of its own: for what a thread cannot have, such as another clock or a pause.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::server::ready;
use super::stores::MASTER_KEY;

/// The longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// `carnet serve`, until it is dropped.
pub struct Process {
    pub url: String,
    pub health_url: String,
    child: Child,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Process {
    /// Starts on these stores with these settings, and with what else is to be in its environment; ready to serve.
    pub async fn serve(
        stores: (&str, &str),
        settings: &[(&str, &str)],
        environment: &[(&str, String)],
    ) -> Self {
        let (mut process, started) = (Self::begin(stores, settings, environment), Instant::now());
        loop {
            let said = process.lines("serving");
            if let Some(address) = said.iter().find_map(|line| line["fields"]["address"].as_str()) {
                process.url = format!("http://{address}");
                ready(&process.health_url).await;
                return process;
            }
            assert!(started.elapsed() < PATIENCE, "it does not serve: {:?}", process.lines(""));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same, and does not wait for anything.
    pub fn begin(
        (database_url, redis_url): (&str, &str),
        settings: &[(&str, &str)],
        environment: &[(&str, String)],
    ) -> Self {
        let health = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let mut values = HashMap::from([
            ("CARNET_DATABASE_URL", database_url),
            ("CARNET_REDIS_URL", redis_url),
            ("CARNET_MASTER_KEYS", MASTER_KEY),
            ("CARNET_DATABASE_CONNECTIONS", "12"),
            ("CARNET_POLL_INTERVAL_MS", "100"),
            ("CARNET_BIND", "127.0.0.1:0"),
            ("CARNET_LOG", "carnet=info"),
            ("CARNET_LOG_FORMAT", "json"),
        ]);
        values.extend(settings.iter().copied());
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.arg("serve").envs(values).env("CARNET_HEALTH_BIND", health.to_string());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program is there");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                heard.lock().expect("no panic").push(line);
            }
        });
        let (url, health_url) = (String::new(), format!("http://{health}"));
        Self { url, health_url, child, said }
    }

    /// Asks it to end; how it does, if it does in time.
    pub async fn ends(&mut self, signal: Signal, limit: Duration) -> Option<ExitStatus> {
        self.signal(signal);
        let ended = tokio::time::timeout(limit, self.child.wait()).await.ok()?;
        Some(ended.expect("a status"))
    }

    /// What it has said that contains these words.
    pub fn lines(&self, words: &str) -> Vec<Value> {
        let said = self.said.lock().expect("no panic");
        said.iter().filter(|line| line.to_string().contains(words)).cloned().collect()
    }

    /// Stops it in the middle of whatever it does, as long as the returned is there.
    pub fn pause(&self) -> Paused<'_> {
        self.signal(Signal::STOP);
        Paused(self)
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("it runs")).expect("a process id");
        kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("ours");
    }
}

/// What gives a program a clock that is so far off; see `scripts/deps.sh test`. What leases are counted on
/// (`CLOCK_BOOTTIME`) goes on as it does on a machine whose clock is wrong.
pub fn faketime(offset: &str) -> Vec<(&'static str, String)> {
    let own = ".carnet/faketime/libfaketime/vendor/libfaketime/src";
    let mut places = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(own)];
    let system = std::fs::read_dir("/usr/lib").expect("a system").flatten();
    places.extend(system.map(|triplet| triplet.path().join("faketime")));
    let mut libraries = places.into_iter().map(|place| place.join("libfaketimeMT.so.1"));
    let library = libraries.find(|library| library.exists());
    let library = library.expect("libfaketime is missing: scripts/deps.sh test gets it");
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", offset.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// Goes on when this is dropped.
pub struct Paused<'a>(&'a Process);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}
