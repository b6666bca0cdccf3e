//! What an operator can watch: every metric is there, says what it is, and names nobody.

use std::time::{Duration, Instant};

use carnet::app::metrics::{COUNTERS, GAUGES, HISTOGRAMS};
use serde_json::json;

use crate::support::client::Client;
use crate::support::metrics;
use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::stores::{redis_url, sql_value};

/// Lines that a metric must have to be of use.
fn lacking(text: &str) -> Vec<String> {
    let kinds = [("counter", &COUNTERS[..]), ("gauge", &GAUGES[..]), ("histogram", &HISTOGRAMS[..])];
    let wanted = kinds.into_iter().flat_map(|(kind, metrics)| {
        metrics
            .iter()
            .flat_map(move |(name, what)| [format!("# HELP {name} {what}"), format!("# TYPE {name} {kind}")])
    });
    wanted.filter(|line| !text.lines().any(|known| known == line)).collect()
}

#[tokio::test]
async fn every_metric_is_there_and_none_names_anybody() {
    let settings = json!({ "region": "watched", "audit_seconds": 1 });
    let scene = Scene::with(&settings).await;
    // A process of its own, which counts by itself; and which revokes, so that it answers for it.
    let process = Process::serve(
        (&scene.database_url, &redis_url()),
        &[("CARNET_REGION", "watched"), ("CARNET_AUDIT_SECONDS", "1")],
        &[],
    )
    .await;
    let Scene { server, database_url, redis_url, tsg_id, admin, .. } = scene;
    let client = Client::new(&process.url);
    let scene = Scene { server, client, database_url, redis_url, tsg_id, admin };
    let account = scene.entitled_account("watched").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let token = scene.token_of(&account, &[]).await;
    scene.client.whoami(&token).await.expect(200);
    scene.client.token(&account.client_id, "wrong", &[]).await.expect(401);
    scene.client.whoami("not a token").await.expect(401);
    scene.revoke(&id).await.expect(200);
    let started = Instant::now();
    let text = loop {
        // A receipt is measured by one of the two instances.
        let key = scene.key("advanced_wildfire", &account).await;
        scene.until(&key, "valid").await;
        scene.revoke(&key).await.expect(200);
        let text = metrics::text(&process.health_url).await;
        let lacking = lacking(&text);
        if lacking.is_empty() {
            break text;
        }
        assert!(started.elapsed() < Duration::from_secs(40), "{lacking:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let of_the_account = [&account.id, &account.client_id, &account.client_secret, &id, &token];
    for private in of_the_account.into_iter().chain([&scene.tsg_id, &scene.admin.client_id]) {
        assert!(!text.contains(private.as_str()), "{private} is named");
    }
    let described = [&COUNTERS[..], &GAUGES[..], &HISTOGRAMS[..]].concat();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(described.iter().any(|(known, _)| *known == name), "{name} is not described");
    }
}

#[tokio::test]
async fn what_waits_and_what_is_open_is_shown_while_it_is_so() {
    let scene = Scene::with(&json!({ "region": "waiting", "revoke_wait_seconds": 1 })).await;
    let account = scene.entitled_account("waits").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let health = scene.server.health_url.clone();
    let shown = async |name: &str, labels: &[&str], wanted: f64| {
        let started = Instant::now();
        while (metrics::value(&health, name, labels).await - wanted).abs() > 0.1 {
            assert!(started.elapsed() < Duration::from_secs(10), "{name} is not {wanted}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    shown("carnet_region_state", &["region=\"waiting\"", "state=\"required\""], 1.0).await;
    shown("carnet_region_state", &["region=\"waiting\"", "state=\"joining\""], 0.0).await;
    // A region without anybody in it acknowledges nothing.
    let alone = "INSERT INTO region (region, state) VALUES ('alone', 'required');
        INSERT INTO instance (instance, region, applied, low_water, lease_until)
        VALUES (gen_random_uuid(), 'alone', 0, 0, clock_timestamp() + interval '1 minute')";
    crate::support::stores::run_sql(&scene.database_url, alone).await;
    let account = scene.account("nobody there").await;
    shown("carnet_acknowledgements_waiting", &["region=\"alone\""], 1.0).await;
    shown("carnet_acknowledgements_waiting", &["region=\"waiting\""], 0.0).await;
    let pending = format!("SELECT status FROM client_secret WHERE credential = '{}'", account.client_id);
    assert_eq!(sql_value(&scene.database_url, &pending).await.as_deref(), Some("pending"));
    // Nor has the one in it heard of a revocation.
    scene.revoke(&id).await.expect(202);
    let open = async || {
        let open = "SELECT count(*) FROM receipt WHERE effective_everywhere_at IS NULL";
        sql_value(&scene.database_url, open).await.expect("a number")
    };
    assert_eq!(open().await, "1");
    crate::support::stores::run_sql(&scene.database_url, "DELETE FROM instance WHERE region = 'alone'").await;
    let started = Instant::now();
    while open().await != "0" {
        assert!(started.elapsed() < Duration::from_secs(10), "still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
