//! Receipts go when nobody asks for them any more, and no earlier.

use serde_json::json;

use crate::interleavings::{connect, seeded};
use crate::support::stores::{NO_REDIS, config, run_sql, sql_value};

/// Receipts 1 to 8, complete for 31 days but for the open one (5) and the young one (6): the last of a key (1), of
/// a secret (2), of an account (3), and those of nothing that is left.
const RECEIPTS: &str = "
    INSERT INTO receipt (seq, tsg_id, requested_at, bound_at, effective_everywhere_at, token_lifetime_seconds)
    SELECT n, '1000000001', t, t, CASE n WHEN 5 THEN NULL WHEN 6 THEN clock_timestamp() - interval '29 days' ELSE t END, 900
    FROM generate_series(1, 8) n, (SELECT clock_timestamp() - interval '31 days' AS t) t;
    INSERT INTO receipt_mark (seq, tsg_id, instance, region, state)
    SELECT seq, tsg_id, gen_random_uuid(), 'a', 'applied' FROM receipt;
    INSERT INTO product (product, title, audience, key_style, key_owner, one_active_per_tenant, requires_all_apps, required_permissions, expires_with_license)
    VALUES ('thing', 'Thing', 'urn:thing', 'bound_service_account', 'service_account', true, false, '{}', false);
    INSERT INTO api_key (api_key_id, tsg_id, product, status, credential, created_by, receipt_seq)
    VALUES (1, '1000000001', 'thing', 'revoked', 'one', 'test', 1);
    INSERT INTO client_secret (credential_id, tsg_id, service_account_id, credential, name, status, pepper, hash, revoking_seq)
    SELECT '0000000000000001', tsg_id, id, client_id, 'old', 'revoked', 'none', decode(repeat('00', 32), 'hex'), 2
    FROM service_account WHERE client_id = 'one';
    UPDATE credential SET receipt_seq = 3 WHERE credential = 'one'";
const LEFT: &str = "SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM receipt";
const MARKS_LEFT: &str = "SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM receipt_mark";

async fn with_receipts() -> String {
    let url = seeded().await;
    run_sql(&url, RECEIPTS).await;
    url
}

#[tokio::test]
async fn a_receipt_goes_when_it_is_old_and_complete_and_the_last_one_of_nothing() {
    let url = with_receipts().await;
    let store = carnet::app::store(&config(&url, NO_REDIS, &json!({}))).expect("a store");
    assert_eq!(store.prune(1_000, 0).await.expect("pruned"), 0, "it begins anew");
    assert_eq!(sql_value(&url, LEFT).await.as_deref(), Some("1 2 3 5 6"));
    assert_eq!(sql_value(&url, MARKS_LEFT).await.as_deref(), Some("1 2 3 5 6"));
    // When the key has another one, and the account is told of another withdrawal, theirs of before go.
    run_sql(
        &url,
        "UPDATE api_key SET receipt_seq = 6; UPDATE credential SET receipt_seq = 6 WHERE credential = 'one'",
    )
    .await;
    store.prune(1_000, 0).await.expect("pruned");
    assert_eq!(sql_value(&url, LEFT).await.as_deref(), Some("2 5 6"));
}

#[tokio::test]
async fn those_that_are_kept_are_not_looked_at_every_time() {
    let url = with_receipts().await;
    let client = connect(&url).await;
    let prune = include_str!("../../sql/queries/receipt_prune.sql");
    let (mut after, mut seen) = (0_i64, Vec::new());
    while seen.len() < 6 {
        let row = client.query_one(prune, &[&after, &2_i64, &2_592_000_f64]).await.expect("pruned");
        after = row.get::<_, Option<i64>>(0).unwrap_or(0);
        seen.push((after, sql_value(&url, LEFT).await.expect("some")));
    }
    let expected = [
        (2, "1 2 3 4 5 6 7 8"),
        (4, "1 2 3 5 6 7 8"),
        (0, "1 2 3 5 6 7 8"),
        (2, "1 2 3 5 6 7 8"),
        (5, "1 2 3 5 6 7 8"),
        (7, "1 2 3 5 6 8"),
    ];
    assert_eq!(seen, expected.map(|(after, left)| (after, left.to_owned())));
}
