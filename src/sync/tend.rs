//! Tending regions: silent and stuck ones are waited for no longer, those heard of again begin to catch up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::directory::Knowledge;
use crate::protocol_log;
use crate::store::Store;

/// How often somebody looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long one must have heard the authority before one says of others that they are silent. After an outage of
/// Postgres nobody has a lease, and whoever is back first must not judge those who are as well a moment later.
const HEARD: u32 = 4;

/// Looks until it is told to stop. Every instance does: the region to be moved may be anybody's.
pub(super) async fn run(
    store: Store,
    knowledge: Arc<Knowledge>,
    quarantine: Duration,
    stop: CancellationToken,
) {
    let mut heard = 0;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        heard = if knowledge.may_serve().is_some() { (heard + 1).min(HEARD) } else { 0 };
        if heard < HEARD {
            continue;
        }
        let asked = knowledge.clock.boot();
        match store.tend_regions(quarantine).await {
            Ok(moved) => {
                for region in moved {
                    protocol_log::region_state(&region.region, region.became.as_str(), asked);
                    tracing::warn!(region = region.region, was = ?region.was, "the region is {:?} now", region.became);
                }
            }
            Err(error) => tracing::debug!(%error, "the regions were not looked after this time"),
        }
    }
}
