//! The signing keys of an installation, as its operator sees and moves them.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::scene::{Account, Scene};
use super::stores::{run_sql, sql_value};

const PATIENCE: Duration = Duration::from_secs(20);

/// The kids of the JWKS of this server.
pub async fn jwks(client: &Client) -> Vec<String> {
    let keys = client.send(client.request(Method::GET, "/.well-known/jwks.json")).await.expect(200).json();
    let keys = keys["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// The `kid` in the header of a token.
pub fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

impl Scene {
    /// The administrator posts something about a key.
    pub async fn key_post(&self, path: &str, body: Value) -> Answer {
        let token = self.admin_token().await;
        self.client.call(&token, Method::POST, &format!("/v1/signing-keys{path}"), Some(&body)).await
    }

    /// A key as it is shown.
    pub async fn signing_key(&self, kid: &str) -> Value {
        self.admin_get(&format!("/v1/signing-keys/{kid}")).await.expect(200).json()
    }

    /// A new key of this algorithm, published.
    pub async fn new_key(&self, algorithm: &str) -> String {
        self.key_post("", json!({ "algorithm": algorithm })).await.expect(201).text("kid")
    }

    /// Waits until a member of a key has this value, or any if that is null.
    pub async fn until_key(&self, kid: &str, member: &str, wanted: Value) -> Value {
        let started = Instant::now();
        loop {
            let shown = self.signing_key(kid).await;
            let found = &shown[member];
            if !found.is_null() && (wanted.is_null() || *found == wanted) {
                return shown;
            }
            assert!(started.elapsed() < PATIENCE, "{member} is not {wanted}: {shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A token that this key has signed: the server loads the keys anew a moment after one may sign.
    pub async fn token_signed_by(&self, kid: &str, account: &Account) -> String {
        let started = Instant::now();
        loop {
            let token = self.token_of(account, &[]).await;
            if kid_of(&token) == kid {
                return token;
            }
            assert!(started.elapsed() < PATIENCE, "{kid} does not sign");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets so many seconds pass for a key, as far as its next step depends on them.
    pub async fn time_passes(&self, kid: &str, seconds: u32) {
        let earlier = format!(
            "UPDATE signing_key SET everywhere_at = everywhere_at - interval '{seconds} seconds' WHERE kid = '{kid}'"
        );
        run_sql(&self.database_url, &earlier).await;
    }

    /// The key that signs with this algorithm.
    pub async fn signer(&self, algorithm: &str) -> String {
        let query =
            format!("SELECT kid FROM signing_key WHERE status = 'active' AND algorithm = '{algorithm}'");
        sql_value(&self.database_url, &query).await.expect("a key")
    }
}
