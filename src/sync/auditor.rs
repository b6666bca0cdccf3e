//! The auditor: does every region hold what the authority says?
//!
//! Nothing should ever be wrong; this is how an operator knows that nothing is. A region's cache is compared whole by one
//! of its instances, each instance's memory by itself, in turns that bear on Postgres little; what is not as it should be is put right. An entry that would have
//! been served and was wrong is an alarm: somebody has a master key, or there is a mistake of ours.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::comparing::{Cache, Flaw, compare};
use super::turns::{self, Turns};
use super::warmer::BATCH;
use super::warming::Warming;
use crate::clock::BootInstant;
use crate::domain::record::Entry;
use crate::region::Place;
use crate::store::records::Batch;

/// For how long one instance may compare without a word.
const CLAIM: Duration = Duration::from_secs(30);
/// The rest after a batch.
const REST: Duration = Duration::from_millis(20);
/// How many times an instance looks for something to do before it is time.
const LOOKS: u32 = 10;

pub(super) struct Auditor {
    pub warming: Warming,
    pub instance: Uuid,
    /// How often everything is compared.
    pub every: Duration,
}

/// How much was wrong, and in what way.
type Tally = HashMap<Flaw, u64>;

fn count(tally: &Tally, flaw: Flaw) -> u64 {
    tally.get(&flaw).copied().unwrap_or(0)
}

impl Auditor {
    /// Works until it is told to stop. The memory, which takes its time, does not keep the region waiting.
    pub async fn run(self, stop: CancellationToken) {
        Box::pin(stop.run_until_cancelled(join(self.compare_region(), self.compare_memory()))).await;
    }

    async fn compare_region(&self) {
        loop {
            tokio::time::sleep(self.pace()).await;
            if let Err(error) = self.audit_region().await {
                tracing::debug!(%error, "the region's cache was not compared to the end");
            }
        }
    }

    async fn compare_memory(&self) {
        let (mut turns, mut last) = (Turns::default(), self.now());
        loop {
            tokio::time::sleep(self.pace()).await;
            if self.now().since(last) < self.every {
                continue;
            }
            let started = self.now();
            match self.audit_memory(&mut turns).await {
                Ok(()) => last = started,
                Err(error) => tracing::debug!(%error, "the memory was not compared to the end"),
            }
        }
    }

    fn now(&self) -> BootInstant {
        self.warming.knowledge.clock.boot()
    }

    /// The wait between two looks; another one in each instance.
    fn pace(&self) -> Duration {
        self.every / LOOKS / 256 * (128 + u32::from(self.instance.as_bytes()[0]))
    }

    async fn audit_region(&self) -> anyhow::Result<()> {
        let (store, name) = (&self.warming.store, &self.warming.region_name);
        if !store.claim_audit(name, self.instance, CLAIM, self.every).await? {
            return Ok(());
        }
        let (started, mut tally, mut after) = (self.now(), Tally::new(), String::new());
        loop {
            let batch = store.list_all(&after, i64::try_from(BATCH)?).await?;
            let Some(last) = batch.last.clone() else { break };
            self.audit_records(&batch).await?;
            self.audit_batch(&batch, &mut tally).await?;
            after = last;
            tokio::time::sleep(REST).await;
            anyhow::ensure!(
                store.claim_audit(name, self.instance, CLAIM, self.every).await?,
                "it took too long"
            );
        }
        store.finish_audit(name, self.instance, count(&tally, Flaw::Divergent)).await?;
        self.report("redis", started, &tally);
        Ok(())
    }

    /// Which records can be read, and which cannot: for those who wait for the rest.
    async fn audit_records(&self, batch: &Batch) -> anyhow::Result<()> {
        let readable: Vec<&str> = batch.entries.iter().map(|e| e.record.credential.as_str()).collect();
        self.warming.store.clear_poisoned(&readable).await?;
        self.warming.store.mark_poisoned(&batch.poisoned).await?;
        Ok(())
    }

    async fn audit_batch(&self, batch: &Batch, tally: &mut Tally) -> anyhow::Result<()> {
        let region = &self.warming.region;
        let place = region.place();
        self.is_here(&place, batch)?;
        let flaws = compare(&self.warming, &Cache::Redis(&place), batch).await?;
        self.is_here(&place, batch)?;
        // What is armed or behind gives way by itself, the rest is written over.
        let part = |over: bool| {
            let rewritten = flaws
                .iter()
                .filter(move |(_, flaw)| matches!(flaw, Flaw::Unreadable | Flaw::Divergent) == over);
            rewritten.map(|(entry, _)| entry).collect::<Vec<&Entry>>()
        };
        region.fill_many(&place, &part(true), true).await?;
        region.fill_many(&place, &part(false), false).await?;
        // What could not be put right is found again, and counted then.
        for (entry, flaw) in &flaws {
            self.note("redis", entry, *flaw, tally);
        }
        // An entry that is live never falls out, one that nobody can use does.
        let used = batch.entries.iter().filter(|entry| !entry.record.secrets.is_empty());
        let used: Vec<&str> = used.map(|entry| entry.record.credential.as_str()).collect();
        region.keep_many(&place, &used).await?;
        Ok(())
    }

    /// Whether the records are of the history and the epoch that the cache is compared in.
    fn is_here(&self, place: &Place, batch: &Batch) -> anyhow::Result<()> {
        let history = batch.history.map(|history| history.to_string());
        let here = place.epoch() != Place::NO_EPOCH
            && *self.warming.region.place() == *place
            && history.is_none_or(|history| history == place.history());
        anyhow::ensure!(here, "history or epoch are others now");
        Ok(())
    }

    /// Compares as much of the memory as may be, and goes on there the next time.
    async fn audit_memory(&self, turns: &mut Turns) -> anyhow::Result<()> {
        let (started, mut tally) = (self.now(), Tally::new());
        let remembered = self.warming.knowledge.remembered();
        let all = remembered.len();
        let names = turns.next(remembered, turns::most_within(self.every));
        let mut compared = 0;
        for names in names.chunks(turns::BATCH) {
            let place = self.warming.region.place();
            let batch = self.warming.store.read_records(names).await?;
            self.is_here(&place, &batch)?;
            for (entry, flaw) in compare(&self.warming, &Cache::Memory, &batch).await? {
                // Forgotten meanwhile.
                if flaw != Flaw::Missing {
                    self.note("memory", &entry, flaw, &mut tally);
                    self.warming.knowledge.forget(&entry.record.credential);
                }
            }
            compared += names.len();
            turns.came_to(names);
            tokio::time::sleep(turns::REST).await;
        }
        self.report("memory", started, &tally);
        self.tell_share(compared, all);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn tell_share(&self, compared: usize, all: usize) {
        // All of nothing is all.
        let share = if all == 0 { 1.0 } else { compared as f64 / all as f64 };
        metrics::gauge!("carnet_audit_memory_share", "region" => self.warming.region_name.clone()).set(share);
    }

    fn note(&self, of: &'static str, entry: &Entry, flaw: Flaw, tally: &mut Tally) {
        *tally.entry(flaw).or_default() += 1;
        let region = self.warming.region_name.clone();
        if flaw == Flaw::Divergent {
            let (credential, version) = (&entry.record.credential, entry.version);
            tracing::error!(region, of, credential, version, "an entry would have been served and was wrong");
        }
        let why = flaw.label();
        metrics::counter!("carnet_audit_repairs_total", "region" => region, "of" => of, "why" => why)
            .increment(1);
    }

    fn report(&self, of: &'static str, started: BootInstant, tally: &Tally) {
        let region = self.warming.region_name.clone();
        let took = self.now().since(started);
        metrics::histogram!("carnet_audit_seconds", "region" => region.clone(), "of" => of).record(took);
        if of == "memory" {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let divergent = count(tally, Flaw::Divergent) as f64;
            metrics::gauge!("carnet_divergent_entries", "region" => region.clone(), "of" => of)
                .set(divergent);
        }
        if tally.is_empty() {
            tracing::debug!(region, of, ?took, "compared: all is as the authority says");
        } else {
            tracing::info!(region, of, ?took, ?tally, "compared, and put right");
        }
    }
}
