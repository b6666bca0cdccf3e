//! Hashes of client secrets under the current pepper: whoever proves right with one of an earlier pepper is hashed anew.
//!
//! Beside the answers, never on their way: what finds the queue full is found the next time. Each change of a record is heard
//! of by everybody and warmed everywhere, so they come in batches, and never more than one for a secret.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::master_keys::Rehashed;

/// The most that wait.
pub const QUEUE: usize = 1024;
/// How long they are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// The most in one transaction.
const BATCH: usize = 200;

/// Stores them until it is told to stop.
pub(super) async fn run(
    store: Store,
    pepper: String,
    mut proved: mpsc::Receiver<Rehashed>,
    stop: CancellationToken,
) {
    let mut waiting = HashMap::new();
    while let Some(Some(first)) = stop.run_until_cancelled(proved.recv()).await {
        waiting.insert(first.credential_id, first.hash);
        if stop.run_until_cancelled(tokio::time::sleep(GATHER)).await.is_none() {
            return;
        }
        while waiting.len() < BATCH
            && let Ok(Rehashed { credential_id, hash }) = proved.try_recv()
        {
            waiting.insert(credential_id, hash);
        }
        let batch: Vec<_> =
            waiting.drain().map(|(credential_id, hash)| Rehashed { credential_id, hash }).collect();
        match store.rehash_client_secrets(&pepper, &batch).await {
            Ok(0) => {}
            Ok(done) => {
                metrics::counter!("carnet_secrets_rehashed_total").increment(done.unsigned_abs());
                tracing::debug!(done, "client secrets are hashed under the current pepper");
            }
            Err(error) => tracing::debug!(%error, "client secrets were not hashed anew this time"),
        }
    }
}
