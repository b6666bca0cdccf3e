//! Which Redis this is, and whether it still holds what was put into it.
//!
//! A process says its run id; a mark lies among the entries and goes when they go. Either of them another than
//! before means that entries may be lost: a new epoch.

use std::collections::HashMap;

use super::{Region, RegionError};

/// What a look at Redis itself found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Of the process.
    pub run_id: String,
    /// The mark, if it lies there.
    pub life: Option<String>,
    /// Whether it is a primary: what a replica holds may be older than what was acknowledged.
    pub is_primary: bool,
    /// What it does when its memory is full. Anything but `noeviction` loses entries without a word.
    pub eviction: String,
}

impl Look {
    /// Whether entries may be trusted to stay there.
    #[must_use]
    pub fn keeps_entries(&self) -> bool {
        self.is_primary && self.eviction == "noeviction"
    }
}

impl Region {
    /// Looks.
    ///
    /// # Errors
    /// [`RegionError`].
    pub async fn look(&self) -> Result<Look, RegionError> {
        let mut ask = redis::pipe();
        for section in ["server", "replication", "memory"] {
            ask.cmd("INFO").arg(section);
        }
        ask.cmd("GET").arg(self.life_key());
        let mut redis = self.redis.clone();
        let answer = self.command(async { Ok(ask.query_async(&mut redis).await?) }).await?;
        let (server, replication, memory, life): (String, String, String, Option<String>) = answer;
        let fields: HashMap<&str, &str> =
            [&server, &replication, &memory].into_iter().flat_map(|section| fields(section)).collect();
        let field = |name: &str| fields.get(name).map(|value| (*value).to_owned()).unwrap_or_default();
        Ok(Look {
            run_id: field("run_id"),
            life,
            is_primary: field("role") == "master",
            eviction: field("maxmemory_policy"),
        })
    }

    /// Puts a mark there, unless there is one.
    ///
    /// # Errors
    /// [`RegionError`].
    pub async fn mark(&self, life: &str) -> Result<(), RegionError> {
        let mut ask = redis::cmd("SET");
        ask.arg(self.life_key()).arg(life).arg("NX");
        let mut redis = self.redis.clone();
        self.command(async { Ok(ask.query_async::<Option<String>>(&mut redis).await?) }).await?;
        Ok(())
    }

    /// No credential is called so: those have an `@`.
    fn life_key(&self) -> String {
        self.place.load().key("life")
    }
}

fn fields(section: &str) -> impl Iterator<Item = (&str, &str)> {
    section.lines().filter_map(|line| line.trim_end().split_once(':'))
}
