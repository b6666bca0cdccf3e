//! A sweep walks: no question of it costs more where there is more to look at, and what changes behind its back is
//! looked at before keys wait for the region.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::interleavings::{connect, seeded};
use crate::support::scene::Scene;
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, run_sql, sql_value};

/// So many at once.
const REACH: i64 = 100;
/// So many accounts, all of which `b` has read back, and one account that is gone in each hundred.
const MANY: &str = "
    INSERT INTO credential (credential, tsg_id, version, live)
    SELECT 'many-' || n, '1000000001', 1, n % 100 <> 0 FROM generate_series(1, 5000) n;
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
/// How many rows this transaction has read.
const READ: &str =
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables";
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
    client.query_one(READ, &[]).await.expect("a sum").get(0)
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

/// How many rows Postgres reads to show all regions, of so many credentials.
async fn read_to_show(credentials: u32) -> i64 {
    let url = seeded().await;
    let many = MANY.replace("5000", &credentials.to_string());
    run_sql(&url, &many).await;
    let client = connect(&url).await;
    client.batch_execute("BEGIN; SELECT * FROM region_shown").await.expect("shown");
    client.query_one(READ, &[]).await.expect("a sum").get(0)
}

#[tokio::test]
async fn regions_are_shown_without_counting_a_crowd() {
    let read = read_to_show(15_000).await;
    assert!(read < 10_100, "{read} rows");
}

#[tokio::test]
async fn twin_while_there_are_few_they_are_counted() {
    let read = read_to_show(9_000).await;
    assert!(read > 4 * 9_000, "{read} rows");
}

/// What is shown of `b`: warm ones, all, and whether that is what there is.
async fn shown(url: &str) -> String {
    sql_value(url, "SELECT warmed || ' of ' || total FROM region_shown WHERE region = 'b'").await.expect("b")
}

#[tokio::test]
async fn what_is_shown_of_a_crowd_is_what_was_counted_in_this_epoch() {
    let url = seeded().await;
    run_sql(&url, &MANY.replace("5000", "11000")).await;
    let client = connect(&url).await;
    let claim = include_str!("../../sql/queries/region_claim_sweep.sql");
    let me = uuid::Uuid::from_u128(11);
    let count = async |epoch: Option<i64>, total: i64, warmed: i64, whole: bool| {
        let (total, warmed) = (epoch.map(|_| total), epoch.map(|_| warmed));
        let values: [&(dyn ToSql + std::marker::Sync); 7] =
            [&"b", &me, &10_f64, &epoch, &total, &warmed, &whole];
        client.query_one(claim, &values).await.expect("the claim is granted");
        shown(&url).await
    };
    assert_eq!(shown(&url).await, "0 of 0", "nobody has counted");
    assert_eq!(count(Some(1), 0, 0, false).await, "0 of 0");
    assert_eq!(count(Some(1), 500, 400, false).await, "400 of 500", "how far the first walk has come");
    assert_eq!(count(Some(1), 10_892, 10_000, true).await, "10000 of 10892");
    assert_eq!(count(Some(1), 100, 100, false).await, "10000 of 10892", "the next walk has only begun");
    assert_eq!(count(None, 0, 0, false).await, "10000 of 10892", "a claim without a count");
    run_sql(&url, "UPDATE region SET epoch = 7 WHERE region = 'b'").await;
    assert_eq!(shown(&url).await, "0 of 10892", "what was warm is lost");
    assert_eq!(count(Some(1), 10_892, 10_892, true).await, "0 of 10892", "of an epoch that is over");
    assert_eq!(count(Some(7), 300, 200, false).await, "200 of 10892");
    assert_eq!(count(Some(7), 9_000, 8_999, true).await, "8999 of 9000", "some were deleted");
}

#[tokio::test]
async fn of_a_crowd_that_is_warmed_the_sweep_tells_the_numbers() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let many = MANY.replace("5000", "11000").replace("1000000001", &scene.tsg_id);
    let (many, _) = many.split_once("INSERT INTO acknowledgement").expect("acknowledgements come last");
    run_sql(&scene.database_url, many).await;
    let eu = json!({ "region": "eu" });
    let _eu = Server::start(config(&scene.database_url, &own.stores.redis_urls()[0], &eu)).await;
    let (started, mut before) = (Instant::now(), -1);
    loop {
        let eu = scene.admin_get("/v1/regions/eu").await.expect(200).json();
        let warmed = eu["warmed"].as_i64().expect("a number");
        assert!(warmed >= before && warmed <= eu["total"].as_i64().expect("a number"), "{before}, then {eu}");
        before = warmed;
        if eu["state"] == "required" {
            let all = sql_value(&scene.database_url, "SELECT count(*) FROM live_credential").await;
            assert_eq!((Some(warmed.to_string()), &eu["warmed"]), (all, &eu["total"]));
            return;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "it is never warm: {eu}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
