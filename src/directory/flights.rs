//! Questions to Postgres, one at a time for each caller, in two lanes.
//!
//! A request joins only a flight that had not taken off when it arrived: one that is in the air may
//! have taken its snapshot before a revoke that the request must respect. Callers that nobody knows,
//! and doubts about those that are known, have a lane of their own, so that a flood of them never
//! costs a known caller a 503.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::Outage;
use crate::sabotage::Switch;
use crate::store::records::Reading;

/// What a flight brings back.
pub type Landed = Result<Reading, Outage>;
type Waiting = Shared<oneshot::Receiver<Landed>>;

/// The most callers that are waited for at once, in each lane.
const CROWD: usize = 4096;

/// Who is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// A caller that is known, but whose record is in no cache that may be believed.
    Known,
    /// A name that nobody knows, or something said against a known caller.
    Doubtful,
    /// A tenant that an authenticated caller names.
    Lineage,
}

/// How many questions may be asked at once in a lane, and how long one waits for its turn.
#[derive(Debug)]
struct Runway {
    permits: Semaphore,
    wait: Duration,
}

/// All flights of an instance.
#[derive(Debug)]
pub struct Flights {
    known: Runway,
    doubtful: Runway,
    lineage: Runway,
    /// Who is flown to.
    boarding: Mutex<HashMap<(Lane, String), Boarding>>,
}

/// About one caller.
#[derive(Debug)]
struct Boarding {
    /// The flight in the air, which nobody may join any more.
    aloft: Waiting,
    /// The one after it, if anybody waits for it.
    next: Option<Flight>,
}

#[derive(Debug)]
struct Flight {
    tell: oneshot::Sender<Landed>,
    waiting: Waiting,
}

impl Flight {
    fn new() -> Self {
        let (tell, told) = oneshot::channel();
        Self { tell, waiting: told.shared() }
    }
}

impl Flights {
    /// `known`, `doubtful` and `lineage` questions at once; one waits `patience` for its turn, a
    /// doubtful one a tenth of it.
    #[must_use]
    pub fn new(known: usize, doubtful: usize, lineage: usize, patience: Duration) -> Self {
        let runway = |permits, wait| Runway { permits: Semaphore::new(permits), wait };
        Self {
            known: runway(known, patience),
            doubtful: runway(doubtful, patience / 10),
            lineage: runway(lineage, patience),
            boarding: Mutex::default(),
        }
    }

    /// A place among those who ask at once.
    ///
    /// # Errors
    /// [`Outage::Crowded`] when none is free in time.
    pub async fn permit(&self, lane: Lane) -> Result<SemaphorePermit<'_>, Outage> {
        let runway = match lane {
            Lane::Known => &self.known,
            Lane::Doubtful => &self.doubtful,
            Lane::Lineage => &self.lineage,
        };
        match tokio::time::timeout(runway.wait, runway.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| Outage::Stopping),
            Err(_) => Err(Outage::Crowded),
        }
    }

    /// Joins the next flight about this caller; `read` makes one.
    ///
    /// # Errors
    /// [`Outage`].
    pub async fn join<F>(
        self: &Arc<Self>,
        lane: Lane,
        credential: &str,
        read: impl Fn() -> F + 'static,
    ) -> Result<Reading, Outage>
    where
        F: Future<Output = Landed> + 'static,
    {
        let key = (lane, credential.to_owned());
        let (waiting, take_off) = self.board(&key)?;
        if let Some(first) = take_off {
            // A task of its own: the request that happened to come first may be cancelled.
            let pilot = Pilot { flights: Arc::clone(self), key, landed: false };
            actix_web::rt::spawn(pilot.fly(first, read));
        }
        waiting.await.unwrap_or(Err(Outage::Stopping))
    }

    /// A seat on the flight that has not taken off; and that flight itself, if nobody flies yet.
    fn board(&self, key: &(Lane, String)) -> Result<(Waiting, Option<Flight>), Outage> {
        let mut boarding = self.boarding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Boarding { aloft, next }) = boarding.get_mut(key) {
            if Switch::JoinAnyFlight.is_on() {
                return Ok((aloft.clone(), None));
            }
            return Ok((next.get_or_insert_with(Flight::new).waiting.clone(), None));
        }
        // Each lane for itself: a crowd in one must not keep anybody out of another.
        if boarding.len() >= CROWD && boarding.keys().filter(|(lane, _)| *lane == key.0).count() >= CROWD {
            return Err(Outage::Crowded);
        }
        let first = Flight::new();
        boarding.insert(key.clone(), Boarding { aloft: first.waiting.clone(), next: None });
        Ok((first.waiting.clone(), Some(first)))
    }

    /// The flight that filled up meanwhile, or the end of flying to this caller.
    fn next(&self, key: &(Lane, String)) -> Option<Flight> {
        let mut boarding = self.boarding.lock().unwrap_or_else(PoisonError::into_inner);
        let next = boarding.get_mut(key).and_then(|about| {
            let next = about.next.take()?;
            about.aloft = next.waiting.clone();
            Some(next)
        });
        if next.is_none() {
            boarding.remove(key);
        }
        next
    }
}

/// Flies to one caller until nobody waits any more.
struct Pilot {
    flights: Arc<Flights>,
    key: (Lane, String),
    landed: bool,
}

impl Pilot {
    async fn fly<F: Future<Output = Landed>>(mut self, first: Flight, read: impl Fn() -> F) {
        let mut next = Some(first);
        while let Some(flight) = next {
            let landed = match self.flights.permit(self.key.0).await {
                Ok(_permit) => read().await,
                Err(outage) => Err(outage),
            };
            // Nobody listens when all who waited were cancelled.
            drop(flight.tell.send(landed));
            next = self.flights.next(&self.key);
        }
        self.landed = true;
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if !self.landed {
            // The worker is stopping under us: whoever waits is told so, and nobody waits here again.
            drop(self.flights.next(&self.key));
            let mut boarding = self.flights.boarding.lock().unwrap_or_else(PoisonError::into_inner);
            boarding.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use jiff::Timestamp;

    use super::*;
    use crate::store::feed::History;

    fn flights() -> Arc<Flights> {
        Arc::new(Flights::new(4, 1, 1, Duration::from_secs(1)))
    }

    fn slow(
        reads: &Rc<Cell<i64>>,
    ) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Landed>>> + 'static + use<> {
        let reads = Rc::clone(reads);
        move || {
            let reads = Rc::clone(&reads);
            Box::pin(async move {
                reads.set(reads.get() + 1);
                let taken_at = reads.get();
                tokio::time::sleep(Duration::from_millis(50)).await;
                let now = Timestamp::from_second(taken_at).expect("a date");
                let history =
                    History { system_identifier: 1, timeline: 1, incarnation: 1, restore_counter: 0 };
                Ok(Reading { entry: None, now, head: 0, history })
            })
        }
    }

    fn run(test: impl Future<Output = ()>) {
        actix_web::rt::System::new().block_on(test);
    }

    #[test]
    fn who_arrives_in_flight_joins_only_the_next_one() {
        run(async {
            let (flights, reads) = (flights(), Rc::new(Cell::new(0)));
            let first = flights.join(Lane::Known, "a", slow(&reads));
            let late = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let two = futures_util::future::join(
                    flights.join(Lane::Known, "a", slow(&reads)),
                    flights.join(Lane::Known, "a", slow(&reads)),
                );
                two.await
            };
            let (first, (second, third)) = futures_util::future::join(first, late).await;
            let flight = |r: Result<Reading, Outage>| r.expect("landed").now.as_second();
            assert_eq!((flight(first), flight(second), flight(third)), (1, 2, 2));
            assert_eq!(reads.get(), 2, "two who came in flight share the next");
            assert!(flights.boarding.lock().expect("lock").is_empty());
        });
    }

    #[test]
    fn a_crowd_of_doubtful_ones_leaves_known_ones_alone() {
        run(async {
            let (flights, reads) = (flights(), Rc::new(Cell::new(0)));
            let strangers = (0..50).map(|n| {
                let (flights, reads) = (&flights, &reads);
                async move { flights.join(Lane::Doubtful, &n.to_string(), slow(reads)).await }
            });
            let strangers = futures_util::future::join_all(strangers);
            let known = flights.join(Lane::Known, "k", slow(&reads));
            let (strangers, known) = futures_util::future::join(strangers, known).await;
            assert!(known.is_ok());
            let refused = strangers.iter().filter(|s| matches!(s, Err(Outage::Crowded))).count();
            assert!(refused > 40, "{refused} of 50 strangers were refused");
        });
    }

    #[test]
    fn a_full_lane_is_full_for_its_own_only() {
        run(async {
            // Strangers wait long enough to be a crowd.
            let flights = Arc::new(Flights::new(4, 1, 1, Duration::from_secs(10)));
            let reads = Rc::new(Cell::new(0));
            let strangers: Vec<_> = (0..CROWD)
                .map(|n| {
                    let (flights, read) = (Arc::clone(&flights), slow(&reads));
                    let ask = async move { flights.join(Lane::Doubtful, &n.to_string(), read).await };
                    actix_web::rt::spawn(ask)
                })
                .collect();
            while flights.boarding.lock().expect("lock").len() < CROWD {
                tokio::task::yield_now().await;
            }
            let one_more = flights.join(Lane::Doubtful, "one more", slow(&reads)).await;
            assert!(matches!(one_more, Err(Outage::Crowded)), "{one_more:?}");
            for lane in [Lane::Known, Lane::Lineage] {
                let known = flights.join(lane, "known", slow(&reads)).await;
                assert!(known.is_ok(), "{lane:?}: {known:?}");
            }
            assert!(flights.boarding.lock().expect("lock").len() > CROWD / 2, "they still wait");
            drop(strangers);
        });
    }
}
