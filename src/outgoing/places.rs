//! Places for what is under way at once: so many in all, and of these a few for each host, so that one host that never
//! answers takes its own places and nobody else's.
//!
//! Remembers a host for as long as somebody has a place there or waits for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    at_one_host: usize,
    by_host: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _at_its_host: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(all: usize, at_one_host: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), at_one_host, by_host: Mutex::default() }
    }

    /// A place at this host, when there is one. Who waits for its host keeps no other host waiting.
    pub async fn take(&self, host: &str) -> Result<Place, AcquireError> {
        let at_its_host = self.host(host).acquire_owned().await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Place { _at_its_host: at_its_host, _of_all: of_all })
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        // The root's dot names the same host (RFC 1034 §3.1).
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut by_host = self.by_host.lock().unwrap_or_else(PoisonError::into_inner);
        by_host.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = by_host.get(&host).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(self.at_one_host));
        by_host.insert(host, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_host_has_few_places_and_all_together_have_not_many_more() {
        let places = Places::new(3, 2);
        let take = |host: &str| places.take(host).now_or_never().map(|place| place.expect("open"));
        let (one, _two) = (take("a.example").expect("a place"), take("A.example.").expect("a place"));
        assert!(take("a.example").is_none(), "two of two");
        let _other = take("b.example").expect("a place");
        assert!(take("c.example").is_none(), "three of three");
        drop(one);
        assert!(take("c.example").is_some());
        assert!(take("a.example").is_some());
    }

    #[test]
    fn a_host_is_forgotten_when_nobody_is_there() {
        let places = Places::new(1, 1);
        for n in 0..100 {
            drop(places.take(&n.to_string()).now_or_never());
        }
        assert_eq!(places.by_host.lock().expect("no panic").len(), 1, "the last one");
    }
}
