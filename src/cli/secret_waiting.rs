//! Waiting for a secret: until it is valid everywhere, until it is used no more, until it is accepted nowhere. With a bar on a
//! terminal; an outage is borne for a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use super::api::Api;
use super::error::CliError;
use super::secrets::{Secret, read};
use super::table::moment;

/// The wait between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the server may be away.
const AWAY: Duration = Duration::from_secs(30);

/// Until every region has it.
pub(super) async fn until_valid(api: &Api, path: &str) -> Result<(), CliError> {
    let bar = spinner("waiting until every region has it");
    let valid = until(async || {
        let secret: Secret = read(&api.call(Method::GET, path, None).await?)?;
        Ok((secret.status != "pending").then_some(()))
    });
    valid.await.inspect(|()| bar.finish_and_clear())
}

/// Until no server accepts what was taken away; the receipt.
pub(super) async fn until_everywhere(api: &Api, path: &str) -> Result<Value, CliError> {
    let bar = spinner("waiting until no server accepts it");
    let path = format!("{path}/receipt");
    let everywhere = until(async || {
        let receipt: Value = api.call(Method::GET, &path, None).await?;
        Ok((!receipt["effective_everywhere_at"].is_null()).then_some(receipt))
    });
    everywhere.await.inspect(|_| bar.finish_and_clear())
}

/// Until it was not used for so long, and is retired.
pub(super) async fn until_retired(
    api: &Api,
    path: &str,
    subject: &str,
    body: &Value,
    unused_for: u32,
) -> Result<(), CliError> {
    let bar = spinner("");
    let retired = until(async || {
        match api.post_async(&format!("{path}/retire"), body, subject).await {
            Ok(_) => return Ok(Some(())),
            Err(error) if error.code() == "secret_in_use" => {}
            Err(error) => return Err(error),
        }
        let secret: Secret = read(&api.call(Method::GET, path, Some(subject)).await?)?;
        let last = secret.last_used_at.as_deref().map_or_else(|| "never".to_owned(), moment);
        let from = secret.last_used_address.map_or_else(String::new, |address| format!(" from {address}"));
        bar.set_message(format!(
            "waiting until it is unused for {unused_for} s; last used {last}{from}, and watched since"
        ));
        Ok(None)
    });
    retired.await.inspect(|()| bar.finish_and_clear())
}

async fn until<T>(mut look: impl AsyncFnMut() -> Result<Option<T>, CliError>) -> Result<T, CliError> {
    let mut heard = Instant::now();
    loop {
        match look().await {
            Ok(Some(seen)) => return Ok(seen),
            Ok(None) => heard = Instant::now(),
            Err(error) if error.is_passing() && heard.elapsed() < AWAY => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// On standard error, and only when that is a terminal.
fn spinner(message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
