//! Tokens that were taken back and have expired are forgotten as fast as they may come.

use serde_json::json;

use crate::interleavings::seeded;
use crate::support::stores::{NO_REDIS, config, run_sql, sql_value};

/// Three times what is forgotten at once, and some.
const ACCOUNTS: u32 = 350;

/// One part is a hundred accounts: what is left over would else wait for a minute, and the next part for another.
#[tokio::test]
async fn all_that_has_expired_is_forgotten_in_one_go() {
    let url = seeded().await;
    let many = format!(
        "INSERT INTO credential (credential, tsg_id) SELECT 'many-' || n, '1000000001' FROM generate_series(1, {ACCOUNTS}) n;
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), tsg_id, 'many', credential, 'test' FROM credential WHERE credential LIKE 'many-%';
         INSERT INTO revoked_token SELECT credential, gen_random_uuid(), tsg_id, clock_timestamp() - interval '11 minutes'
         FROM credential, generate_series(1, 2) WHERE credential LIKE 'many-%';
         INSERT INTO revoked_token SELECT credential, gen_random_uuid(), tsg_id, clock_timestamp() - interval '9 minutes'
         FROM credential WHERE credential = 'many-7'"
    );
    run_sql(&url, &many).await;
    let store = carnet::app::store(&config(&url, NO_REDIS, &json!({}))).expect("a store");
    store.prune_revoked_tokens().await.expect("pruned");
    let left = "SELECT string_agg(credential, ' ') FROM revoked_token";
    assert_eq!(sql_value(&url, left).await.as_deref(), Some("many-7"), "and nothing that is young");
    let changes = "SELECT count(DISTINCT credential) FROM change WHERE credential LIKE 'many-%'";
    assert_eq!(sql_value(&url, changes).await, Some(ACCOUNTS.to_string()), "each with another version");
}
