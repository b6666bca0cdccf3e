//! A proxy in front of Postgres's socket: connections can be cut, or left to hang without a word.
//!
//! It runs on a thread of its own, so that a server can say good-bye through it while a test waits.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Carries what comes over TCP to a Unix socket, until it is dropped.
pub struct Proxy {
    /// The URL of the database behind it.
    pub database_url: String,
    orders: watch::Sender<Orders>,
    line: Arc<Line>,
}

/// What happens to connections, which are numbered, below a number.
#[derive(Clone, Copy, Default)]
struct Orders {
    frozen: u64,
    cut: u64,
}

/// Where new connections go, and how many there were.
struct Line {
    socket: Mutex<PathBuf>,
    opened: AtomicU64,
}

impl Proxy {
    /// In front of the server of this URL.
    pub fn before(database_url: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let port = listener.local_addr().expect("an address").port();
        let database = database_url.rsplit_once('/').expect("the name of a database").1;
        let line = Line { socket: Mutex::new(socket_of(database_url)), opened: AtomicU64::new(0) };
        let (line, orders) = (Arc::new(line), watch::Sender::new(Orders::default()));
        let (here, heard) = (Arc::clone(&line), orders.subscribe());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(accept(listener, here, heard));
        });
        Self { database_url: format!("postgresql://postgres@127.0.0.1:{port}/{database}"), orders, line }
    }

    /// All connections of now hang: nothing comes through, and nobody is told. New ones are fine.
    pub fn freeze(&self) {
        let opened = self.line.opened.load(Ordering::SeqCst);
        self.orders.send_modify(|orders| orders.frozen = opened);
    }

    /// What hung goes on.
    pub fn resume(&self) {
        self.orders.send_modify(|orders| orders.frozen = 0);
    }

    /// All connections of now are closed.
    pub fn cut(&self) {
        let opened = self.line.opened.load(Ordering::SeqCst);
        self.orders.send_modify(|orders| orders.cut = opened);
    }

    /// New connections go to the server of this URL; those of now stay where they are.
    pub fn lead_to(&self, database_url: &str) {
        *self.line.socket.lock().expect("no panic") = socket_of(database_url);
    }
}

async fn accept(listener: std::net::TcpListener, line: Arc<Line>, mut orders: watch::Receiver<Orders>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (from, _) = connection.expect("a connection");
                let number = line.opened.fetch_add(1, Ordering::SeqCst);
                let socket = line.socket.lock().expect("no panic").clone();
                tokio::spawn(carry(from, socket, number, orders.clone()));
            }
            heard = orders.changed() => if heard.is_err() { return },
        }
    }
}

async fn carry(mut from: TcpStream, socket: PathBuf, number: u64, mut orders: watch::Receiver<Orders>) {
    // A server that is away is a connection that closes at once.
    let Ok(mut to) = UnixStream::connect(socket).await else { return };
    let mut carried = std::pin::pin!(copy_bidirectional(&mut from, &mut to));
    loop {
        let Orders { frozen, cut } = *orders.borrow_and_update();
        if number < cut {
            return;
        }
        tokio::select! {
            _ = &mut carried, if number >= frozen => return,
            heard = orders.changed() => if heard.is_err() { return },
        }
    }
}

fn socket_of(database_url: &str) -> PathBuf {
    let host = database_url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a host").0;
    let directory = percent_decode_str(host).decode_utf8().expect("a path");
    PathBuf::from(directory.as_ref()).join(".s.PGSQL.5432")
}
