//! Waiting for a region, with a bar on a terminal. The server that is asked may be one of those that are going, so an
//! outage is borne for a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::api::Api;
use super::error::CliError;
use super::regions::{self, Region};

/// The wait between two looks: the server counts every credential for each.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the server may be away.
const AWAY: Duration = Duration::from_secs(30);

/// Until no instance of it has a lease.
pub(super) async fn until_gone(api: &Api, name: &str) -> Result<Value, CliError> {
    let bar = bar("{msg} [{bar:30}] {pos} of {len} gone");
    let mut most = 0;
    until(api, name, |region| {
        let left = region.instances.len() as u64;
        most = left.max(most);
        bar.set_length(most);
        bar.set_position(most - left);
        bar.set_message(format!("{name}: waiting for its instances to be stopped"));
        left == 0
    })
    .await
    .inspect(|_| bar.finish_and_clear())
}

/// Until keys wait for it.
pub(super) async fn until_required(api: &Api, name: &str) -> Result<Value, CliError> {
    let bar = bar("{msg} [{bar:30}] {pos} of {len} credentials");
    until(api, name, |region| {
        bar.set_length(region.total);
        bar.set_position(region.warmed);
        bar.set_message(format!("{name} is {}: warming", region.state));
        region.state == "required"
    })
    .await
    .inspect(|_| bar.finish_and_clear())
}

async fn until(api: &Api, name: &str, mut done: impl FnMut(&Region) -> bool) -> Result<Value, CliError> {
    let mut heard = Instant::now();
    loop {
        match regions::find(api, name).await {
            Ok(shown) => {
                heard = Instant::now();
                if done(&regions::read(&shown)?) {
                    return Ok(shown);
                }
            }
            Err(error) if error.is_passing() && heard.elapsed() < AWAY => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// On standard error, and only when that is a terminal.
fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
