//! What nobody needs any more is removed, by every server, once a minute. Nothing depends on when: what cannot be done now is done
//! the next time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How often.
const EVERY: Duration = Duration::from_mins(1);

/// Removes old changes but for the last `keep`, receipts, and what has expired.
pub(super) async fn run(store: Store, keep: usize, stop: CancellationToken) {
    let mut receipts_after = 0;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match store.prune(keep, receipts_after).await {
            Ok(upto) => receipts_after = upto,
            Err(error) => tracing::debug!(%error, "pruning did not happen this time"),
        }
        if let Err(error) = store.prune_used_once().await {
            tracing::debug!(%error, "what was used once is forgotten the next time");
        }
    }
}

/// Removes single tokens that were taken back and have expired: all of them, so nothing else waits for it.
pub(super) async fn forget_tokens(store: Store, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(store.prune_revoked_tokens()).await {
            tracing::debug!(%error, "expired tokens that were taken back are forgotten the next time");
        }
    }
}

/// Removes the places of what is gone. All of them, which may take longer than a minute: so nothing else waits for it.
pub(super) async fn forget_places(store: Store, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(store.prune_token_statuses()).await {
            tracing::debug!(%error, "the places of what is gone are forgotten the next time");
        }
    }
}
