//! Answers that do not end by themselves: how many there may be, how long they may last, and that they end when the
//! server does.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::domain::tenant::TsgId;

/// Which part of all streams one caller may have: whoever opens many leaves room for others.
const PART_OF_ONE: usize = 8;
/// Which part of all streams the callers of one tenant may have together, however many they are.
const PART_OF_TENANT: usize = 2;

/// All open streams of a server.
pub struct Streams {
    most: usize,
    life: Duration,
    region: String,
    stop: CancellationToken,
    open: Mutex<Open>,
}

/// How many streams are open.
#[derive(Default)]
struct Open {
    all: usize,
    of_caller: HashMap<String, usize>,
    of_tenant: HashMap<TsgId, usize>,
}

/// The right to one stream, until it is dropped.
pub struct Seat {
    streams: Arc<Streams>,
    client_id: String,
    tsg_id: TsgId,
}

impl Streams {
    /// At most `most` at once, none longer than `life`.
    #[must_use]
    pub fn new(most: usize, life: Duration, region: String) -> Self {
        Self { most, life, region, stop: CancellationToken::new(), open: Mutex::default() }
    }

    /// Room for one more stream of this caller, whose token is for this tenant; nothing when there is none.
    #[must_use]
    pub fn seat(self: Arc<Self>, client_id: &str, tsg_id: &TsgId) -> Option<Seat> {
        let mut open = self.lock();
        let of_caller = open.of_caller.get(client_id).copied().unwrap_or_default();
        let of_tenant = open.of_tenant.get(tsg_id).copied().unwrap_or_default();
        if open.all >= self.most
            || of_caller >= self.most.div_ceil(PART_OF_ONE)
            || of_tenant >= self.most.div_ceil(PART_OF_TENANT)
        {
            return None;
        }
        open.all += 1;
        open.of_caller.insert(client_id.to_owned(), of_caller + 1);
        open.of_tenant.insert(tsg_id.clone(), of_tenant + 1);
        self.measure(&open);
        drop(open);
        Some(Seat { client_id: client_id.to_owned(), tsg_id: tsg_id.clone(), streams: self })
    }

    /// Ends all of them, and those to come: the server stops.
    pub fn close(&self) {
        self.stop.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing in it can be half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn measure(&self, open: &Open) {
        metrics::gauge!("carnet_event_streams", "region" => self.region.clone()).set(open.all as f64);
    }
}

impl Seat {
    /// How long the stream may last.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.streams.life
    }

    /// Resolves when the server stops.
    pub fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.streams.stop.cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.all -= 1;
        leave(&mut open.of_caller, &self.client_id);
        leave(&mut open.of_tenant, &self.tsg_id);
        self.streams.measure(&open);
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, of: &K) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: u64) -> TsgId {
        TsgId::parse(&(1_000_000_000 + number).to_string()).expect("ten digits")
    }

    #[test]
    fn there_is_room_for_so_many_of_one_and_so_many_of_all_and_again_when_one_is_gone() {
        let streams = Arc::new(Streams::new(20, Duration::from_secs(1), "r".to_owned()));
        let seat = |client_id: &str, of: u64| Arc::clone(&streams).seat(client_id, &tenant(of));
        let mut taken: Vec<_> = (0..3).map(|_| seat("greedy", 0).expect("room")).collect();
        assert!(seat("greedy", 0).is_none());
        for n in 0..17 {
            taken.push(seat(&format!("other {n}"), n).expect("room"));
        }
        assert!(seat("late", 99).is_none());
        taken.remove(0);
        assert!(seat("late", 99).is_some());
        drop(taken);
        let open = streams.lock();
        assert!(
            open.all == 0 && open.of_caller.is_empty() && open.of_tenant.is_empty(),
            "nobody is remembered"
        );
        assert!(Arc::new(Streams::new(0, Duration::ZERO, "r".to_owned())).seat("one", &tenant(0)).is_none());
    }

    #[test]
    fn the_callers_of_one_tenant_leave_room_for_those_of_others() {
        let streams = Arc::new(Streams::new(20, Duration::from_secs(1), "r".to_owned()));
        let seat = |client_id: &str, of: u64| Arc::clone(&streams).seat(client_id, &tenant(of));
        let mut taken: Vec<_> =
            (0..10).map(|n| seat(&format!("one of many {n}"), 0).expect("room")).collect();
        assert!(seat("one more", 0).is_none());
        let _other = seat("of another tenant", 1).expect("room");
        taken.pop();
        assert!(seat("one more", 0).is_some());
    }
}
