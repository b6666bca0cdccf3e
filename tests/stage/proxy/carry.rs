//! One connection of a link: two pipes, and the orders that they heed.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::chance::Chance;
use super::{Address, Orders, Way};

/// How much is read at once, and how many such pieces are under way before the sender feels it.
const PIECE: usize = 16 * 1024;
const UNDER_WAY: usize = 64;
/// How long a piece of a slow link takes.
const TICK: Duration = Duration::from_millis(20);

/// A connection of either kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {
    /// When it is dropped, the other side is told that it broke.
    fn break_off(&self) {}
}

impl Duplex for TcpStream {
    fn break_off(&self) {
        drop(self.set_zero_linger());
    }
}

impl Duplex for UnixStream {}

type Heard = watch::Receiver<Orders>;

/// How a connection ends against its will.
enum End {
    Closed,
    Reset,
}

/// Carries one connection until either side or an order ends it, or its link is dropped.
pub(super) async fn carry(
    mut from: Box<dyn Duplex>,
    target: Address,
    number: u64,
    seed: u64,
    mut orders: Heard,
) {
    let now = *orders.borrow();
    if now.cut {
        return from.break_off();
    }
    if now.blackhole {
        drop(orders.wait_for(|orders| !orders.blackhole).await);
        return;
    }
    // A server that is away is a connection that closes at once.
    let Some(mut to) = connect(&target).await else { return };
    let chance = Chance::of(seed).branch(number);
    let end = {
        let ((from_in, from_out), (to_in, to_out)) =
            (tokio::io::split(&mut *from), tokio::io::split(&mut *to));
        let pipe = |way| Pipe { number, way, orders: orders.clone(), chance: chance.branch(way as u64) };
        let towards = pipe(Way::Towards).run(from_in, to_out);
        let back = pipe(Way::Back).run(to_in, from_out);
        tokio::select! {
            _ = async { tokio::join!(towards, back) } => End::Closed,
            end = ended(number, &mut orders) => end,
        }
    };
    if matches!(end, End::Reset) {
        from.break_off();
        to.break_off();
    }
}

async fn connect(target: &Address) -> Option<Box<dyn Duplex>> {
    match target {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            Some(Box::new(stream))
        }
        Address::Unix(path) => Some(Box::new(UnixStream::connect(path).await.ok()?)),
    }
}

/// Resolves when an order ends the connection, or when the link is gone.
async fn ended(number: u64, orders: &mut Heard) -> End {
    let against = |orders: &Orders| number < orders.closed_below || number < orders.reset_below;
    match orders.wait_for(against).await {
        Ok(orders) if number < orders.reset_below => End::Reset,
        _ => End::Closed,
    }
}

/// One way of one connection.
struct Pipe {
    number: u64,
    way: Way,
    orders: Heard,
    chance: Chance,
}

impl Pipe {
    /// Reads on while what was read is still under way, as a network does.
    async fn run<T: AsyncRead + AsyncWrite>(self, from: ReadHalf<T>, to: WriteHalf<T>) {
        let (sent, arriving) = mpsc::channel(UNDER_WAY);
        let Self { number, way, orders, chance } = self;
        tokio::join!(take(from, sent, orders.clone(), chance), deliver(to, arriving, orders, number, way));
    }
}

/// A piece and when it is to arrive.
type Piece = (Instant, Vec<u8>);

async fn take(
    mut from: impl AsyncRead + Unpin,
    sent: mpsc::Sender<Piece>,
    orders: Heard,
    mut chance: Chance,
) {
    let (mut piece, mut last) = (vec![0; PIECE], Instant::now());
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let Orders { delay, jitter, .. } = *orders.borrow();
        let more = u32::try_from(chance.below(1000)).expect("a small number");
        last = last.max(Instant::now() + delay + jitter * more / 1000);
        if sent.send((last, piece[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn deliver(
    mut to: impl AsyncWrite + Unpin,
    mut arriving: mpsc::Receiver<Piece>,
    mut orders: Heard,
    number: u64,
    way: Way,
) {
    while let Some((due, piece)) = arriving.recv().await {
        sleep_until(due).await;
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let Ok(now) = orders.wait_for(|orders| !orders.holds(number, way)).await.map(|now| *now) else {
                return;
            };
            let tick = now.bytes_per_second.map_or(usize::MAX, bytes_of_a_tick);
            let (slice, later) = rest.split_at(tick.min(rest.len()));
            if now.bytes_per_second.is_some() {
                sleep(TICK).await;
            }
            if to.write_all(slice).await.is_err() {
                return;
            }
            rest = later;
        }
    }
    // That the sender has ended is news, too, and comes through when news do.
    if orders.wait_for(|orders| !orders.holds(number, way)).await.is_ok() {
        drop(to.shutdown().await);
    }
}

fn bytes_of_a_tick(bytes_per_second: u32) -> usize {
    let ticks = u32::try_from(Duration::from_secs(1).as_millis() / TICK.as_millis()).expect("a small number");
    usize::try_from(bytes_per_second / ticks).expect("it fits").max(1)
}
