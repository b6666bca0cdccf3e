//! Entries of a region's Redis, read and written by somebody who has the master key and Redis: nobody should.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use carnet::clock::Clock;
use carnet::domain::record::{Entry, Record};
use carnet::region::{Found, Place, PlaceCell, Region};
use carnet::seal::{MasterKeys, Purpose};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

use super::scene::{Account, Scene};
use super::stores::{MASTER_KEY, sql_value};

/// An entry as it lies in Redis.
pub type Fields = HashMap<String, Vec<u8>>;

/// Reads and writes entries of one region in its present epoch.
pub struct Forger {
    pub redis: MultiplexedConnection,
    region: Region,
    place: Arc<Place>,
    name: String,
}

/// A connection of the test's own.
pub async fn connect(redis_url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(redis_url).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("Redis answers")
}

impl Forger {
    /// At the Redis of this region of the scene.
    pub async fn new(scene: &Scene, name: &str, redis_url: &str) -> Self {
        let history =
            "SELECT concat_ws('.', system_identifier, timeline, incarnation, restore_counter) FROM authority";
        let history = sql_value(&scene.database_url, history).await.expect("a history");
        let epoch = format!("SELECT epoch FROM region WHERE region = '{name}'");
        let epoch =
            sql_value(&scene.database_url, &epoch).await.expect("an epoch").parse().expect("a number");
        let place = Arc::new(Place::new(name, &history, epoch));
        let sealer = MasterKeys::parse([MASTER_KEY]).expect("a key").sealer(Purpose::CacheEntry);
        let cell = Arc::new(PlaceCell::new(Place::clone(&place)));
        let patience = Duration::from_secs(10);
        let region = Region::new(redis_url, patience, Arc::new(sealer), cell, Arc::new(Clock::default()));
        let (region, redis) = (region.expect("a region"), connect(redis_url).await);
        Self { redis, region, place, name: name.to_owned() }
    }

    pub fn key(&self, account: &Account) -> String {
        format!("carnet:{}:{}", self.name, account.client_id)
    }

    /// What lies there, opened.
    pub async fn entry(&self, account: &Account) -> Option<Entry> {
        match self.region.get(&self.place, &account.client_id).await.expect("Redis answers") {
            Found::Entry(entry) => Some(entry),
            Found::Nothing | Found::Unreadable => None,
        }
    }

    /// What lies there once it is live.
    pub async fn live(&self, account: &Account) -> Entry {
        for _ in 0..500 {
            if let Some(entry) = self.entry(account).await
                && entry.record.pending_parts() == 0
            {
                return entry;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no live entry of {}", account.client_id);
    }

    /// Writes over what lies there what nobody has said.
    pub async fn forge(&self, entry: &Entry, by: i64, change: impl FnOnce(&mut Record)) {
        let mut record = Record::clone(&entry.record);
        change(&mut record);
        let forged =
            Entry { record: Arc::new(record), version: entry.version + by, read_seq: entry.read_seq };
        self.region.fill(&self.place, &forged, true).await.expect("written");
    }

    /// Writes an entry as a warmer does, or over whatever is there.
    pub async fn write(&self, entry: &Entry, over: bool) {
        self.region.fill(&self.place, entry, over).await.expect("written");
    }

    /// What lies there, as it lies there.
    pub async fn fields(&mut self, account: &Account) -> Fields {
        let key = self.key(account);
        self.redis.hgetall(key).await.expect("fields")
    }

    /// Puts this there and nothing else.
    pub async fn put(&mut self, account: &Account, fields: &Fields) {
        let key = self.key(account);
        let fields: Vec<(&String, &Vec<u8>)> = fields.iter().collect();
        self.redis.del::<_, ()>(&key).await.expect("deleted");
        self.redis.hset_multiple::<_, _, _, ()>(key, &fields).await.expect("written");
    }
}
