//! What regions hold is compared with the authority; what is wrong is put right, and what would have been served is an
//! alarm.

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use serde_json::json;

use crate::support::client::Client;
use crate::support::forge::Forger;
use crate::support::metrics;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{config, redis_url, run_sql, sql_value};

/// The longest that an audit may be waited for.
const PATIENCE: Duration = Duration::from_secs(40);

async fn repairs(scene: &Scene, region: &str, of: &str, why: &str) -> u64 {
    let labels = [format!("region=\"{region}\""), format!("of=\"{of}\""), format!("why=\"{why}\"")];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    metrics::count(&scene.server.health_url, "carnet_audit_repairs_total", &labels).await
}

async fn audited(region: &str, seconds: u64) -> Scene {
    Scene::with(&json!({ "region": region, "audit_seconds": seconds })).await
}

async fn accounts<const N: usize>(scene: &Scene) -> [Account; N] {
    let mut made = Vec::new();
    for n in 0..N {
        made.push(scene.account(&format!("audited {n}")).await);
    }
    made.try_into().expect("so many")
}

#[tokio::test]
async fn what_is_wrong_is_put_right_and_what_would_have_been_served_is_an_alarm() {
    let region = "audited";
    let scene = audited(region, 3).await;
    let [missing, unreadable, stale, changed, unheard, right] = accounts(&scene).await;
    let mut forger = Forger::new(&scene, region, &scene.redis_url).await;
    for account in [&missing, &unreadable, &stale, &changed, &unheard, &right] {
        forger.live(account).await;
    }
    let old = forger.fields(&stale).await;
    scene.change_record(&stale.client_id, "SELECT 1").await;
    let newest = format!("SELECT version FROM credential WHERE credential = '{}'", stale.client_id);
    let newest = sql_value(&scene.database_url, &newest).await;
    while newest != Some(forger.live(&stale).await.version.to_string()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What is written behind a flip is written.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let key = forger.key(&missing);
    forger.redis.del::<_, ()>(key).await.expect("deleted");
    let mut fields = forger.fields(&unreadable).await;
    fields.insert("version".to_owned(), b"9999".to_vec());
    forger.put(&unreadable, &fields).await;
    let key = forger.key(&right);
    forger.redis.expire::<_, ()>(key, 1_000).await.expect("it will go");
    let (one, other) = (forger.live(&changed).await, forger.live(&unheard).await);
    forger.forge(&one, 0, |record| record.path.push("9999999999".to_owned())).await;
    forger.forge(&other, 7, |_| ()).await;
    forger.put(&stale, &old).await;

    let started = Instant::now();
    let divergent = "SELECT divergent FROM region WHERE audited_at IS NOT NULL";
    let mut alarms = 0;
    while repairs(&scene, region, "redis", "divergent").await < 2
        || repairs(&scene, region, "redis", "stale").await < 1
    {
        assert!(started.elapsed() < PATIENCE, "nobody has noticed");
        let found = sql_value(&scene.database_url, divergent).await.unwrap_or_default();
        alarms = alarms.max(found.parse().unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It is told when all is compared.
    while alarms == 0 {
        assert!(started.elapsed() < PATIENCE, "the region does not say so");
        let found = sql_value(&scene.database_url, divergent).await.unwrap_or_default();
        alarms = found.parse().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (why, times) in [("missing", 1), ("unreadable", 1), ("divergent", 2)] {
        assert!(repairs(&scene, region, "redis", why).await >= times, "{why}");
    }
    assert!(forger.entry(&missing).await.is_some() && forger.entry(&unreadable).await.is_some());
    assert_eq!(Some(forger.live(&stale).await.version.to_string()), newest);
    assert_eq!(forger.live(&changed).await.record, one.record);
    assert_eq!(forger.live(&unheard).await.version, other.version);
    let left: i64 = forger.redis.ttl(forger.key(&right)).await.expect("a time");
    assert!(left > 500_000, "what is live does not fall out: {left}");

    // The next one finds nothing.
    let gauge = ["region=\"audited\"", "of=\"redis\""];
    while metrics::value(&scene.server.health_url, "carnet_divergent_entries", &gauge).await > 0.0 {
        assert!(started.elapsed() < PATIENCE, "still an alarm");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An account that is disabled, which its forged entry denies; and an instance that has believed it.
async fn believed(region: &str, audit_seconds: u64) -> (Scene, Account, Server) {
    // The first instance compares nothing.
    let scene = audited(region, 86_400).await;
    let [account] = accounts(&scene).await;
    let forger = Forger::new(&scene, region, &scene.redis_url).await;
    forger.live(&account).await;
    let disable =
        format!("UPDATE service_account SET enabled = false WHERE client_id = '{}'", account.client_id);
    scene.change_record(&account.client_id, &disable).await;
    let started = Instant::now();
    let disabled = loop {
        let entry = forger.live(&account).await;
        if !entry.record.enabled {
            break entry;
        }
        assert!(started.elapsed() < PATIENCE, "not written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // Nobody writes it again who has not done so yet.
    let acknowledged = format!(
        "SELECT count(*) FROM acknowledgement a JOIN credential c USING (credential, version)
         WHERE credential = '{}' AND region = '{region}'",
        account.client_id
    );
    while sql_value(&scene.database_url, &acknowledged).await.as_deref() != Some("1") {
        assert!(started.elapsed() < PATIENCE, "not acknowledged");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    forger.forge(&disabled, 0, |record| record.enabled = true).await;
    // It is believed before it is compared, however long that takes.
    run_sql(&scene.database_url, "UPDATE region SET audited_at = clock_timestamp() + interval '1 hour'")
        .await;
    let settings = json!({ "region": region, "audit_seconds": audit_seconds, "redis_timeout_ms": 5_000 });
    let server = Server::start(config(&scene.database_url, &redis_url(), &settings)).await;
    let client = Client::new(&server.url);
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    run_sql(&scene.database_url, "UPDATE region SET audited_at = clock_timestamp()").await;
    (scene, account, server)
}

#[tokio::test]
async fn what_an_instance_remembers_is_compared_too() {
    let region = "remembered";
    let (scene, account, server) = believed(region, 5).await;
    let (client, started) = (Client::new(&server.url), Instant::now());
    // From here on it is refused, when memory and Redis are both put right.
    while client.token(&account.client_id, &account.client_secret, &[]).await.status != 401 {
        assert!(started.elapsed() < PATIENCE, "still served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What is put right is counted right after.
    for of in ["redis", "memory"] {
        while repairs(&scene, region, of, "divergent").await == 0 {
            assert!(started.elapsed() < PATIENCE, "{of} is not counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The twin: nobody compares.
#[tokio::test]
async fn twin_without_an_auditor_it_is_served_on_and_on() {
    let (_scene, account, server) = believed("unaudited", 86_400).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let client = Client::new(&server.url);
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}

/// Makes accounts that nobody has a secret of, so that asking for tokens leaves their records in memory.
async fn remembered_by(scene: &Scene, client: &Client, number: usize) {
    let tsg_id = &scene.tsg_id;
    let make = format!(
        "INSERT INTO credential (credential, tsg_id)
         SELECT 'many-' || n || '@{tsg_id}.iam.test', '{tsg_id}' FROM generate_series(1, {number}) n;
         INSERT INTO service_account (id, tsg_id, name, client_id, created_by)
         SELECT gen_random_uuid(), '{tsg_id}', 'many ' || n, 'many-' || n || '@{tsg_id}.iam.test', 'a test'
         FROM generate_series(1, {number}) n"
    );
    run_sql(&scene.database_url, &make).await;
    for n in 1..=number {
        let id = format!("many-{n}@{tsg_id}.iam.test");
        client.token(&id, &scene.admin.client_secret, &[]).await.expect(401);
    }
}

/// Writes down which records an audit of memory reads.
async fn note_what_is_compared(database_url: &str) {
    let view = sql_value(database_url, "SELECT pg_get_viewdef('credential_record'::regclass)").await;
    let view = view.expect("a view").replace(';', "");
    let query = include_str!("../../sql/queries/credential_read_many.sql").lines().next().expect("a line");
    let noted = format!(
        "CREATE TABLE compared (credential text, at timestamptz DEFAULT clock_timestamp());
         CREATE FUNCTION noted(credential text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $f$
         BEGIN
             IF starts_with(current_query(), '{query}') THEN INSERT INTO compared VALUES (credential); END IF;
             RETURN true;
         END $f$;
         CREATE OR REPLACE VIEW credential_record AS SELECT * FROM ({view}) r WHERE noted(r.credential)"
    );
    run_sql(database_url, &noted).await;
}

#[tokio::test]
async fn a_large_memory_is_compared_in_turns_that_postgres_hardly_feels() {
    const MANY: usize = 400;
    let region = "large";
    // The first instance compares nothing.
    let scene = audited(region, 86_400).await;
    let server = scene.another_instance(&json!({ "region": region, "audit_seconds": 1 })).await;
    remembered_by(&scene, &Client::new(&server.url), MANY).await;
    note_what_is_compared(&scene.database_url).await;
    let seen = "SELECT count(DISTINCT credential) FROM compared WHERE credential LIKE 'many-%'";
    let started = Instant::now();
    while sql_value(&scene.database_url, seen).await != Some(MANY.to_string()) {
        assert!(started.elapsed() < PATIENCE, "not all of them have had their turn");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pace = "SELECT count(*) <= 100 * (extract(epoch FROM max(at) - min(at)) + 1)
        FROM compared WHERE credential LIKE 'many-%'";
    assert_eq!(sql_value(&scene.database_url, pace).await.as_deref(), Some("t"), "more than 100 a second");
    let labels = ["region=\"large\""];
    let share = metrics::value(&server.health_url, "carnet_audit_memory_share", &labels).await;
    assert!(share > 0.0 && share < 0.5, "{share}");
}

/// The auditor's reading takes a while, so that much has changed when it looks at Redis.
async fn slow_down_audits(database_url: &str) {
    let view = sql_value(database_url, "SELECT pg_get_viewdef('credential_record'::regclass)").await;
    let view = view.expect("a view").replace(';', "");
    let query = include_str!("../../sql/queries/credential_list_all.sql").lines().next().expect("a line");
    let slow = format!(
        "CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql AS $f$
         BEGIN
             IF starts_with(current_query(), '{query}') THEN PERFORM pg_sleep(0.05); END IF;
             RETURN true;
         END $f$;
         CREATE OR REPLACE VIEW credential_record AS SELECT * FROM ({view}) r WHERE slowly()"
    );
    run_sql(database_url, &slow).await;
}

#[tokio::test]
async fn what_changes_while_it_is_compared_is_no_alarm() {
    let region = "restless";
    let scene = audited(region, 1).await;
    slow_down_audits(&scene.database_url).await;
    let second = scene.another_instance(&json!({ "region": region, "audit_seconds": 1 })).await;
    let accounts: [Account; 10] = accounts(&scene).await;
    let (client, started) = (Client::new(&second.url), Instant::now());
    while started.elapsed() < Duration::from_secs(6) {
        for account in &accounts {
            let change = format!("SELECT append_changes(ARRAY['{}'])", account.client_id);
            run_sql(&scene.database_url, &change).await;
            client.token(&account.client_id, &account.client_secret, &[]).await;
        }
        let key = scene.entitled_account(&format!("restless {}", started.elapsed().as_millis())).await;
        scene.key("advanced_wildfire", &key).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Room for the next.
        run_sql(&scene.database_url, "UPDATE api_key SET slot = NULL").await;
    }
    let audits = "SELECT audited_at IS NOT NULL AND divergent = 0 FROM region";
    assert_eq!(sql_value(&scene.database_url, audits).await.as_deref(), Some("t"));
    for of in ["redis", "memory"] {
        assert_eq!(repairs(&scene, region, of, "divergent").await, 0, "{of}");
    }
}
