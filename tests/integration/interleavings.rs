//! Statements of the protocol that meet each other at the worst moment, played in the database itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::client::Client;
use crate::support::process::Process;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{NO_REDIS, OwnStores, config, database, run_sql, sql_value};
use crate::valid_everywhere::deaf_instance;

/// One tenant at the root with one below it, an account in each, two required regions, and in each an instance without
/// a lease.
const SEED: &str = "
    INSERT INTO authority (system_identifier, timeline, incarnation, since, longest_lease, master_check)
    SELECT system_identifier, timeline, incarnation, '-infinity', interval '30.4 s', 'none' FROM authority_now();
    INSERT INTO tenant (tsg_id, name, parent_tsg_id, path) VALUES
        ('1000000001', 'root', NULL, '{1000000001}'),
        ('1000000002', 'child', '1000000001', '{1000000001,1000000002}');
    INSERT INTO region (region, state) VALUES ('a', 'required'), ('b', 'required');
    INSERT INTO credential (credential, tsg_id) VALUES ('one', '1000000001'), ('two', '1000000002');
    INSERT INTO service_account (id, tsg_id, name, client_id, created_by) VALUES
        (gen_random_uuid(), '1000000001', 'one', 'one', 'test'),
        (gen_random_uuid(), '1000000002', 'two', 'two', 'test');
    INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
        ('00000000-0000-0000-0000-00000000000a', 'a', 0, 0, '-infinity'),
        ('00000000-0000-0000-0000-00000000000b', 'b', 0, 0, '-infinity')";
const WITHDRAW: &str = "SELECT append_changes(ARRAY['one'], true)";
const SETTLE: &str = "SELECT frontier FROM settle_receipts()";

pub async fn seeded() -> String {
    let url = database().await;
    run_sql(&url, SEED).await;
    url
}

pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
}

/// What an instance of this region says that has applied nothing yet; whether its lease is longer now.
async fn renew(client: &tokio_postgres::Client, region: &str) -> String {
    let renew = include_str!("../../sql/queries/instance_renew_lease.sql");
    let who = format!("'00000000-0000-0000-0000-00000000000{region}'::uuid");
    let renew = renew.replace("$1", &who).replace("$2", "0").replace("$3", "0").replace("$4", "30.4");
    let renew = renew.replace("$5", "(SELECT revision FROM keyring)").replace("$6", "'{}'");
    let answer = client.simple_query(&renew).await.expect("an answer");
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    row.expect("an instance")
}

async fn while_waiting() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Its row would go, and with it every reason to wait for it, while it answers under a lease (I2).
#[tokio::test]
async fn a_region_is_not_removed_while_a_lease_of_it_is_being_committed() {
    let url = seeded().await;
    let (instance, operator) = (connect(&url).await, connect(&url).await);
    // A standby may take its time to confirm this.
    instance.batch_execute("BEGIN").await.expect("begun");
    assert_eq!(renew(&instance, "b").await, "t");
    let removal = tokio::spawn(async move {
        let removal = operator.query_one("SELECT remove_region('b', 'operator')", &[]).await;
        removal.expect("an answer").get::<_, Option<String>>(0)
    });
    while_waiting().await;
    instance.batch_execute("COMMIT").await.expect("committed");
    let refused = removal.await.expect("an answer");
    run_sql(&url, WITHDRAW).await;
    run_sql(&url, SETTLE).await;
    let proven = "SELECT count(*) FROM receipt WHERE effective_everywhere_at IS NOT NULL";
    assert_eq!(sql_value(&url, proven).await.as_deref(), Some("0"), "an instance of b has a lease");
    assert_eq!(refused.as_deref(), Some("alive"));
}

#[tokio::test]
async fn a_receipt_that_is_complete_says_of_nobody_that_he_may_still_answer() {
    let url = seeded().await;
    let (first, second, instance) = (connect(&url).await, connect(&url).await, connect(&url).await);
    // Somebody else settles, and a standby takes its time to confirm that.
    first.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7030)").await.expect("locked");
    run_sql(&url, WITHDRAW).await;
    let settled = tokio::spawn(async move { second.batch_execute(SETTLE).await.expect("settled") });
    while_waiting().await;
    assert_eq!(renew(&instance, "a").await, "t", "the change is young");
    first.batch_execute("COMMIT").await.expect("unlocked");
    settled.await.expect("settled");
    let lies = "SELECT count(*) FROM receipt r JOIN receipt_mark m ON m.seq = r.seq
        WHERE r.effective_everywhere_at IS NOT NULL AND m.state = 'waiting'";
    assert_eq!(sql_value(&url, lies).await.as_deref(), Some("0"));
}

/// Until a change is committed, no renewal can take account of it.
#[tokio::test]
async fn the_bound_of_a_receipt_holds_when_its_commit_takes_long() {
    let url = seeded().await;
    let (change, instance) = (connect(&url).await, connect(&url).await);
    change.batch_execute(&format!("BEGIN; {WITHDRAW}")).await.expect("appended");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(renew(&instance, "a").await, "t");
    change.batch_execute("COMMIT").await.expect("committed");
    run_sql(&url, SETTLE).await;
    let late = "SELECT count(*) FROM receipt_shown r, instance i
        WHERE i.lease_until > r.bound_at AND i.lease_until > clock_timestamp()";
    assert_eq!(sql_value(&url, late).await.as_deref(), Some("0"), "a lease goes on beyond the bound");
}

/// What the flip has locked stays as it was, and whoever comes later waits outside, with nothing of his own locked.
#[tokio::test]
async fn no_epoch_is_raised_while_somebody_decides_by_the_epochs() {
    const EPOCHS: &str = "SELECT sum(epoch) FROM region";
    let another = include_str!("../../sql/queries/authority_update_changed.sql").to_owned();
    let back = include_str!("../../sql/queries/authority_update_went_back.sql");
    let back = back.replace("$1", "1000").replace("$2", "7");
    for raise in [another, back] {
        let url = seeded().await;
        run_sql(&url, "UPDATE authority SET incarnation = 0").await;
        let (flip, engine) = (connect(&url).await, connect(&url).await);
        flip.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7027)").await.expect("locked");
        let raising = tokio::spawn(async move { engine.batch_execute(&raise).await });
        while_waiting().await;
        flip.batch_execute(
            "SELECT 1 FROM region FOR SHARE NOWAIT; SELECT 1 FROM authority FOR UPDATE NOWAIT",
        )
        .await
        .expect("nothing else is locked");
        assert_eq!(sql_value(&url, EPOCHS).await.as_deref(), Some("2"));
        flip.batch_execute("COMMIT").await.expect("unlocked");
        raising.await.expect("it ran").expect("raised");
        assert_ne!(sql_value(&url, EPOCHS).await.as_deref(), Some("2"));
    }
}

/// An acknowledgement that was on its way when its region was removed says nothing of the region that comes back.
#[tokio::test]
async fn a_region_that_comes_back_begins_above_every_epoch_of_its_earlier_life() {
    let url = seeded().await;
    let register = include_str!("../../sql/queries/region_register.sql").replace("$1", "'b'");
    run_sql(
        &url,
        &format!(
            "DELETE FROM instance WHERE region = 'b'; DELETE FROM region WHERE region = 'b'; {register}"
        ),
    )
    .await;
    let epoch = "SELECT epoch FROM region WHERE region = 'b'";
    let raise = "SELECT raise_epoch('b', epoch, 'run', 'life') FROM region WHERE region = 'b'";
    let raised = sql_value(&url, raise).await;
    assert!(raised.is_some(), "its cache is known");
    let late = format!(
        "SELECT remove_region('b', 'operator');
         {register};
         INSERT INTO acknowledgement (credential, region, version, epoch) VALUES ('one', 'b', 0, {})",
        raised.expect("an epoch")
    );
    run_sql(&url, &late).await;
    let counts =
        "SELECT count(*) FROM acknowledgement a JOIN region r USING (region, epoch) WHERE region = 'b'";
    assert_eq!(sql_value(&url, counts).await.as_deref(), Some("0"), "{:?}", sql_value(&url, epoch).await);
}

/// The second line of defence: rights are asked for above, and here.
#[tokio::test]
async fn whoever_sees_one_tenant_moves_no_region_and_changes_no_other_tenants_credential() {
    let url = seeded().await;
    let client = connect(&url).await;
    client.batch_execute("SET carnet.tsg_id = '1000000002'; SET ROLE carnet_tenant").await.expect("a role");
    let _ = client.batch_execute("SELECT append_changes(ARRAY['one', 'two'], true)").await;
    let _ = client.batch_execute("SELECT drain_region('b', 'somebody@else')").await;
    let touched = "SELECT count(*) FROM credential WHERE credential = 'one' AND (seq, receipt_seq) IS DISTINCT FROM (0, NULL)";
    let receipts = "SELECT count(*) FROM receipt WHERE tsg_id = '1000000001'";
    let drained = "SELECT count(*) FROM region WHERE state = 'draining'";
    let found =
        [sql_value(&url, touched).await, sql_value(&url, receipts).await, sql_value(&url, drained).await];
    assert_eq!(found.map(|count| count.expect("a count")), ["0", "0", "0"]);
}

/// It is asked for forty times a second while something waits, under the lock that every revoke needs.
#[tokio::test]
async fn a_flip_that_has_nothing_to_flip_writes_nothing() {
    let url = seeded().await;
    let pending = "INSERT INTO client_secret
            (credential_id, tsg_id, service_account_id, credential, name, pepper, hash)
        SELECT '0000000000000001', tsg_id, id, client_id, 'pending', 'none', decode(repeat('00', 32), 'hex')
        FROM service_account WHERE client_id = 'one'";
    run_sql(&url, pending).await;
    let client = connect(&url).await;
    client.batch_execute("BEGIN; SELECT flip_ready(ARRAY['one'])").await.expect("asked");
    let wrote = client.query_one("SELECT pg_current_xact_id_if_assigned() IS NOT NULL", &[]).await;
    assert!(!wrote.expect("an answer").get::<_, bool>(0), "its commit waits for the disk and the standbys");
}

/// A statement has two seconds; what does not fit in must be done in parts, or it is never done.
#[tokio::test]
async fn ten_thousand_receipts_of_fifty_instances_are_settled_in_the_end() {
    let url = seeded().await;
    let many = "
        INSERT INTO instance (instance, region, applied, low_water, lease_until)
        SELECT gen_random_uuid(), 'a', 0, 0, clock_timestamp() FROM generate_series(1, 50);
        INSERT INTO change (credential, version, kind) SELECT 'one', n, 'changed' FROM generate_series(1, 10000) n;
        INSERT INTO receipt (seq, tsg_id, requested_at, bound_at, token_lifetime_seconds)
        SELECT seq, '1000000001', clock_timestamp(), clock_timestamp(), 900 FROM change;
        INSERT INTO receipt_mark (seq, tsg_id, instance, region)
        SELECT r.seq, r.tsg_id, i.instance, i.region FROM receipt r, instance i WHERE i.lease_until > '-infinity';
        ANALYZE";
    run_sql(&url, many).await;
    let client = connect(&url).await;
    client.batch_execute("SET statement_timeout = '2s'").await.expect("set");
    let open = "SELECT count(*) FROM receipt WHERE effective_everywhere_at IS NULL";
    for _ in 0..5 {
        let _ = client.batch_execute(SETTLE).await;
    }
    let open: i64 = sql_value(&url, open).await.expect("a count").parse().expect("a number");
    assert!(open < 10_000, "ten seconds of work have settled nothing");
}

/// What a revoke answers whose own receipt is lost with the tail of a primary while it waits; `instead` came in its place.
async fn answer_to_a_lost_revoke(instead: &str) -> u16 {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 3 })).await;
    let account = scene.entitled_account("lost").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    run_sql(&scene.database_url, &deaf_instance(60)).await;
    let lose = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lost = format!(
            "{instead};
             UPDATE api_key SET status = 'valid', revoking_seq = NULL, receipt_seq = NULL WHERE api_key_id = {id}"
        );
        run_sql(&scene.database_url, &lost).await;
    };
    let (answer, ()) = futures_util::future::join(scene.revoke(&id), lose).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.text("status"), "valid");
    answer.status
}

/// A primary that lost its tail has lost the receipt, and the withdrawal with it.
#[tokio::test]
async fn who_takes_something_away_is_not_told_that_it_is_done_when_its_receipt_is_gone() {
    assert_eq!(answer_to_a_lost_revoke("DELETE FROM receipt").await, 503);
}

/// The history that goes on numbers its changes from where the lost one was cut off.
#[tokio::test]
async fn the_receipt_of_another_withdrawal_that_got_the_same_number_is_not_taken_for_the_lost_one() {
    let other = "UPDATE receipt SET id = gen_random_uuid(), effective_everywhere_at = clock_timestamp()";
    assert_eq!(answer_to_a_lost_revoke(other).await, 503);
}

/// It claims the sweep again before its claim is over, and so for ever.
#[tokio::test]
async fn an_instance_that_does_not_reach_the_cache_leaves_the_sweep_to_one_that_does() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let eu = async |redis_url: &str| {
        Server::start(config(&scene.database_url, redis_url, &json!({ "region": "eu" }))).await
    };
    let _cut_off = eu(NO_REDIS).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _sound = eu(&own.stores.redis_urls()[0]).await;
    let state = "SELECT state FROM region WHERE region = 'eu'";
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if sql_value(&scene.database_url, state).await.as_deref() == Some("required") {
            return;
        }
    }
    let claims =
        "SELECT sweeper = (SELECT instance FROM instance WHERE region = 'eu' ORDER BY started_at LIMIT 1)
        AND sweeper_until > clock_timestamp() FROM region WHERE region = 'eu'";
    let claims = sql_value(&scene.database_url, claims).await;
    panic!("eu is not warm after half a minute; does the one that is cut off claim the sweep: {claims:?}");
}

/// Whoever looks for this one's record has taken his snapshot long before he has an answer.
async fn read_slowly(scene: &Scene, account: &Account) {
    let view = "SELECT pg_get_viewdef('service_account_record'::regclass)";
    let view = sql_value(&scene.database_url, view).await.expect("a view").replace(';', "");
    let query = include_str!("../../sql/queries/credential_read.sql").lines().next().expect("a line");
    let query = query.replace('\'', "''");
    let slow = format!(
        "CREATE FUNCTION slowly(credential text) RETURNS boolean LANGUAGE plpgsql AS $f$
         BEGIN
             IF credential = '{}' AND starts_with(current_query(), '{query}') THEN PERFORM pg_sleep(1.3); END IF;
             RETURN true;
         END $f$;
         CREATE OR REPLACE VIEW service_account_record AS SELECT * FROM ({view}) r WHERE slowly(r.credential)",
        account.client_id
    );
    run_sql(&scene.database_url, &slow).await;
}

/// An account is disabled while an instance without a cache reads its record for somebody; what is answered to whoever
/// asks that instance when it has been disabled everywhere.
async fn after_it_was_disabled(environment: &[(&str, String)]) -> u16 {
    let scene = Scene::new().await;
    let account = scene.account("in the air").await;
    scene.token_of(&account, &[]).await;
    read_slowly(&scene, &account).await;
    let instance = Process::serve((&scene.database_url, NO_REDIS), &[], environment).await;
    let (client, started) = (Client::new(&instance.url), Instant::now());
    let ask = || client.token(&account.client_id, &account.client_secret, &[]);
    let first = async {
        let first = ask().await.expect(200);
        (first, started.elapsed())
    };
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let token = scene.admin_token().await;
        let path = scene.path(&format!("service-accounts/{}", account.id));
        let disable = scene.client.request(Method::PATCH, &path).bearer_auth(&token).header("if-match", "*");
        let disabled = scene.client.send(disable.json(&json!({ "enabled": false }))).await.expect(200);
        assert!(disabled.json()["receipt"]["effective_everywhere_at"].is_string());
        (started.elapsed(), ask().await.status)
    };
    let ((_, landed), (disabled, status)) = futures_util::future::join(first, later).await;
    assert!(
        disabled < landed,
        "disabled after {disabled:?}, but the first answer was there after {landed:?}"
    );
    status
}

#[tokio::test]
async fn whoever_comes_after_the_end_is_not_answered_from_a_snapshot_of_before() {
    assert_eq!(after_it_was_disabled(&[]).await, 401);
}

/// The twin: he joins who asked before.
#[tokio::test]
async fn twin_whoever_joins_any_flight_is_accepted_after_the_end() {
    assert_eq!(after_it_was_disabled(&[("CARNET_SABOTAGE", "join_any_flight".to_owned())]).await, 200);
}
