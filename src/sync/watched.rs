//! Who looks on: somebody who waits for a change of one credential is woken by that one's, and by no other's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The credentials that somebody looks at.
#[derive(Default)]
pub(super) struct Watched {
    by_credential: Mutex<HashMap<String, watch::Sender<()>>>,
}

impl Watched {
    /// Hears of every change of this credential from now on.
    pub fn watch(&self, credential: &str) -> watch::Receiver<()> {
        let mut watched = self.lock();
        watched.retain(|_, sender| !sender.is_closed());
        watched.entry(credential.to_owned()).or_default().subscribe()
    }

    /// Says that this credential has changed.
    pub fn tell(&self, credential: &str) {
        if let Some(sender) = self.lock().get(credential) {
            sender.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        // Nothing in it can be half done.
        self.by_credential.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_at_one_hears_of_that_one_and_is_forgotten_when_gone() {
        let watched = Watched::default();
        let (mut one, mut same, mut other) = (watched.watch("a"), watched.watch("a"), watched.watch("b"));
        let heard = |receiver: &mut watch::Receiver<()>| {
            let changed = receiver.has_changed().expect("the sender is there");
            receiver.mark_unchanged();
            changed
        };
        watched.tell("a");
        watched.tell("nobody's");
        assert!(heard(&mut one) && heard(&mut same) && !heard(&mut other));
        drop((one, same));
        let late = watched.watch("c");
        assert_eq!(watched.lock().len(), 2, "b and c");
        assert!(!late.has_changed().expect("the sender is there"), "what was before is not heard");
    }
}
