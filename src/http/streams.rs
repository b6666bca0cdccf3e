//! Answers that do not end by themselves: how many there may be, how long they may last, and that they end when the
//! server does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Which part of all streams one caller may have: whoever opens many leaves room for others.
const PART_OF_ONE: usize = 8;

/// All open streams of a server.
pub struct Streams {
    most: usize,
    life: Duration,
    region: String,
    stop: CancellationToken,
    open: Mutex<HashMap<String, usize>>,
}

/// The right to one stream, until it is dropped.
pub struct Seat {
    streams: Arc<Streams>,
    client_id: String,
}

impl Streams {
    /// At most `most` at once, none longer than `life`.
    #[must_use]
    pub fn new(most: usize, life: Duration, region: String) -> Self {
        Self { most, life, region, stop: CancellationToken::new(), open: Mutex::default() }
    }

    /// Room for one more stream of this caller; nothing when there is none.
    #[must_use]
    pub fn seat(self: Arc<Self>, client_id: &str) -> Option<Seat> {
        let mut open = self.lock();
        let all: usize = open.values().sum();
        let of_one = open.get(client_id).copied().unwrap_or_default();
        if all >= self.most || of_one >= self.most.div_ceil(PART_OF_ONE) {
            return None;
        }
        open.insert(client_id.to_owned(), of_one + 1);
        self.measure(&open);
        drop(open);
        Some(Seat { client_id: client_id.to_owned(), streams: self })
    }

    /// Ends all of them, and those to come: the server stops.
    pub fn close(&self) {
        self.stop.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Nothing in it can be half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn measure(&self, open: &HashMap<String, usize>) {
        let all: usize = open.values().sum();
        metrics::gauge!("carnet_event_streams", "region" => self.region.clone()).set(all as f64);
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
        if let Some(count) = open.get_mut(&self.client_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client_id);
            }
        }
        self.streams.measure(&open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_of_one_and_so_many_of_all_and_again_when_one_is_gone() {
        let streams = Arc::new(Streams::new(20, Duration::from_secs(1), "r".to_owned()));
        let seat = |client_id: &str| Arc::clone(&streams).seat(client_id);
        let mut taken: Vec<_> = (0..3).map(|_| seat("greedy").expect("room")).collect();
        assert!(seat("greedy").is_none());
        for n in 0..17 {
            taken.push(seat(&format!("other {n}")).expect("room"));
        }
        assert!(seat("late").is_none());
        taken.remove(0);
        assert!(seat("late").is_some());
        drop(taken);
        assert!(streams.lock().is_empty(), "nobody is remembered");
        assert!(Arc::new(Streams::new(0, Duration::ZERO, "r".to_owned())).seat("one").is_none());
    }
}
