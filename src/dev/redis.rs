//! A private Redis or Valkey: one region's cache, on one Unix socket, keeping nothing on disk.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::child::{self, Account, POLL, Running, last_words};
use super::error::DevError;

/// How long the server may take to answer its first `PING`, and how long one `PING` may take.
const READY_LIMIT: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(1);

/// All that is needed to start the server, again and again.
#[derive(Debug)]
pub struct Redis {
    /// `redis-server` or `valkey-server`.
    pub program: PathBuf,
    /// Whom it runs as.
    pub account: Option<Account>,
    /// Its socket, in a directory that only its own user may enter.
    pub socket: PathBuf,
    /// What the server says; starts afresh with it.
    pub log: PathBuf,
    /// More arguments, which win over ours.
    pub settings: Vec<String>,
}

impl Redis {
    /// The URL, as both `redis-rs` and redis-py take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Starts the server, empty, and waits until it answers. It blocks.
    ///
    /// # Errors
    /// When it does not come up in time.
    pub fn start(&self) -> Result<Running, DevError> {
        let mut server = child::command(&self.program, self.account.as_ref(), Signal::TERM);
        server.args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"]).arg(&self.socket);
        server.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir"]);
        server.arg(self.socket.parent().unwrap_or(Path::new("/")));
        server.args(&self.settings);
        let mut running = Running::start(server, Signal::TERM, &self.log)?;
        let deadline = Instant::now() + READY_LIMIT;
        while !self.answers() {
            if running.ended().is_some() {
                return Err(DevError::Exited { what: self.name(), last_words: last_words(&self.log) });
            }
            if Instant::now() >= deadline {
                let (seconds, last_words) = (READY_LIMIT.as_secs(), last_words(&self.log));
                return Err(DevError::NotReady { what: self.name(), seconds, last_words });
            }
            thread::sleep(POLL);
        }
        Ok(running)
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn answers(&self) -> bool {
        const PONG: &[u8; 7] = b"+PONG\r\n";
        let ping = || -> std::io::Result<bool> {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(PING_LIMIT))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; PONG.len()];
            stream.read_exact(&mut answer)?;
            Ok(&answer == PONG)
        };
        ping().unwrap_or(false)
    }
}
