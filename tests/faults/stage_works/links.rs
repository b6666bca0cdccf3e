//! Links: what is put into one end, and what comes out of the other.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::{HANGS, instance_of, play, stage};
use crate::stage::fault::{Fault, Link, LinkKind};
use crate::stage::{Instance, Kind, Stage};

/// A connection by a link, on which a store can be asked a little before it knows who we are.
struct Probe {
    stream: TcpStream,
    questions: std::vec::IntoIter<&'static [u8]>,
    answer: usize,
}

impl Probe {
    fn open(instance: &Instance, link: Link) -> Result<Self> {
        let (port, questions, answer): (_, Vec<&'static [u8]>, _) = match link {
            Link::Redis => (instance.redis.port(), vec![b"PING\r\n"; 3], b"+PONG\r\n".len()),
            // May we speak TLS? May we speak GSSAPI? To both it says N.
            Link::Postgres => (
                instance.database.port(),
                vec![b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x08\x04\xd2\x16\x30"],
                1,
            ),
        };
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        Ok(Self { stream, questions: questions.into_iter(), answer })
    }

    fn ask(&mut self) -> Result<()> {
        self.stream.write_all(self.questions.next().expect("not so many questions"))
    }

    /// The answer to what was asked, within this time.
    fn answer(&mut self, limit: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(limit))?;
        self.stream.read_exact(&mut vec![0; self.answer])
    }
}

/// How long a new connection and its first answer take.
fn first_answer(instance: &Instance, link: Link, limit: Duration) -> Result<Duration> {
    let began = Instant::now();
    let mut probe = Probe::open(instance, link)?;
    probe.ask()?;
    probe.answer(limit)?;
    Ok(began.elapsed())
}

fn hangs(answer: &Result<impl Sized>) -> bool {
    answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Of several tries, for the machine may be busy.
fn answers_soon(stage: &Stage, fault: &Fault, link: Link) {
    let took = || first_answer(&instance_of(stage, fault), link, HANGS).expect("an answer");
    let fastest = (0..10).map(|_| took()).min().expect("ten tries");
    assert!(fastest < Duration::from_millis(35), "{fastest:?} after {fault}");
}

/// What a kind does to who connects while it is there. Others are not touched.
fn bites(kind: LinkKind, link: Link, stage: &Stage, fault: &Fault) {
    let (instance, other) = (instance_of(stage, fault), &stage.instances()[(fault.number + 1) % 3]);
    first_answer(other, link, HANGS).expect("no other link is touched");
    let long = Duration::from_secs(5);
    let took = || first_answer(&instance, link, long).expect("an answer in the end");
    match kind {
        LinkKind::Delayed | LinkKind::Slow => {
            assert!(took() >= Duration::from_millis(40), "{fault}: {:?}", took());
        }
        LinkKind::Jittery => {
            let all: Vec<_> = (0..8).map(|_| took()).collect();
            let (min, max) = (all.iter().min().expect("eight"), all.iter().max().expect("eight"));
            assert!(*max >= *min + Duration::from_millis(10), "{fault}: {all:?}");
        }
        LinkKind::Cut => {
            let answer = first_answer(&instance, link, long);
            assert!(answer.is_err() && !hangs(&answer), "{fault}: {answer:?}");
        }
        LinkKind::HalfOpenTowards | LinkKind::HalfOpenBack | LinkKind::Blackholed => {
            let answer = first_answer(&instance, link, HANGS);
            assert!(hangs(&answer), "{fault}: {answer:?}");
        }
        // They are about connections of before: see below.
        LinkKind::Reset | LinkKind::Frozen => drop(took()),
    }
}

fn every_trouble(link: Link) -> Stage {
    let stage = stage();
    for kind in LinkKind::ALL {
        let bites = |stage: &Stage, fault: &Fault| bites(kind, link, stage, fault);
        play(&stage, Kind::Link(link, kind), bites, |stage, fault| answers_soon(stage, fault, link));
    }
    what_was_open_is_met_by(&stage, link);
    stage
}

#[test]
fn every_trouble_of_a_link_to_postgres_bites_and_heals() {
    let stage = every_trouble(Link::Postgres);
    without_postgres_the_lease_lapses(&stage);
}

#[test]
fn every_trouble_of_a_link_to_redis_bites_and_heals() {
    let stage = every_trouble(Link::Redis);
    a_slow_link_takes_its_time(&stage);
}

/// Connections that were there when it began, and what becomes of a question that was under way.
fn what_was_open_is_met_by(stage: &Stage, link: Link) {
    for kind in LinkKind::ALL {
        let fault =
            Fault::plan(Kind::Link(link, kind), stage, &mut crate::stage::proxy::chance::Chance::of(8));
        let instance = instance_of(stage, &fault);
        let mut open = Probe::open(&instance, link).expect("a connection");
        open.ask().and_then(|()| open.answer(HANGS)).expect("an answer");
        let begun = fault.begin(stage);
        let asked = open.ask();
        let meanwhile = asked.and_then(|()| open.answer(HANGS * 2));
        begun.heal(stage);
        let ended = meanwhile.is_err() && !hangs(&meanwhile);
        match kind {
            LinkKind::Delayed | LinkKind::Jittery | LinkKind::Slow => {
                meanwhile.expect("an answer in the end");
            }
            LinkKind::Cut => assert!(ended, "{fault}: {meanwhile:?}"),
            LinkKind::Reset => {
                let why = meanwhile.expect_err("it ended").kind();
                assert_eq!(why, ErrorKind::ConnectionReset, "{fault}");
            }
            _ => {
                assert!(hangs(&meanwhile), "{fault}: {meanwhile:?}");
                open.answer(HANGS).unwrap_or_else(|error| panic!("no late answer after {fault}: {error}"));
            }
        }
        stage.await_whole();
    }
}

/// What is sent while one way is dead: it arrives, or it does not; and if not, then late.
#[test]
fn a_half_open_link_carries_one_way_and_the_other_late() {
    let stage = stage();
    for (kind, arrives) in [(LinkKind::HalfOpenBack, true), (LinkKind::HalfOpenTowards, false)] {
        let kind = Kind::Link(Link::Redis, kind);
        let fault = Fault::plan(kind, &stage, &mut crate::stage::proxy::chance::Chance::of(9));
        let (instance, redis) = (instance_of(&stage, &fault), &stage.region(&fault.region).redis);
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, instance.redis.port())).expect("a connection");
        std::thread::sleep(Duration::from_millis(100));
        let begun = fault.begin(&stage);
        stream.write_all(b"SET mark here\r\n").expect("it is taken");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(redis.tell::<bool>(&["EXISTS", "mark"]), arrives, "{fault}");
        begun.heal(&stage);
        stage.await_whole();
        stream.set_read_timeout(Some(HANGS)).expect("a limit");
        stream.read_exact(&mut [0; 5]).expect("+OK, late");
        assert!(redis.tell::<bool>(&["EXISTS", "mark"]), "{fault}");
        redis.tell::<()>(&["DEL", "mark"]);
    }
}

/// 2000 bytes there and back: at most 10 kB in a second.
fn a_slow_link_takes_its_time(stage: &Stage) {
    let kind = Kind::Link(Link::Redis, LinkKind::Slow);
    let echo = |stage: &Stage, fault: &Fault| {
        let port = instance_of(stage, fault).redis.port();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        let began = Instant::now();
        let word = "x".repeat(2000);
        stream.write_all(format!("PING {word}\r\n").as_bytes()).expect("it is taken");
        stream.read_exact(&mut [0; 2000]).expect("it comes back");
        began.elapsed()
    };
    let slow = |stage: &Stage, fault: &Fault| assert!(echo(stage, fault) >= HANGS / 2, "{fault}");
    play(stage, kind, slow, |stage, fault| assert!(echo(stage, fault) < HANGS / 2, "{fault}"));
}

/// And so the instance notices, not only we.
fn without_postgres_the_lease_lapses(stage: &Stage) {
    let kind = Kind::Link(Link::Postgres, LinkKind::Cut);
    let lapses = |stage: &Stage, fault: &Fault| {
        let instance = instance_of(stage, fault);
        let lease = Duration::from_secs(stage.options.lease_seconds) + HANGS;
        crate::stage::until("the lease lapses", lease, || !instance.is_ready());
    };
    play(stage, kind, lapses, |_, _| ());
}
