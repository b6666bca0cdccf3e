//! A server with a tenant and its administrator, and the steps that most tests begin with.

use std::time::{Duration, Instant};

use carnet::app;
use carnet::manage::bootstrap::bootstrap;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::server::Server;
use super::stores::{self, run_sql, sql_value};

/// The longest that anything may take to settle.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server, its tenant, and a client of it.
pub struct Scene {
    pub server: Server,
    pub client: Client,
    pub database_url: String,
    pub redis_url: String,
    pub tsg_id: String,
    pub admin: Account,
}

/// A service account that can get tokens.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: String,
    pub client_id: String,
    pub client_secret: String,
}

impl Account {
    /// The public id of its secret.
    pub fn credential_id(&self) -> String {
        self.client_secret.split('_').nth(2).expect("a secret names its id").to_owned()
    }

    /// Where its secret is, under the tenant.
    pub fn secret_path(&self) -> String {
        format!("service-accounts/{}/secrets/{}", self.id, self.credential_id())
    }

    /// The same account with the new secret of this answer.
    pub fn with_secret(&self, made: &Answer) -> Self {
        Self { client_secret: made.text("client_secret"), ..self.clone() }
    }

    /// The account of the answer that showed its secret.
    pub fn of(made: &Answer) -> Self {
        Self {
            id: made.text("id"),
            client_id: made.text("client_id"),
            client_secret: made.text("client_secret"),
        }
    }
}

impl Scene {
    /// A server on a database of its own.
    pub async fn new() -> Self {
        Self::with(&json!({})).await
    }

    /// The same with other settings.
    pub async fn with(settings: &Value) -> Self {
        Self::on(stores::database().await, stores::redis_url(), settings).await
    }

    /// The same on these stores.
    pub async fn on(database_url: String, redis_url: String, settings: &Value) -> Self {
        let config = stores::config(&database_url, &redis_url, settings);
        let (store, masters) =
            (app::store(&config).expect("a store"), app::master_keys(&config).expect("keys"));
        let made = bootstrap(&store, &masters.pepper(), &config.domain, "Scene").await.expect("a tenant");
        let server = Server::start(config).await;
        let client = Client::new(&server.url);
        let admin = Account {
            id: String::new(),
            client_id: made.client_id,
            client_secret: made.client_secret.expose().to_owned(),
        };
        let tsg_id = made.tsg_id.to_string();
        let scene = Self { server, client, database_url, redis_url, tsg_id, admin };
        scene.admin_token().await;
        scene
    }

    /// Another instance of the same region.
    pub async fn another_instance(&self, settings: &Value) -> Server {
        Server::start(stores::config(&self.database_url, &self.redis_url, settings)).await
    }

    /// A management token of the administrator, as soon as its secret is valid.
    pub async fn admin_token(&self) -> String {
        self.token_of(&self.admin, &[]).await
    }

    /// A token, waiting as long as what it needs is pending.
    pub async fn token_of(&self, account: &Account, form: &[(&str, &str)]) -> String {
        let started = Instant::now();
        loop {
            let answer = self.client.token(&account.client_id, &account.client_secret, form).await;
            if answer.status != 503 || started.elapsed() > PATIENCE {
                return answer.expect(200).text("access_token");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A path under the tenant.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/tenants/{}/{rest}", self.tsg_id)
    }

    /// The administrator posts something under the tenant.
    pub async fn post(&self, rest: &str, body: Value) -> Answer {
        let token = self.admin_token().await;
        self.client.call(&token, Method::POST, &self.path(rest), Some(&body)).await
    }

    /// The administrator gets something under the tenant.
    pub async fn get(&self, rest: &str) -> Answer {
        self.admin_get(&self.path(rest)).await
    }

    /// The administrator gets something anywhere.
    pub async fn admin_get(&self, path: &str) -> Answer {
        let token = self.admin_token().await;
        self.client.call(&token, Method::GET, path, None).await
    }

    /// A new tenant below this one.
    pub async fn tenant_below(&self, parent: &str, name: &str) -> String {
        let token = self.admin_token().await;
        let body = json!({ "name": name, "parent_tsg_id": parent });
        self.client.call(&token, Method::POST, "/v1/tenants", Some(&body)).await.expect(201).text("tsg_id")
    }

    /// A new account without any rights.
    pub async fn account(&self, name: &str) -> Account {
        self.account_in(&self.tsg_id, name).await
    }

    /// The same in another tenant.
    pub async fn account_in(&self, tsg_id: &str, name: &str) -> Account {
        let token = self.admin_token().await;
        let (path, body) = (format!("/v1/tenants/{tsg_id}/service-accounts"), json!({ "name": name }));
        Account::of(&self.client.call(&token, Method::POST, &path, Some(&body)).await.expect(201))
    }

    /// A new account that a key of the first column of DESIGN §2 may be bound to.
    pub async fn entitled_account(&self, name: &str) -> Account {
        self.holder(name, &["iam.service_account", "iam.custom_role"], json!("all")).await
    }

    /// A new account with a role of its own that holds these permissions, for `"all"` or some products.
    pub async fn holder(&self, name: &str, permissions: &[&str], products: Value) -> Account {
        let account = self.account(name).await;
        let role = format!("{name} role");
        self.post("roles", json!({ "name": role, "permissions": permissions })).await.expect(201);
        let policy = json!({ "principal": account.client_id, "role": role, "products": products });
        self.post("access-policies", policy).await.expect(201);
        account
    }

    /// A new tenant below the scene's, without licenses or accounts.
    pub async fn child(&self, name: &str) -> String {
        let token = self.admin_token().await;
        let body = json!({ "name": name });
        self.client.call(&token, Method::POST, "/v1/tenants", Some(&body)).await.expect(201).text("tsg_id")
    }

    /// An account of that tenant which may do everything in it and below.
    pub async fn administrator_of(&self, tsg_id: &str) -> Account {
        let token = self.admin_token().await;
        let post = async |noun: &str, body: Value| {
            let path = format!("/v1/tenants/{tsg_id}/{noun}");
            self.client.call(&token, Method::POST, &path, Some(&body)).await.expect(201)
        };
        let made = post("service-accounts", json!({ "name": "Local administrator" })).await;
        let account = Account::of(&made);
        let policy = json!({ "principal": account.client_id, "role": "superuser", "products": "all" });
        post("access-policies", policy).await;
        account
    }

    /// A key bound to the account; pending.
    pub async fn key(&self, product: &str, account: &Account) -> String {
        let key = json!({ "product": product, "service_account_id": account.id });
        self.post("api-keys", key).await.expect(201).text("api_key_id")
    }

    /// Waits until the key has this status.
    pub async fn until(&self, api_key_id: &str, status: &str) -> Answer {
        let started = Instant::now();
        loop {
            let key = self.get(&format!("api-keys/{api_key_id}")).await.expect(200);
            if key.text("status") == status {
                return key;
            }
            assert!(started.elapsed() < PATIENCE, "still {} instead of {status}", key.text("status"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Changes rows that make up this client's record, for what no request can do (yet), and waits
    /// until the servers have heard of it.
    pub async fn change_record(&self, client_id: &str, statements: &str) {
        let append = format!("SELECT append_changes(ARRAY['{client_id}'])");
        run_sql(&self.database_url, &format!("{statements}; {append}")).await;
        self.heard().await;
    }

    /// Waits until the servers have heard of every change so far. (An instance that is only a row in
    /// a table never hears of any.)
    pub async fn heard(&self) {
        let last = sql_value(&self.database_url, "SELECT max(seq) FROM change").await.expect("a change");
        let alive = "lease_until > clock_timestamp() AND applied > 0";
        let heard = format!("SELECT bool_and(applied >= {last}) FROM instance WHERE {alive}");
        let started = Instant::now();
        while sql_value(&self.database_url, &heard).await.as_deref() != Some("t") {
            assert!(started.elapsed() < PATIENCE, "change {last} is not heard of");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The administrator sends something under the tenant, with these headers.
    pub async fn send(
        &self,
        method: Method,
        rest: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let token = self.admin_token().await;
        let mut request = self.client.request(method, &self.path(rest)).bearer_auth(token);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        self.client.send(if let Some(body) = body { request.json(body) } else { request }).await
    }

    /// Waits until what is shown under this path has this status.
    pub async fn until_status(&self, rest: &str, status: &str) -> Answer {
        let started = Instant::now();
        loop {
            let shown = self.get(rest).await.expect(200);
            if shown.text("status") == status {
                return shown;
            }
            assert!(started.elapsed() < PATIENCE, "still {} instead of {status}", shown.text("status"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everybody has heard of what this receipt is of.
    pub async fn until_everywhere(&self, receipt: &str) -> Answer {
        let started = Instant::now();
        loop {
            let shown = self.get(receipt).await;
            if shown.status == 200 && !shown.json()["effective_everywhere_at"].is_null() {
                return shown;
            }
            assert!(started.elapsed() < PATIENCE, "{} {}", shown.status, shown.json());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The authority's time, so many seconds later or earlier, as the API writes it.
    pub async fn in_seconds(&self, seconds: i32) -> String {
        let moment = format!(
            "SELECT to_char((clock_timestamp() + interval '{seconds} seconds') AT TIME ZONE 'UTC',
                            'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        );
        sql_value(&self.database_url, &moment).await.expect("a moment")
    }

    /// Who did this to this thing, by the audit trail, in order.
    pub async fn audited(&self, action: &str, target: &str) -> Option<String> {
        let query = format!(
            "SELECT string_agg(actor, ',' ORDER BY id) FROM audit_event
             WHERE action = '{action}' AND target = '{target}'"
        );
        sql_value(&self.database_url, &query).await
    }

    /// Revokes a key and waits for the answer.
    pub async fn revoke(&self, api_key_id: &str) -> Answer {
        self.post(&format!("api-keys/{api_key_id}/revoke"), json!({ "reason": "a test" })).await
    }
}
