//! Keys that are presented by themselves, as their clients present them.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::scene::Scene;
use super::stores::sql_value;

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// Sixty-four letters and digits, others each time.
pub fn nonce() -> String {
    format!("{:064}", DRAWN.fetch_add(1, Ordering::Relaxed))
}

/// Sixty-four letters and digits.
pub const NONCE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab";

/// A key and its secret.
#[derive(Clone, Debug)]
pub struct OwnKey {
    pub id: String,
    pub secret: String,
}

impl OwnKey {
    /// The key of the answer that showed its secret.
    pub fn of(made: &Answer) -> Self {
        Self { id: made.text("api_key_id"), secret: made.text("secret") }
    }

    /// Where it is, under the tenant.
    pub fn path(&self) -> String {
        format!("api-keys/{}", self.id)
    }

    /// As a bearer token.
    pub async fn as_bearer(&self, client: &Client) -> Answer {
        client.send(client.request(Method::GET, "/v1/whoami").bearer_auth(&self.secret)).await
    }

    /// By its number and its secret in headers.
    pub async fn as_standard(&self, client: &Client) -> Answer {
        self.signed(client, &self.secret, &[]).await
    }

    /// By a hash with this nonce and time.
    pub async fn as_advanced(&self, client: &Client, nonce: &str, timestamp: &str) -> Answer {
        let hash = digest(&SHA256, format!("{}{nonce}{timestamp}", self.secret).as_bytes());
        let hash = hash.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        self.signed(client, &hash, &[("x-xdr-nonce", nonce), ("x-xdr-timestamp", timestamp)]).await
    }

    async fn signed(&self, client: &Client, authorization: &str, more: &[(&str, &str)]) -> Answer {
        let mut request = client.request(Method::GET, "/v1/whoami");
        request = request.header("x-xdr-auth-id", &self.id).header("authorization", authorization);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        client.send(request).await
    }
}

impl Scene {
    /// A key that is presented by itself; pending.
    pub async fn own_key(&self, body: Value) -> OwnKey {
        OwnKey::of(&self.post("api-keys", body).await.expect(201))
    }

    /// The same, valid.
    pub async fn valid_key(&self, body: Value) -> OwnKey {
        let key = self.own_key(body).await;
        self.until(&key.id, "valid").await;
        key
    }

    /// The authority's time, so many milliseconds later or earlier, as clients of advanced keys write it.
    pub async fn millis(&self, away: i64) -> String {
        let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let now: i64 =
            sql_value(&self.database_url, now).await.and_then(|ms| ms.parse().ok()).expect("a number");
        (now + away).to_string()
    }

    /// A key of each style that is presented by itself, valid: opaque, access key, standard, advanced.
    pub async fn key_of_each_style(&self) -> [OwnKey; 4] {
        [
            self.valid_key(json!({ "product": "prisma_capacity" })).await,
            self.valid_key(json!({ "product": "prisma_cloud", "name": "ci", "role": "superuser" })).await,
            self.valid_key(json!({ "product": "cortex_cloud", "role": "auditor" })).await,
            self.valid_key(
                json!({ "product": "cortex_cloud", "role": "auditor", "security_level": "advanced" }),
            )
            .await,
        ]
    }
}
