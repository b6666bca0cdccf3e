//! Does the suite see what it is there for? Each protection is taken away from running instances, by its switch in
//! `CARNET_SABOTAGE` or in the database, and a small run that needs it must go red; the same run with all
//! protections must be green. So it is with the protocol log, replayed against the rules of the model: it shows a
//! protection that is gone by itself, without anybody having been accepted wrongly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rstest::rstest;

use crate::check::Rule;
use crate::history;
use crate::plan::{Breaks, Heal, Plan, PlannedFault, PlannedOperation};
use crate::play::{Outcome, play};
use crate::replay::replayer::Broken;
use crate::report;
use crate::runs::GENTLE;
use crate::stage::fault::{Fault, Kind, Link, LinkKind, PostgresKind, RedisKind};
use crate::stage::proxy::Trouble;
use crate::stage::proxy::chance::Chance;
use crate::stage::{Stage, StageOptions, until};
use crate::trail::{self, Trail};
use crate::workload::{Effort, Operation};

/// Two regions of two, while any test has them or waits for them. (What is static for good is never tidied up.)
static STAGE: Mutex<Weak<Mutex<Running>>> = Mutex::new(Weak::new());

/// A stage, the switch that its instances run with, and what they have said since they do.
struct Running {
    stage: Stage,
    switch: &'static str,
    trail: Trail,
}

impl Running {
    /// The stage with this switch alone; with none, when it is empty.
    fn with(&mut self, switch: &'static str) -> &mut Self {
        if self.switch != switch {
            // Whatever happens in between, the next has to start anew.
            self.switch = UNKNOWN;
            self.trail = Trail::from_now(&self.stage);
            restart(&self.stage, switch);
            self.switch = switch;
        }
        self
    }
}

/// No switch of a test: the next one starts anew.
const UNKNOWN: &str = "unknown";

fn shared() -> Arc<Mutex<Running>> {
    let mut known = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let lease_seconds = LEASE.as_secs();
        let options = StageOptions { regions: 2, instances: 2, lease_seconds, ..StageOptions::default() };
        let stage = Stage::start(StageOptions { log: trail::LOG.to_owned(), ..options });
        let started = Arc::new(Mutex::new(Running { stage, switch: "", trail: Trail::default() }));
        *known = Arc::downgrade(&started);
        started
    })
}

/// Each test needs all of the stage.
fn alone(shared: &Mutex<Running>) -> MutexGuard<'_, Running> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

const LEASE: Duration = Duration::from_secs(2);
/// What matters may last half a second only.
const KEEN: Effort = Effort { pace: Duration::from_millis(40), askers: 3, ..GENTLE };
/// The region that things happen to, and the number of its instance that they happen to.
const THERE: (&str, usize) = ("us", 1);
/// An instance that nothing happens to.
const ELSEWHERE: usize = 0;
/// Soon, but when probers have asked about everything.
const SOON: Duration = Duration::from_millis(700);

/// When a fault has just begun to be felt.
const SHORTLY: Duration = Duration::from_millis(200);

/// How often a run is played to see it go red.
const TRIES: u32 = 4;

/// A run that needs a protection.
type Scenario = fn(&Stage) -> Plan;

#[rstest]
#[case::no_floor("no_floor", nothing_happens, Rule::I2, &[Broken::ServedBelowFloor, Broken::ServedEnded])]
#[case::no_lease("no_lease", one_hears_nothing, Rule::I2, &[Broken::ServedWithoutLease])]
#[case::no_lease_for_reads(
    "no_lease_for_reads",
    one_stays_with_the_old_primary,
    Rule::I2,
    &[Broken::ServedWithoutLease]
)]
#[case::lease_from_answer("lease_from_answer", one_is_answered_late, Rule::I2, &[Broken::LeaseTooLong])]
#[case::renewal_unconditional(
    "renewal_unconditional",
    one_lags_behind,
    Rule::I2,
    &[Broken::LeaseOfTheStale, Broken::ReturnedUnheard]
)]
// A log says what a process says that it has read.
#[case::acknowledge_unread("acknowledge_unread", one_cache_takes_nothing, Rule::I1, &[])]
#[case::serve_armed("serve_armed", one_cache_takes_nothing, Rule::I3, &[Broken::ServedArmed])]
fn a_switch_turns_the_suite_red(
    #[case] switch: &'static str,
    #[case] scenario: Scenario,
    #[case] expected: Rule,
    #[case] forbidden: &[Broken],
) {
    let shared = shared();
    let red = found_red(alone(&shared).with(switch), scenario, expected, forbidden);
    red.unwrap_or_else(|why| panic!("{why}"));
}

#[rstest]
#[case::flip_unacknowledged(
    "ready_to_flip",
    "warm_credential",
    "acknowledgement",
    one_cache_takes_nothing,
    Rule::I1,
    Broken::FlippedUnacknowledged
)]
#[case::flip_unheard(
    "ready_to_flip",
    "i.applied < c.seq",
    "false",
    one_is_far,
    Rule::I9,
    Broken::FlippedUnheard
)]
#[case::proof_at_commit(
    "settle_receipts",
    "lease_until",
    "started_at - interval '1 day'",
    one_hears_nothing,
    Rule::I2,
    Broken::ReturnedUnheard
)]
fn a_guard_in_the_database_that_is_gone_turns_the_suite_red(
    #[case] function: &str,
    #[case] guard: &str,
    #[case] instead: &str,
    #[case] scenario: Scenario,
    #[case] expected: Rule,
    #[case] forbidden: Broken,
) {
    let shared = shared();
    let mut running = alone(&shared);
    let stage = &running.with("").stage;
    let definition = format!("SELECT pg_get_functiondef('{function}'::regproc)");
    let guarded = stage.sql(&definition).expect("a function");
    let unguarded = guarded.replace(guard, instead);
    assert_ne!(guarded, unguarded);
    stage.sql(&unguarded);
    let red = found_red(&mut running, scenario, expected, &[forbidden]);
    running.stage.sql(&guarded);
    // What was forbidden stays in what these processes have said.
    running.switch = UNKNOWN;
    red.unwrap_or_else(|why| panic!("{why}"));
}

#[rstest]
#[case(nothing_happens)]
#[case(one_hears_nothing)]
#[case(one_stays_with_the_old_primary)]
#[case(one_is_answered_late)]
#[case(one_lags_behind)]
#[case(one_cache_takes_nothing)]
#[case(one_is_far)]
fn with_every_protection_it_is_green(#[case] scenario: Scenario) {
    let shared = shared();
    let mut running = alone(&shared);
    let Running { stage, trail, .. } = running.with("");
    let green = found(stage, scenario);
    assert!(green.judgement.violations.is_empty(), "{}", told(&green));
    let replayed = trail.replay(stage).unwrap_or_else(|found| panic!("{found}"));
    assert!(replayed > 0, "nobody says anything");
}

/// Whether the run goes red, and the replay of what was said with it, in one of these ways if there are any. Some need
/// an unlucky moment, and get a few tries to have it.
fn found_red(
    running: &mut Running,
    scenario: Scenario,
    expected: Rule,
    forbidden: &[Broken],
) -> Result<(), String> {
    let Running { stage, trail, .. } = running;
    let (mut red, mut last) = (false, String::new());
    for _ in 0..TRIES {
        let outcome = found(stage, scenario);
        red |= outcome.judgement.violations.iter().any(|violation| violation.rule == expected);
        let replayed = trail.replay(stage);
        let named = replayed.as_ref().is_err_and(|found| forbidden.contains(&found.broken));
        if red && (named || forbidden.is_empty()) {
            return Ok(());
        }
        last = format!("{}{replayed:?}", told(&outcome));
    }
    Err(format!("no {expected:?} or none of {forbidden:?} in {TRIES} runs: {last}"))
}

/// What was found, and where all of it is kept.
fn told(outcome: &Outcome) -> String {
    let path = report::directory().join("sabotage.jsonl");
    let saved =
        std::fs::create_dir_all(report::directory()).and_then(|()| history::save(&outcome.history, &path));
    let violations = outcome.judgement.violations.iter().take(10).map(|violation| format!("{violation}\n"));
    format!("{}{} ({saved:?})", violations.collect::<String>(), path.display())
}

fn found(stage: &Stage, scenario: Scenario) -> Outcome {
    play(stage, &scenario(stage), KEEN).expect("the stage holds")
}

/// Starts every instance anew with this switch.
fn restart(stage: &Stage, switch: &str) {
    let variables = [("CARNET_SABOTAGE", switch)];
    let started = stage.instances().into_iter().map(|instance| {
        instance.stop();
        instance.launch_with(if switch.is_empty() { &[] } else { &variables });
        instance.id()
    });
    let started: Vec<_> = started.collect();
    stage.await_whole();
    // What ends by itself is started again, and without it.
    let running: Vec<_> = stage.instances().iter().map(|instance| instance.id()).collect();
    assert_eq!(started, running, "instances end with {switch}");
}

/// One operation, asked of an instance that nothing happens to, so long after the fault is there.
fn run_of(operation: Operation, at: Duration, faults: Vec<PlannedFault>) -> Plan {
    let follows = !faults.is_empty();
    let operations = vec![PlannedOperation { at, follows, operation, first: ELSEWHERE }];
    Plan { seed: 0, faults, operations }
}

fn fault(kind: Kind, stage: &Stage, lasts: Duration) -> PlannedFault {
    let mut fault = Fault::plan(kind, stage, &mut Chance::of(0));
    (fault.region, fault.number) = (THERE.0.to_owned(), THERE.1);
    PlannedFault { at: SOON, lasts, breaks: Breaks::Fault(fault) }
}

fn nothing_happens(_: &Stage) -> Plan {
    run_of(Operation::Revoke, SOON, vec![])
}

/// It hears nothing for longer than its lease lasts, and the revoke waits for that.
fn one_hears_nothing(stage: &Stage) -> Plan {
    let deaf = fault(Kind::Link(Link::Postgres, LinkKind::Blackholed), stage, 2 * LEASE);
    run_of(Operation::Revoke, SHORTLY, vec![deaf])
}

/// The old primary answers it, and commits nothing.
fn one_stays_with_the_old_primary(stage: &Stage) -> Plan {
    let unfenced = fault(Kind::Postgres(PostgresKind::FailedOverUnfenced), stage, 3 * LEASE);
    run_of(Operation::Revoke, LEASE / 2, vec![unfenced])
}

/// Answers come late that renew its lease, and after one of them it hears no more.
fn one_is_answered_late(_: &Stage) -> Plan {
    let late = PlannedFault {
        at: SOON,
        lasts: 2 * LEASE,
        breaks: Breaks::Own("late answers, then none", answer_late),
    };
    run_of(Operation::Revoke, SHORTLY, vec![late])
}

/// How late an answer comes, each way.
const LATE: Duration = Duration::from_millis(300);

fn answer_late(stage: &Stage) -> Heal {
    let region = stage.region(THERE.0);
    // The only one of its region, so that its lease is told from others.
    let (there, other) = (region.instances[THERE.1].clone(), region.instances[1 - THERE.1].clone());
    other.stop();
    let far = there.database.impose(Trouble::Delay(LATE));
    thread::sleep(LEASE);
    let lease = || stage.sql(&format!("SELECT max(lease_until) FROM instance WHERE region = '{}'", THERE.0));
    let before = lease();
    until("its lease is renewed", 4 * LEASE, || lease() != before);
    // That is answered, and so is the question for changes that follows it. The next renewal is not due yet.
    thread::sleep(3 * LATE + Duration::from_millis(100));
    let deaf = there.database.impose(Trouble::Blackhole);
    Box::new(move |_| {
        there.database.lift(&deaf);
        there.database.lift(&far);
        other.launch();
    })
}

/// It is so far away that whenever it asks it has not heard of changes that everybody knows.
fn one_lags_behind(_: &Stage) -> Plan {
    let far =
        PlannedFault { at: SOON, lasts: 3 * LEASE, breaks: Breaks::Own("far, and many changes", lag_behind) };
    run_of(Operation::Revoke, LEASE + LEASE / 2, vec![far])
}

fn lag_behind(stage: &Stage) -> Heal {
    let there = stage.region(THERE.0).instances[THERE.1].clone();
    let changes = Changes::begin(stage);
    let far = there.database.impose(Trouble::Delay(Duration::from_millis(260)));
    Box::new(move |_| {
        there.database.lift(&far);
        drop(changes);
    })
}

/// Its region cannot acknowledge, so that a key is long pending, and armed in the other.
fn one_cache_takes_nothing(stage: &Stage) -> Plan {
    let full = fault(Kind::Redis(RedisKind::OutOfMemory), stage, Duration::from_millis(2_500));
    run_of(Operation::Create, SHORTLY, vec![full])
}

/// It hears of everything late, its lease is alive, and it remembers the account without its key.
fn one_is_far(_: &Stage) -> Plan {
    let far = PlannedFault { at: SOON, lasts: 2 * LEASE, breaks: Breaks::Own("far", be_far) };
    run_of(Operation::Create, LEASE, vec![far])
}

fn be_far(stage: &Stage) -> Heal {
    let there = stage.region(THERE.0).instances[THERE.1].clone();
    let far = there.database.impose(Trouble::Delay(Duration::from_millis(350)));
    // Others write into its cache what it has not heard of.
    let alone = there.redis.impose(Trouble::Cut);
    Box::new(move |_| {
        there.database.lift(&far);
        there.redis.lift(&alone);
    })
}

/// Changes that never end, of the administrator's own record.
struct Changes {
    stop: Arc<AtomicBool>,
    changing: Option<thread::JoinHandle<()>>,
}

impl Changes {
    fn begin(stage: &Stage) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (stage.database_url(), Arc::clone(&stop));
        let change = format!("SELECT append_changes(ARRAY['{}'])", stage.admin.client_id);
        let changing = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                crate::stage::sql::sql(&url, &change).expect("it is changed");
                thread::sleep(Duration::from_millis(40));
            }
        });
        Self { stop, changing: Some(changing) }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(changing) = self.changing.take() {
            changing.join().expect("the changes go through");
        }
    }
}
