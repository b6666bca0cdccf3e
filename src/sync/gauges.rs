//! What an operator is shown of regions and receipts, asked for now and then.
//!
//! Every instance shows all regions, so that one that is silent is shown by the others.

use std::collections::HashSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::region::RegionState;
use crate::store::regions::Measured;
use crate::store::{Store, StoreError};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// Shows, until it is told to stop.
pub(super) async fn run(store: Store, stop: CancellationToken) {
    let mut shown = HashSet::new();
    loop {
        if let Err(error) = show(&store, &mut shown).await {
            tracing::debug!(%error, "regions and receipts were not measured this time");
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
async fn show(store: &Store, shown: &mut HashSet<String>) -> Result<(), StoreError> {
    let regions = store.measure_regions().await?;
    let poisoned = regions.first().map_or(0, |region| region.poisoned);
    metrics::gauge!("carnet_records_poisoned").set(poisoned as f64);
    for region in &regions {
        shown.insert(region.region.clone());
        let Measured { divergent, waiting, .. } = region;
        let name = || region.region.clone();
        metrics::gauge!("carnet_divergent_entries", "region" => name(), "of" => "redis")
            .set(*divergent as f64);
        metrics::gauge!("carnet_acknowledgements_waiting", "region" => name()).set(*waiting as f64);
    }
    // Also those that are no more.
    for name in &*shown {
        let now = regions.iter().find(|region| region.region == *name).map(|region| region.state);
        for state in RegionState::ALL {
            let is = f64::from(u8::from(now == Some(state)));
            metrics::gauge!("carnet_region_state", "region" => name.clone(), "state" => state.as_str())
                .set(is);
        }
    }
    let (open, seconds) = store.measure_receipts().await?;
    metrics::gauge!("carnet_receipts_open").set(open as f64);
    for took in seconds {
        metrics::histogram!("carnet_receipt_seconds").record(took);
    }
    Ok(())
}
