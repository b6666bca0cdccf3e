//! Tending regions: silent and stuck ones are waited for no longer, those heard of again begin to catch up.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How often somebody looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until it is told to stop. Every instance does: the region to be moved may be anybody's.
pub(super) async fn run(store: Store, quarantine: Duration, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match store.tend_regions(quarantine).await {
            Ok(moved) => {
                for region in moved {
                    tracing::warn!(region = region.region, was = ?region.was, "the region is {:?} now", region.became);
                }
            }
            Err(error) => tracing::debug!(%error, "the regions were not looked after this time"),
        }
    }
}
