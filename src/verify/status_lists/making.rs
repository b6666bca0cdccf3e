//! A list is made once, whoever waits for it: in a task of its own, because who came first may go away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

use super::{Kept, StatusError, StatusLists, Verifier};
use crate::directory::{Outage, Served};
use crate::token::status_list;

/// What comes of it: nothing when there is no such list (any more).
type Made = Result<Option<Arc<Served<String>>>, StatusError>;
type Waiting = Shared<oneshot::Receiver<Made>>;

/// Those that are being made. Only ones that there are, or were a minute ago.
#[derive(Default)]
pub(super) struct Making(Mutex<HashMap<i64, Waiting>>);

impl Verifier {
    /// A new one, of whoever makes it already or now.
    pub(super) async fn another(&self, list: i64) -> Made {
        let waiting = self.join(list);
        waiting.await.unwrap_or(Err(Outage::Stopping.into()))
    }

    fn join(&self, list: i64) -> Waiting {
        let mut making = self.status_lists.making.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = making.get(&list) {
            return waiting.clone();
        }
        let (tell, told) = oneshot::channel();
        let waiting = told.shared();
        making.insert(list, waiting.clone());
        let (this, ended) = (self.clone(), Ended { lists: Arc::clone(&self.status_lists), list });
        actix_web::rt::spawn(async move {
            let made = this.make(list).await;
            drop(ended);
            // Nobody listens when all who waited were cancelled.
            drop(tell.send(made));
        });
        waiting
    }

    async fn make(&self, list: i64) -> Made {
        let StatusLists { made, algorithm, .. } = &*self.status_lists;
        let _permit = self.status_lists.permit().await?;
        let clock = self.directory.clock();
        // Between the look of who came and now.
        if let Some(kept) = made.get(&list).filter(|kept| kept.list.is_fresh(clock)) {
            return Ok(Some(Arc::clone(&kept.list)));
        }
        let (asked, life) = (clock.boot(), self.directory.life());
        let read = self.directory.read(async |store| store.status_list(list).await).await?;
        let Some(bits) = &read.value else {
            made.invalidate(&list);
            return Ok(None);
        };
        let keyring = self.keyring.load();
        let key = keyring.signer(*algorithm).ok_or(StatusError::NoKey)?;
        let bits = status_list::bits(bits.given, &bits.good);
        let signed = status_list::sign(key, &self.issuer, list, &bits, read.now.as_second());
        let signed = signed.map_err(Arc::new)?;
        let signed = Arc::new(read.map(|_| signed));
        made.insert(list, Arc::new(Kept { list: Arc::clone(&signed), asked, life }));
        Ok(Some(signed))
    }
}

/// Makes room for the next one, also when the worker stops in the middle.
struct Ended {
    lists: Arc<StatusLists>,
    list: i64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.lists.making.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.list);
    }
}
