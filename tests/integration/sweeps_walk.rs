//! A sweep walks: no question of it costs more where there is more to look at, and what changes behind its back is
//! looked at before keys wait for the region.

use tokio_postgres::Client;

use crate::interleavings::{connect, seeded};
use crate::support::stores::{run_sql, sql_value};

/// So many at once.
const REACH: i64 = 100;
/// So many accounts, all of which `b` has read back, and one account that is gone in each hundred.
const MANY: &str = "
    INSERT INTO credential (credential, tsg_id, version) SELECT 'many-' || n, '1000000001', 1 FROM generate_series(1, 5000) n;
    INSERT INTO service_account (id, tsg_id, name, client_id, created_by, deleted_at)
    SELECT gen_random_uuid(), tsg_id, 'many', credential, 'test',
           CASE WHEN credential LIKE '%00' THEN clock_timestamp() END
    FROM credential WHERE credential LIKE 'many-%';
    INSERT INTO acknowledgement (credential, region, version, epoch) SELECT credential, 'b', version, 1 FROM credential;
    ANALYZE";
/// What the sweep asked before: whatever is cold, after the last that was.
const ALL_AT_ONCE: &str = "
    SELECT l.credential FROM live_credential l
    LEFT JOIN acknowledgement a ON a.credential = l.credential AND a.region = $1
    WHERE l.credential > $3 AND NOT l.poisoned AND (a.epoch, a.version) IS DISTINCT FROM ($2::bigint, l.version)
    ORDER BY l.credential LIMIT $4 + 0 * $5::bigint";
const STEP: &str = include_str!("../../sql/queries/credential_list_cold.sql");

async fn crowded() -> (String, Client) {
    let url = seeded().await;
    run_sql(&url, MANY).await;
    let client = connect(&url).await;
    (url, client)
}

/// How many rows Postgres reads for one question of the sweep of `b`, when nothing is cold.
async fn read_for(question: &str) -> i64 {
    let (_url, client) = crowded().await;
    client.batch_execute("BEGIN").await.expect("begun");
    let limit = REACH;
    client.query(question, &[&"b", &1_i64, &"many-3", &limit, &REACH]).await.expect("an answer");
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables";
    client.query_one(read, &[]).await.expect("a sum").get(0)
}

#[tokio::test]
async fn one_question_reads_no_more_than_its_part() {
    let read = read_for(STEP).await;
    assert!(read > 0 && read <= 6 * REACH, "{read} rows for {REACH} credentials");
}

#[tokio::test]
async fn twin_a_question_about_all_reads_all() {
    let read = read_for(ALL_AT_ONCE).await;
    assert!(read > 20 * REACH, "{read} rows");
}

/// Every cold one that is named, from the first to the last; how many live ones were counted, and how many warm ones.
async fn walk(client: &Client, limit: i64) -> (Vec<String>, i64, i64) {
    let (mut after, mut cold, mut total, mut warm) = (String::new(), Vec::new(), 0, 0);
    loop {
        let rows = client.query(STEP, &[&"b", &1_i64, &after, &limit, &REACH]).await.expect("an answer");
        let Some(upto) = rows[0].get::<_, Option<String>>("upto") else { return (cold, total, warm) };
        assert!(upto > after, "{upto} after {after}");
        total += rows[0].get::<_, i64>("total");
        warm += rows[0].get::<_, i64>("warm");
        cold.extend(rows.iter().filter_map(|row| row.get::<_, Option<String>>("credential")));
        after = upto;
    }
}

#[tokio::test]
async fn a_walk_meets_everything_once_wherever_it_lies() {
    let (url, client) = crowded().await;
    let lacking = "
        DELETE FROM acknowledgement WHERE credential IN ('many-1', 'many-4999', 'two', 'many-500');
        UPDATE acknowledgement SET version = 0 WHERE credential = 'many-2222';
        UPDATE acknowledgement SET epoch = 0 WHERE credential LIKE 'many-33__';
        UPDATE credential SET poisoned_version = version WHERE credential IN ('many-77', 'many-3333')";
    run_sql(&url, lacking).await;
    let expected = "SELECT string_agg(l.credential, ' ' ORDER BY l.credential) FROM live_credential l
        LEFT JOIN acknowledgement a ON a.credential = l.credential AND a.region = 'b'
        WHERE NOT poisoned AND (a.epoch, a.version) IS DISTINCT FROM (1::bigint, l.version)";
    let expected = sql_value(&url, expected).await.expect("names");
    assert_eq!(expected.split(' ').count(), 4 + 98, "what is gone or cannot be read is not among them");
    for limit in [1, 7, 1_000] {
        let (cold, total, warm) = walk(&client, limit).await;
        assert_eq!(cold.join(" "), expected, "{limit} at once");
        // One of the two that cannot be read was read back before.
        assert_eq!((total, warm), (5_002 - 50, 5_002 - 50 - 102 - 1), "{limit} at once");
    }
}

/// Whether `b`, which has read everything back, is promoted when this has happened since the walk began.
async fn promoted_after(what: &str) -> Option<String> {
    let url = seeded().await;
    let warm = "
        INSERT INTO change (credential, version, kind) VALUES ('one', 0, 'changed');
        UPDATE region SET state = 'joining' WHERE region = 'b';
        UPDATE instance SET lease_until = clock_timestamp() + interval '1 minute' WHERE region = 'b';
        INSERT INTO acknowledgement (credential, region, version, epoch) SELECT credential, 'b', version, 1 FROM credential";
    run_sql(&url, warm).await;
    let since = sql_value(&url, "SELECT max(seq) FROM change").await.expect("a change");
    run_sql(&url, what).await;
    sql_value(&url, &format!("SELECT promote_region('b', 1, {since})")).await
}

#[tokio::test]
async fn a_region_is_not_waited_for_when_something_is_cold_that_changed_behind_the_back_of_the_walk() {
    const CHANGED: &str = "SELECT append_changes(ARRAY['one']);
        UPDATE credential SET changed_at = changed_at - interval '6 s' WHERE credential = 'one'";
    let case = async |what: &str| promoted_after(what).await.as_deref() == Some("t");
    assert!(case("SELECT 1").await, "nothing has happened");
    assert!(!case(CHANGED).await, "it is cold");
    assert!(case("SELECT append_changes(ARRAY['one'])").await, "it is on its way");
    assert!(
        case(&format!("{CHANGED}; UPDATE acknowledgement SET version = 1 WHERE credential = 'one'")).await
    );
    assert!(!case("UPDATE region SET epoch = 2 WHERE region = 'b'").await, "what was read back is lost");
    assert!(!case("DELETE FROM change").await, "nobody knows what has changed");
    assert!(!case("UPDATE region SET state = 'draining' WHERE region = 'b'").await);
    assert!(!case("UPDATE instance SET lease_until = '-infinity'").await, "nobody is there");
}
