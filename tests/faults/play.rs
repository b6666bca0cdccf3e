//! One run: callers ask, administrators change things, faults come and go; then the history is judged.
//!
//! The thread that plays breaks and heals, because the stage blocks. All who ask are on another.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::check::story::Span;
use crate::check::{self, Judgement, Rule, Troubles, Violation, story};
use crate::history::{Event, Moment, Recorder};
use crate::plan::{Breaks, Heal, Plan, PlannedFault, PlannedOperation};
use crate::stage::Stage;
use crate::stage::fault::Begun;
use crate::workload::asking::Asker;
use crate::workload::operate::{Operator, Went};
use crate::workload::subject::Subject;
use crate::workload::{AuthorityTime, Door, Effort, Operation, Site, probe};

/// What the stage says of all its instances.
const ISSUER: &str = "http://stage.carnet.local";
/// How long is asked on when all is done and whole.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// An instance's idea of the authority's time is off by a round trip at most, and that may be slow.
pub const CLOCK_ERROR: Duration = Duration::from_millis(1_200);

/// What a run has shown.
pub struct Outcome {
    pub history: Vec<Event>,
    pub judgement: Judgement,
    /// In the order of subjects.
    pub operations: Vec<(Operation, Went)>,
}

/// Plays a plan, and leaves the stage whole. Whatever the stage itself could not do is the error.
pub fn play(stage: &Stage, plan: &Plan, effort: Effort) -> Result<Outcome, String> {
    let (site, recorder) = (Arc::new(site(stage)), Recorder::new());
    let (healed, is_healed) = watch::channel(None);
    let (bitten, bites) = watch::channel(false);
    let (ready, is_ready) = mpsc::channel();
    thread::scope(|scope| {
        let asking = recorder.clone();
        let workload = scope.spawn(move || {
            let signals = Signals { ready, bites, healed: is_healed };
            work(site, &asking, &plan.operations, effort, &signals)
        });
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let troubles =
                is_ready.recv().map(|began| break_and_heal(stage, &plan.faults, began, &recorder, &bitten));
            stage.await_whole();
            troubles.unwrap_or_default()
        }));
        // Whatever has happened, who asks must end.
        bitten.send_replace(true);
        healed.send_replace(Some(Instant::now()));
        let operations = workload.join().map_err(|panic| words(&*panic))?;
        let troubles = broken.map_err(|panic| words(&*panic))?;
        Ok(judged(&recorder, operations, &troubles))
    })
}

/// What the clients know of a stage.
pub fn site(stage: &Stage) -> Site {
    let said = stage
        .sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    let said: Timestamp = said.and_then(|said| said.parse().ok()).expect("a time");
    let authority = AuthorityTime { said, heard: Instant::now() };
    let door =
        |instance: &Arc<crate::stage::Instance>| Door { name: instance.name(), url: instance.url.clone() };
    Site {
        doors: stage.instances().iter().map(door).collect(),
        issuer: ISSUER.to_owned(),
        tsg_id: stage.admin.tsg_id.clone(),
        client_id: stage.admin.client_id.clone(),
        client_secret: stage.admin.client_secret.clone(),
        authority,
    }
}

/// What those who ask and the one who breaks tell each other.
struct Signals {
    /// Everybody is there, and asks since this moment.
    ready: mpsc::Sender<Instant>,
    /// The first fault is there.
    bites: watch::Receiver<bool>,
    /// Everything is whole since this moment.
    healed: watch::Receiver<Option<Instant>>,
}

type Operations = Vec<(Operation, Went)>;

/// Everybody who asks.
fn work(
    site: Arc<Site>,
    recorder: &Recorder,
    planned: &[PlannedOperation],
    effort: Effort,
    signals: &Signals,
) -> Operations {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let asker = Asker::new(site);
        let prepare = |(number, planned): (usize, &PlannedOperation)| {
            let (asker, recorder, operation) = (asker.clone(), recorder.clone(), planned.operation);
            async move { Arc::new(Subject::prepare(&asker, &recorder, number, operation, effort).await) }
        };
        let subjects = futures_util::future::join_all(planned.iter().enumerate().map(prepare)).await;
        let stop = CancellationToken::new();
        let mut probers = probe::start(&asker, recorder, &subjects, effort, &stop);
        let began = Instant::now();
        signals.ready.send(began).ok();
        let operate = |(subject, planned): (&Arc<Subject>, &PlannedOperation)| {
            let planned = *planned;
            let (asker, recorder, subject) = (asker.clone(), recorder.clone(), Arc::clone(subject));
            let operator = Operator { asker, recorder, subject, effort, first: planned.first };
            let Signals { bites, healed, .. } = signals;
            let (mut bites, healed) = (bites.clone(), healed.clone());
            async move {
                if planned.follows {
                    bites.wait_for(|there| *there).await.ok();
                    tokio::time::sleep(planned.at).await;
                } else {
                    tokio::time::sleep_until((began + planned.at).into()).await;
                }
                (operator.subject.operation, operator.run(&healed).await)
            }
        };
        let operations = futures_util::future::join_all(subjects.iter().zip(planned).map(operate)).await;
        let mut whole = signals.healed.clone();
        drop(whole.wait_for(Option::is_some).await);
        tokio::time::sleep(AFTERWARDS).await;
        stop.cancel();
        while let Some(ended) = probers.join_next().await {
            ended.expect("no prober panics");
        }
        operations
    })
}

/// What is there, since when and until when.
struct There<'p> {
    planned: &'p PlannedFault,
    since: Moment,
    until: Instant,
    undo: Undo,
}

enum Undo {
    Fault(Begun),
    Own(Heal),
}

/// Begins and heals faults, each at its time; what callers could not know of them.
fn break_and_heal(
    stage: &Stage,
    faults: &[PlannedFault],
    began: Instant,
    recorder: &Recorder,
    bitten: &watch::Sender<bool>,
) -> Troubles {
    let mut waiting: Vec<&PlannedFault> = faults.iter().collect();
    waiting.sort_by_key(|planned| planned.at);
    let mut waiting = waiting.into_iter().peekable();
    let mut there: Vec<There<'_>> = vec![];
    let mut troubles = Troubles::default();
    loop {
        let begins = waiting.peek().map(|planned| began + planned.at);
        let ends = there.iter().map(|there| there.until).min();
        let Some(next) = [begins, ends].into_iter().flatten().min() else { return troubles };
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if begins == Some(next) {
            there.push(begin(stage, waiting.next().expect("it was peeked at"), recorder));
            bitten.send_replace(true);
        } else {
            let over = there.iter().position(|there| there.until == next).expect("it is the earliest");
            let There { planned, since, undo, .. } = there.swap_remove(over);
            let healed = |recorder: &Recorder| Span { sent: since, returned: Some(recorder.now()) };
            // With another fault about, the silent region may have been quarantined for that.
            if planned.silences_a_cache() && faults.len() == 1 {
                troubles.silences.push(healed(recorder));
            }
            match undo {
                Undo::Fault(fault) => fault.heal(stage),
                Undo::Own(heal) => heal(stage),
            }
            if planned.deposes_a_primary() {
                troubles.deposed.push(healed(recorder));
            }
        }
    }
}

fn begin<'p>(stage: &Stage, planned: &'p PlannedFault, recorder: &Recorder) -> There<'p> {
    let before = recorder.now();
    let undo = match &planned.breaks {
        Breaks::Fault(fault) => Undo::Fault(fault.begin(stage)),
        Breaks::Own(_, begin) => Undo::Own(begin(stage)),
    };
    // Silent only when it has fallen silent; deposed from when it may be.
    let since = if planned.silences_a_cache() { recorder.now() } else { before };
    There { planned, since, until: Instant::now() + planned.lasts, undo }
}

fn judged(recorder: &Recorder, operations: Operations, troubles: &Troubles) -> Outcome {
    let history = recorder.events();
    let mut judgement = check::judge(&history, CLOCK_ERROR, troubles);
    for (subject, (operation, went)) in operations.iter().enumerate() {
        if let Err(why) = went {
            let thing = story::Thing { subject, part: story::Part::Key };
            let what = format!("{} did not come to its end: {why}", operation.name());
            judgement.violations.push(Violation { rule: Rule::I7, thing, what, events: vec![] });
        }
    }
    Outcome { history, judgement, operations }
}

/// What a panic says.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
