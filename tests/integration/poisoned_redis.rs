//! Ten thousand entries of a Redis that somebody else owns: not one is believed, each is counted.
//!
//! Postgres is away meanwhile, so that an instance with an empty memory has nothing but Redis: what it believes gives a
//! token, what it does not a 503.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use serde_json::json;

use crate::support::client::Client;
use crate::support::forge::{Fields, Forger};
use crate::support::metrics;
use crate::support::process::Process;
use crate::support::scene::{Account, Scene};
use crate::support::server::{Server, ready};
use crate::support::stores::{OwnStores, config, run_sql};

const REGION: &str = "poisoned";
const VICTIMS: usize = 100;
const ROUNDS: usize = 100;

/// What one account's entries were, each at its time, and what others' are.
struct Past {
    /// In another history.
    history: Fields,
    /// In another epoch.
    epoch: Fields,
    /// In this epoch, before the account was disabled.
    before: Fields,
    /// Now.
    now: Fields,
    /// In another region, before.
    elsewhere: Fields,
}

/// What is put where an entry was.
enum Poison {
    Hash(Fields),
    /// A command that puts something of another type there.
    Other(&'static str, &'static [&'static str]),
}

fn with(fields: &Fields, name: &str, value: Vec<u8>) -> Poison {
    let mut fields = fields.clone();
    fields.insert(name.to_owned(), value);
    Poison::Hash(fields)
}

/// The poison of a round. The seal does not say what is under it, so any bit is as good as another.
fn poison(round: usize, victim: usize, own: &Past, other: &Past) -> Poison {
    let flipped = |fields: &Fields| {
        let mut entry = fields["entry"].clone();
        let bit = (round * 7_919 + victim * 104_729) % (entry.len() * 8);
        entry[bit / 8] ^= 1 << (bit % 8);
        with(fields, "entry", entry)
    };
    let far = |fields: &Fields| with(fields, "version", i64::MAX.to_string().into_bytes());
    match round % 20 {
        0..=5 => flipped(&own.before),
        6 => flipped(&own.now),
        // Whole, but another's; under this name, and with this one's version.
        7 => Poison::Hash(other.before.clone()),
        8 => with(&other.before, "version", own.now["version"].clone()),
        9 => Poison::Hash(own.elsewhere.clone()),
        10 => Poison::Hash(own.epoch.clone()),
        11 => Poison::Hash(own.history.clone()),
        // A place that it does not come from.
        12 => with(&own.history, "place", own.now["place"].clone()),
        // It was right once.
        13 => Poison::Hash(own.before.clone()),
        14 => far(&own.before),
        15 => with(&own.before, "version", own.now["version"].clone()),
        16 => Poison::Other("SET", &["x"]),
        17 => Poison::Other("RPUSH", &["version", "entry"]),
        18 => with(&own.before, "entry", vec![1; 100_000 + round * 1_000]),
        _ => with(&own.before, "version", b"9".repeat(10_000)),
    }
}

struct Poisoned {
    own: OwnStores,
    scene: Scene,
    forger: Forger,
    victims: Vec<(Account, Past)>,
    untouched: Vec<Account>,
}

async fn snapshot(scene: &Scene, region: &str, redis_url: &str, accounts: &[Account]) -> Vec<Fields> {
    let mut forger = Forger::new(scene, region, redis_url).await;
    let mut all = Vec::new();
    for account in accounts {
        forger.live(account).await;
        all.push(forger.fields(account).await);
    }
    all
}

impl Poisoned {
    async fn prepare(many: usize) -> Self {
        let own = OwnStores::start(2);
        let urls = own.stores.redis_urls();
        let settings = settings(REGION);
        let scene = Scene::on(own.migrated().await, urls[0].clone(), &settings).await;
        let eu = Server::start(config(&scene.database_url, &urls[1], &self::settings("eu"))).await;
        let tenant = scene.child("another tenant").await;
        let (mut accounts, mut untouched) = (Vec::new(), Vec::new());
        for n in 0..many {
            // Every other one is of another tenant.
            let tsg_id = if n % 2 == 0 { &scene.tsg_id } else { &tenant };
            accounts.push(scene.account_in(tsg_id, &format!("victim {n}")).await);
        }
        for n in 0..3 {
            untouched.push(scene.account(&format!("untouched {n}")).await);
        }
        let history = snapshot(&scene, REGION, &urls[0], &accounts).await;
        // What a restored backup does.
        let another = "UPDATE authority SET restore_counter = restore_counter + 1;
            UPDATE region SET epoch = epoch + 1";
        run_sql(&scene.database_url, another).await;
        let epoch = snapshot(&scene, REGION, &urls[0], &accounts).await;
        let mut redis = crate::support::forge::connect(&urls[0]).await;
        redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.expect("flushed");
        // Until somebody has noticed.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let before = snapshot(&scene, REGION, &urls[0], &accounts).await;
        let elsewhere = snapshot(&scene, "eu", &urls[1], &accounts).await;
        drop(eu);
        let names: Vec<String> = accounts.iter().map(|account| format!("'{}'", account.client_id)).collect();
        let names = names.join(",");
        run_sql(
            &scene.database_url,
            &format!(
                "UPDATE service_account SET enabled = false WHERE client_id IN ({names});
                 SELECT append_changes(ARRAY[{names}], true)"
            ),
        )
        .await;
        scene.heard().await;
        let mut forger = Forger::new(&scene, REGION, &urls[0]).await;
        let mut victims = Vec::new();
        let pasts = history.into_iter().zip(epoch).zip(before).zip(elsewhere);
        for (account, (((history, epoch), before), elsewhere)) in accounts.into_iter().zip(pasts) {
            while forger.live(&account).await.record.enabled {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            let now = forger.fields(&account).await;
            victims.push((account, Past { history, epoch, before, now, elsewhere }));
        }
        Self { own, scene, forger, victims, untouched }
    }

    async fn put(&mut self, round: usize) {
        for n in 0..self.victims.len() {
            let (account, past) = &self.victims[n];
            let (_, other) = &self.victims[(n + 1) % self.victims.len()];
            match poison(round, n, past, other) {
                Poison::Hash(fields) => self.forger.put(account, &fields).await,
                Poison::Other(command, values) => {
                    let key = self.forger.key(account);
                    let redis = &mut self.forger.redis;
                    redis::cmd("DEL").arg(&key).query_async::<()>(redis).await.expect("deleted");
                    redis::cmd(command).arg(&key).arg(values).query_async::<()>(redis).await.expect("put");
                }
            }
        }
    }
}

fn settings(region: &str) -> serde_json::Value {
    json!({
        "region": region, "lease_seconds": 600, "quarantine_seconds": 600, "redis_timeout_ms": 10_000,
        "database_timeout_ms": 1_000,
    })
}

async fn counted(health_url: &str) -> u64 {
    let mut sum = 0;
    for name in ["carnet_entries_unreadable_total", "carnet_entries_stale_total"] {
        sum += metrics::count(health_url, name, &["region=\"poisoned\""]).await;
    }
    sum
}

#[tokio::test]
async fn of_ten_thousand_poisoned_entries_none_is_believed_and_all_are_counted() {
    let mut poisoned = Poisoned::prepare(VICTIMS).await;
    let stores = (&poisoned.scene.database_url, &poisoned.scene.redis_url);
    let server = Server::start(config(stores.0, stores.1, &settings(REGION))).await;
    ready(&server.health_url).await;
    let client = Client::new(&server.url);
    poisoned.own.stores.stop_postgres();
    let before = counted(&server.health_url).await;
    let mut answers: HashMap<u16, usize> = HashMap::new();
    for round in 0..ROUNDS {
        poisoned.put(round).await;
        let asked = stream::iter(&poisoned.victims).map(|(account, _)| {
            let client = &client;
            async move { client.token(&account.client_id, &account.client_secret, &[]).await.status }
        });
        for status in asked.buffer_unordered(8).collect::<Vec<u16>>().await {
            *answers.entry(status).or_default() += 1;
        }
    }
    assert_eq!(answers, HashMap::from([(503, VICTIMS * ROUNDS)]));
    let all = counted(&server.health_url).await - before;
    assert_eq!(usize::try_from(all).expect("a number"), VICTIMS * ROUNDS);
    // What nobody has touched is believed all the while.
    for account in &poisoned.untouched {
        client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    }
    // With Postgres back, it says what is so, and new keys become valid: nobody is held up.
    poisoned.own.stores.start_postgres().expect("Postgres starts again");
    let (victim, _) = &poisoned.victims[0];
    poisoned.scene.token_of(&poisoned.untouched[0], &[]).await;
    while client.token(&victim.client_id, &victim.client_secret, &[]).await.status == 503 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    client.token(&victim.client_id, &victim.client_secret, &[]).await.expect(401);
    let new = poisoned.scene.account("made afterwards").await;
    poisoned.scene.token_of(&new, &[]).await;
}

/// The twin: without a floor, what was right once is right for ever.
#[tokio::test]
async fn twin_without_a_floor_entries_from_before_are_believed() {
    let mut poisoned = Poisoned::prepare(2).await;
    let stores = (poisoned.scene.database_url.as_str(), poisoned.scene.redis_url.as_str());
    let settings = [
        ("CARNET_REGION", REGION),
        ("CARNET_LEASE_SECONDS", "600"),
        ("CARNET_QUARANTINE_SECONDS", "600"),
        ("CARNET_REDIS_TIMEOUT_MS", "10000"),
        ("CARNET_SABOTAGE", "no_floor"),
    ];
    let process = Process::serve(stores, &settings, &[]).await;
    poisoned.own.stores.stop_postgres();
    poisoned.put(13).await;
    let (client, (account, _)) = (Client::new(&process.url), &poisoned.victims[0]);
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}
