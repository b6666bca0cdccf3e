//! A link that can be hurt: what comes in at one address is carried to another, with whatever trouble is imposed.
//!
//! Troubles are imposed and lifted one by one, and add up: two cuts are over when both are lifted, delays are summed. Nothing that was sent is ever
//! thrown away while its connection lives: a direction that is dead holds what it got and delivers it late when it is alive again, as a network does
//! that repeats its packets. That is the nastier of the two, for a late answer must not be believed.
//!
//! All links of a process run on one thread of their own, so that a server can say good-bye through its link while a test waits.

mod carry;
pub mod chance;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::watch;

use carry::{Duplex, carry};

/// An end of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Of this machine.
    pub fn free_port() -> Self {
        Self::Tcp((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The socket of a private Postgres that has this URL.
    pub fn of_database(url: &str) -> Self {
        let host = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a host").0;
        let directory = percent_decode_str(host).decode_utf8().expect("a path");
        Self::Unix(Path::new(directory.as_ref()).join(".s.PGSQL.5432"))
    }
}

/// Which way bytes go: towards the target, or back from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Towards,
    Back,
}

/// What can be wrong with a link for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Every byte takes this much longer, each way.
    Delay(Duration),
    /// And up to this much more, drawn anew for each piece. Order is kept.
    Jitter(Duration),
    /// So many bytes in a second, each way.
    Slow { bytes_per_second: u32 },
    /// What was open is closed, and what is opened is reset at once.
    Cut,
    /// Nothing comes through this way, and nobody is told. What was sent arrives when this is lifted.
    HalfOpen(Way),
    /// What was open hangs until this is lifted. What is opened is taken and never carried: it hangs, and is closed when this is lifted.
    Blackhole,
}

/// A trouble that was imposed, to be lifted.
#[derive(Debug)]
#[must_use = "a trouble lasts until it is lifted"]
pub struct Imposed(u64);

/// One link; it carries until it is dropped.
pub struct Proxy {
    address: Address,
    line: Arc<Line>,
}

/// What the two ends of a link share.
struct Line {
    target: Mutex<Address>,
    opened: AtomicU64,
    imposed: Mutex<(u64, Vec<(u64, Trouble)>)>,
    orders: watch::Sender<Orders>,
    seed: u64,
}

/// What holds now. Connections are numbered; some orders are for those below a number.
#[derive(Clone, Copy, Default)]
struct Orders {
    distance: Duration,
    delay: Duration,
    jitter: Duration,
    bytes_per_second: Option<u32>,
    cut: bool,
    /// By way.
    dead: [bool; 2],
    blackhole: bool,
    frozen_below: u64,
    closed_below: u64,
    reset_below: u64,
}

impl Orders {
    /// Whether nothing comes through on this connection, this way.
    fn holds(&self, number: u64, way: Way) -> bool {
        self.dead[way as usize] || self.blackhole || number < self.frozen_below
    }

    fn impose(&mut self, troubles: &[(u64, Trouble)]) {
        let Self { distance, frozen_below, closed_below, reset_below, .. } = *self;
        *self =
            Self { distance, frozen_below, closed_below, reset_below, delay: distance, ..Self::default() };
        for (_, trouble) in troubles {
            match *trouble {
                Trouble::Delay(delay) => self.delay += delay,
                Trouble::Jitter(jitter) => self.jitter += jitter,
                Trouble::Slow { bytes_per_second } => {
                    let slowest = self.bytes_per_second.unwrap_or(u32::MAX);
                    self.bytes_per_second = Some(slowest.min(bytes_per_second));
                }
                Trouble::Cut => self.cut = true,
                Trouble::HalfOpen(way) => self.dead[way as usize] = true,
                Trouble::Blackhole => self.blackhole = true,
            }
        }
    }
}

/// The thread of all links.
static THREAD: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("links".to_owned());
    thread.spawn(move || runtime.block_on(std::future::pending::<()>())).expect("a thread");
    handle
});

impl Proxy {
    /// A link to this address, from a free port of this machine.
    pub fn to(target: Address) -> Self {
        Self::between(&Address::free_port(), target, 0)
    }

    /// A link from where it is to listen to its target; the seed decides jitter.
    pub fn between(listen: &Address, target: Address, seed: u64) -> Self {
        let _on_the_thread = THREAD.enter();
        let (listener, address) = Listener::bind(listen);
        let (opened, orders) = (AtomicU64::new(0), watch::Sender::new(Orders::default()));
        let line = Line { target: Mutex::new(target), opened, imposed: Mutex::default(), orders, seed };
        let line = Arc::new(line);
        let (here, heard) = (Arc::downgrade(&line), line.orders.subscribe());
        THREAD.spawn(listener.accept(here, heard));
        Self { address, line }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        match &self.address {
            Address::Tcp(address) => address.port(),
            Address::Unix(path) => panic!("{} has no port", path.display()),
        }
    }

    /// The URL of this database of the Postgres behind it, as its superuser.
    pub fn database_url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// Every byte takes this much longer each way, for good: that is no trouble but where things are.
    pub fn lies_far(&self, distance: Duration) {
        let imposed = self.line.imposed.lock().expect("no panic");
        self.line.orders.send_modify(|orders| {
            orders.distance = distance;
            orders.impose(&imposed.1);
        });
    }

    /// Imposes a trouble beside those that there are.
    pub fn impose(&self, trouble: Trouble) -> Imposed {
        let mut imposed = self.line.imposed.lock().expect("no panic");
        imposed.0 += 1;
        let number = imposed.0;
        imposed.1.push((number, trouble));
        let opened = self.opened();
        self.line.orders.send_modify(|orders| {
            orders.impose(&imposed.1);
            if trouble == Trouble::Cut {
                orders.closed_below = opened;
            }
        });
        Imposed(number)
    }

    /// Lifts one trouble; the others stay.
    pub fn lift(&self, which: &Imposed) {
        let mut imposed = self.line.imposed.lock().expect("no panic");
        imposed.1.retain(|(number, _)| *number != which.0);
        self.line.orders.send_modify(|orders| orders.impose(&imposed.1));
    }

    /// How many troubles there are.
    pub fn troubles(&self) -> usize {
        self.line.imposed.lock().expect("no panic").1.len()
    }

    /// All connections of now hang: nothing comes through, and nobody is told. New ones are fine.
    pub fn freeze(&self) {
        let opened = self.opened();
        self.line.orders.send_modify(|orders| orders.frozen_below = opened);
    }

    /// What hung goes on.
    pub fn resume(&self) {
        self.line.orders.send_modify(|orders| orders.frozen_below = 0);
    }

    /// All connections of now are closed. New ones are fine.
    pub fn close(&self) {
        let opened = self.opened();
        self.line.orders.send_modify(|orders| orders.closed_below = opened);
    }

    /// All connections of now are reset (RST), which a Unix socket sees as closed. New ones are fine.
    pub fn reset(&self) {
        let opened = self.opened();
        self.line.orders.send_modify(|orders| orders.reset_below = opened);
    }

    /// New connections go to this address; those of now stay where they are.
    pub fn lead_to(&self, target: Address) {
        *self.line.target.lock().expect("no panic") = target;
    }

    /// How many connections there ever were.
    pub fn opened(&self) -> u64 {
        self.line.opened.load(Ordering::SeqCst)
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(listen: &Address) -> (Self, Address) {
        match listen {
            Address::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address).expect("a free port");
                listener.set_nonblocking(true).expect("a socket that does not block");
                let address = Address::Tcp(listener.local_addr().expect("an address"));
                (Self::Tcp(TcpListener::from_std(listener).expect("a listener")), address)
            }
            Address::Unix(path) => {
                (Self::Unix(UnixListener::bind(path).expect("a free name")), Address::Unix(path.clone()))
            }
        }
    }

    async fn next(&self) -> std::io::Result<Box<dyn Duplex>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }

    async fn accept(self, line: std::sync::Weak<Line>, mut orders: watch::Receiver<Orders>) {
        loop {
            tokio::select! {
                connection = self.next() => {
                    let (Ok(from), Some(line)) = (connection, line.upgrade()) else { continue };
                    let number = line.opened.fetch_add(1, Ordering::SeqCst);
                    let target = line.target.lock().expect("no panic").clone();
                    tokio::spawn(carry(from, target, number, line.seed, orders.clone()));
                }
                heard = orders.changed() => if heard.is_err() { return },
            }
        }
    }
}
