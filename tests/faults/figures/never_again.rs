//! After a revoke has returned nobody accepts, however often and whomever one asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use tokio::task::JoinSet;

use super::crowd::{Budget, Crowd, EFFORT};
use super::{DISTANCE, none, run, stage};
use crate::history::{Came, Wants};
use crate::report::Figure;
use crate::runs::number;
use crate::workload::Operation;
use crate::workload::asking::withdrawn;

/// How many ask at one instance at once.
const AT_ONCE: usize = 8;
/// Whose keys are revoked.
const SUBJECTS: usize = 4;

/// `PROBES` questions, a million unless told, of every instance, by every way to be accepted.
pub fn never_again() -> Vec<Figure> {
    let stage = stage(3, DISTANCE, std::time::Duration::from_secs(5));
    let probes = usize::try_from(number("PROBES", 1_000_000)).expect("64 bits");
    let (accepted, unanswered) = run(async {
        let crowd = Crowd::gather(&stage, SUBJECTS, Operation::Revoke).await;
        let mut asking = JoinSet::new();
        let budget = Arc::new(Budget::of(probes));
        let (accepted, unanswered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for subject in &crowd.subjects {
            // What every instance remembers.
            let mut tokens = vec![];
            for door in &crowd.asker.site.doors {
                let token = subject.token(&crowd.asker, door, Wants::Product, EFFORT.question).await;
                tokens.push(token.expect("it is valid everywhere"));
            }
            let path = subject.path(&format!("api-keys/{}/revoke", subject.key().expect("it has a key")));
            let reply =
                crowd.asker.manage(&crowd.asker.site.doors[0], Method::POST, &path, None, EFFORT.operation);
            assert_eq!(withdrawn(&reply.await), Came::Proven);
            for (door, _) in
                crowd.asker.site.doors.iter().zip(0..).flat_map(|it| std::iter::repeat_n(it, AT_ONCE))
            {
                let (asker, subject, door) = (crowd.asker.clone(), Arc::clone(subject), door.clone());
                let (budget, tokens) = (Arc::clone(&budget), tokens.clone());
                let (accepted, unanswered) = (Arc::clone(&accepted), Arc::clone(&unanswered));
                asking.spawn(async move {
                    for turn in 0.. {
                        if !budget.take() {
                            return;
                        }
                        // A token of each instance, and then the secret again.
                        let came = match tokens.get(turn % (tokens.len() + 1)) {
                            Some(token) => asker.whoami(&door, token, EFFORT.question).await,
                            None => subject.try_token(&asker, &door, Wants::Product, EFFORT.question).await,
                        };
                        let count = match came {
                            Came::Refused { .. } => continue,
                            Came::Known | Came::ProductToken { .. } => &accepted,
                            _ => &unanswered,
                        };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        asking.join_all().await;
        (accepted.load(Ordering::Relaxed), unanswered.load(Ordering::Relaxed))
    });
    let what = format!(
        "accepts in {probes} probes of 9 instances after the revoke ({unanswered} were told 503, or nothing)"
    );
    vec![none("never_again", &what, "accepted", accepted)]
}
