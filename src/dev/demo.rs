//! The demo tenant: made once, and shown again at every later start.
//!
//! Its administrator's secret and the master key lie in files that only their owner can read. That is
//! good enough for a machine on which somebody tries things out, and for nothing else.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use crate::manage::bootstrap::bootstrap;
use crate::seal::{Pepper, generate_master_key};
use crate::store::Store;

/// The demo tenant and its administrator.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Demo {
    pub tsg_id: String,
    pub client_id: String,
    pub client_secret: String,
}

/// The demo tenant of this directory.
pub(super) async fn ready(
    store: &Store,
    pepper: &Pepper,
    domain: &str,
    directory: &Path,
) -> anyhow::Result<Demo> {
    let file = directory.join("demo.json");
    if file.exists() {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let demo: Demo =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?;
        // The file may have outlived its database.
        if store.read_record(&demo.client_id).await?.entry.is_some() {
            return Ok(demo);
        }
    }
    let made = bootstrap(store, pepper, domain, "Demo").await?;
    let demo = Demo {
        tsg_id: made.tsg_id.to_string(),
        client_id: made.client_id,
        client_secret: made.client_secret.expose().to_owned(),
    };
    write_private(&file, &serde_json::to_string_pretty(&demo)?)?;
    Ok(demo)
}

/// The master key of this directory, made at the first start.
pub(super) fn master_key(directory: &Path) -> anyhow::Result<String> {
    let file = directory.join("master.key");
    if !file.exists() {
        write_private(&file, &generate_master_key("dev", &SystemRandom::new())?)?;
    }
    let key = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(key.trim().to_owned())
}

/// Writes a file that nobody else can read, whole or not at all.
pub(super) fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let unfinished = file.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut handle = options.open(&unfinished).with_context(cannot)?;
    handle.write_all(text.as_bytes()).and_then(|()| handle.sync_all()).with_context(cannot)?;
    fs::rename(&unfinished, file).with_context(cannot)
}
