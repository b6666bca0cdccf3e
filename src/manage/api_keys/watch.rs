//! Looking on while a key lives: its status and its receipt, whenever one of them is another.
//!
//! Who looks on is woken by what changes in the key's account, or in the caller's; looks are apart from each other by
//! a gap, and hold a connection only while they look. Each of them asks again whether the caller may.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Caller, Manage, ManageError, read};
use crate::domain::key::KeyStatus;
use crate::domain::tenant::TsgId;
use crate::store::Tx;
use crate::store::api_keys::ApiKey;
use crate::store::receipts::{self, MarkState, Receipt};

/// The shortest time between two looks, however much happens.
const GAP: Duration = Duration::from_millis(100);
/// The longest time between two looks while a receipt fills.
const FILLING: Duration = Duration::from_secs(1);
/// The longest time between two looks: whatever has changed without a word.
const SLOW: Duration = Duration::from_secs(10);

/// What is told of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// It has this status since then.
    Status(KeyStatus, Timestamp),
    /// Who has heard of what was taken from it.
    Receipt(Receipt),
}

/// A key as it is at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sight {
    status: KeyStatus,
    since: Timestamp,
    expires_at: Option<Timestamp>,
    credential: Option<String>,
    receipt: Option<Receipt>,
    now: Timestamp,
}

impl Sight {
    fn of(key: ApiKey, receipt: Option<Receipt>, now: Timestamp) -> Self {
        let ended = key.expires_at.filter(|_| key.status == KeyStatus::Expired);
        Self {
            status: key.status,
            since: ended.unwrap_or(key.status_changed_at),
            expires_at: key.expires_at,
            credential: key.credential,
            receipt,
            now,
        }
    }

    /// The change that somebody has not heard of yet.
    fn open(&self) -> Option<i64> {
        self.receipt.as_ref().filter(|receipt| receipt.effective_everywhere_at.is_none()).map(|r| r.seq)
    }

    fn is_over(&self) -> bool {
        self.status == KeyStatus::Expired || self.status.is_final() && self.open().is_none()
    }

    /// When the last thing happened that is told of it.
    fn last(&self) -> Timestamp {
        self.receipt.as_ref().map_or(self.since, |receipt| self.since.max(filled(receipt)))
    }

    /// How long to wait before looking again when nobody says anything.
    fn patience(&self) -> Duration {
        let usual = if self.open().is_some() { FILLING } else { SLOW };
        let left = self.expires_at.map(|end| end.duration_since(self.now));
        let left = left.and_then(|left| Duration::try_from(left).ok()).filter(|left| !left.is_zero());
        left.map_or(usual, |left| usual.min(left))
    }
}

/// When something was last written into a receipt.
fn filled(receipt: &Receipt) -> Timestamp {
    let marks = receipt.regions.iter().flat_map(|region| &region.instances);
    let heard = marks.filter(|mark| mark.state != MarkState::Waiting).filter_map(|mark| mark.at).max();
    receipt.effective_everywhere_at.or(heard).unwrap_or(receipt.requested_at).max(receipt.requested_at)
}

/// Somebody who looks on.
pub struct Watch {
    manage: Arc<Manage>,
    caller: Caller,
    tsg_id: TsgId,
    id: i64,
    of_key: watch::Receiver<()>,
    of_caller: watch::Receiver<()>,
    sight: Sight,
    looked: Instant,
    told: Told,
    queue: VecDeque<(i64, News)>,
}

/// What was told last.
#[derive(Default)]
struct Told {
    id: i64,
    status: Option<(KeyStatus, Timestamp)>,
    receipt: Option<Receipt>,
}

impl Told {
    /// What of this is new, each under a number that grows. The numbers are made of the times of what is told, so
    /// that another instance gives the same ones.
    fn news(&mut self, sight: &Sight) -> Vec<(i64, News)> {
        let mut news = Vec::new();
        let status = (sight.status, sight.since);
        if self.status != Some(status) {
            self.status = Some(status);
            news.push((self.number(status.1), News::Status(status.0, status.1)));
        }
        if let Some(receipt) = sight.receipt.as_ref().filter(|receipt| self.receipt.as_ref() != Some(receipt))
        {
            self.receipt = Some(receipt.clone());
            news.push((self.number(filled(receipt)), News::Receipt(receipt.clone())));
        }
        news
    }

    fn number(&mut self, at: Timestamp) -> i64 {
        self.id = self.id.max(at.as_microsecond());
        self.id
    }
}

impl Manage {
    /// Looks on while a key lives. Nothing when its life is over and `seen` is the number of the last that was told.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn watch_api_key(
        self: Arc<Self>,
        caller: Caller,
        tsg_id: TsgId,
        id: i64,
        seen: Option<i64>,
    ) -> Result<Option<Watch>, ManageError> {
        let first = self.see(&caller, &tsg_id, id).await?;
        let of_key = self.spread.changes_of(first.credential.as_deref().unwrap_or_default());
        let of_caller = self.spread.changes_of(&caller.client_id);
        // Again, for what happened before anybody listened.
        let (looked, sight) = (Instant::now(), self.see(&caller, &tsg_id, id).await?);
        if sight.is_over() && seen.is_some_and(|seen| seen >= sight.last().as_microsecond()) {
            return Ok(None);
        }
        let (manage, told, queue) = (self, Told::default(), VecDeque::new());
        let mut watch = Watch { manage, caller, tsg_id, id, of_key, of_caller, sight, looked, told, queue };
        watch.queue.extend(watch.told.news(&watch.sight));
        Ok(Some(watch))
    }

    async fn see(&self, caller: &Caller, tsg_id: &TsgId, id: i64) -> Result<Sight, ManageError> {
        let see = async |tx: &mut Tx| {
            let (mut key, now) = self.visible(tx, caller, tsg_id, id).await?;
            let receipt = receipts::find_of_key(tx, tsg_id, id).await?;
            // The two become complete and revoked in one transaction, which may have come in between.
            if receipt.is_some() && key.status == KeyStatus::Revoking {
                key = read(tx, tsg_id, id).await?;
            }
            Ok(Sight::of(key, receipt, now))
        };
        Ok(self.in_tenant("api_key.watch", tsg_id, see).await?.value)
    }
}

impl Watch {
    /// For how long the caller's token is good, from the last look on.
    #[must_use]
    pub fn token_left(&self) -> Duration {
        Duration::try_from(self.caller.expires_at.duration_since(self.sight.now)).unwrap_or_default()
    }

    /// The next that is there to be told, and its number.
    pub fn take(&mut self) -> Option<(i64, News)> {
        self.queue.pop_front()
    }

    /// Whether nothing more can come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.queue.is_empty() && self.sight.is_over()
    }

    /// Waits until there may be something to see. It may be dropped and called again.
    pub async fn wait(&mut self) {
        let (seq, patience) = (self.sight.open(), self.sight.patience());
        let spread = &self.manage.spread;
        let passed = async {
            match seq {
                Some(seq) => spread.passed(seq).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = heard(&mut self.of_key) => {}
            () = heard(&mut self.of_caller) => {}
            () = passed => {}
            () = tokio::time::sleep_until(self.looked + patience) => {}
        }
        tokio::time::sleep_until(self.looked + GAP).await;
    }

    /// Looks. While the authority is away there is nothing new.
    ///
    /// # Errors
    /// [`ManageError`] when the caller may not look on any more.
    pub async fn look(&mut self) -> Result<(), ManageError> {
        self.looked = Instant::now();
        match self.manage.see(&self.caller, &self.tsg_id, self.id).await {
            Ok(sight) => {
                self.queue.extend(self.told.news(&sight));
                self.sight = sight;
                Ok(())
            }
            Err(ManageError::Store(error)) if error.is_outage() => {
                // Not at once again: whatever was to come soon is late anyway.
                self.looked = Instant::now() + FILLING;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

async fn heard(receiver: &mut watch::Receiver<()>) {
    if receiver.changed().await.is_err() {
        // Nobody is left to say anything.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::receipts::{Mark, RegionMarks};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn sight(status: KeyStatus, since: i64, receipt: Option<Receipt>) -> Sight {
        Sight { status, since: at(since), expires_at: None, credential: None, receipt, now: at(0) }
    }

    fn receipt(heard: Option<i64>, effective: Option<i64>) -> Receipt {
        let state = if heard.is_some() { MarkState::Applied } else { MarkState::Waiting };
        let mark = Mark { instance: uuid::Uuid::nil(), state, at: heard.map(at) };
        Receipt {
            id: uuid::Uuid::nil(),
            seq: 7,
            requested_at: at(10),
            effective_everywhere_at: effective.map(at),
            bound_at: at(40),
            last_token_expires_at: at(900),
            regions: vec![RegionMarks { region: "a".into(), instances: vec![mark] }],
        }
    }

    #[test]
    fn each_thing_is_told_once_under_numbers_that_grow_and_the_last_is_known_again() {
        let mut told = Told::default();
        let life = [
            sight(KeyStatus::Pending, 1, None),
            sight(KeyStatus::Pending, 1, None),
            sight(KeyStatus::Valid, 2, None),
            sight(KeyStatus::Revoking, 9, Some(receipt(None, None))),
            sight(KeyStatus::Revoking, 9, Some(receipt(Some(11), None))),
            sight(KeyStatus::Revoked, 12, Some(receipt(Some(11), Some(13)))),
        ];
        let news: Vec<_> = life.iter().flat_map(|sight| told.news(sight)).collect();
        let kinds: Vec<_> = news.iter().map(|(_, news)| matches!(news, News::Status(..))).collect();
        assert_eq!(kinds, [true, true, true, false, false, true, false]);
        assert!(news.windows(2).all(|two| two[0].0 < two[1].0), "{news:?}");
        let over: Vec<_> = life.iter().map(Sight::is_over).collect();
        assert_eq!(over, [false, false, false, false, false, true]);
        assert_eq!(news.last().map(|(number, _)| *number), Some(life[5].last().as_microsecond()));
        assert!(news[5].0 < life[5].last().as_microsecond(), "the last but one is not the last");
    }

    #[test]
    fn what_is_about_to_happen_is_not_waited_for_in_vain() {
        let mut key = sight(KeyStatus::Valid, 1, None);
        assert_eq!(key.patience(), SLOW);
        key.expires_at = Some(at(3));
        assert_eq!(key.patience(), Duration::from_secs(3));
        key.now = at(4);
        assert_eq!(key.patience(), SLOW);
        assert_eq!(sight(KeyStatus::Valid, 1, Some(receipt(None, None))).patience(), FILLING);
    }
}
