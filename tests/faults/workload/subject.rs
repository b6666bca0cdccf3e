//! Whom an operation is about: a tenant of its own with one account, its secrets, its key and its role.
//!
//! Each has its own so that no operation is in the way of another, and every history is about one thing at a time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::asking::{Asker, Reply, made, shown};
use super::{Door, Effort, Operation, PRODUCT, ROLE};
use crate::history::{Ask, Came, Recorder, SecretNumber, Status, Wants};

/// Between two tries while it is prepared.
const AGAIN: Duration = Duration::from_millis(50);

/// A subject, prepared for one operation.
pub struct Subject {
    pub number: usize,
    pub operation: Operation,
    pub tsg_id: String,
    pub account_id: String,
    pub client_id: String,
    /// The grant of [`ROLE`].
    pub grant_id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is sent, and what it is called. A secret whose answer was lost is not there.
    secrets: BTreeMap<SecretNumber, String>,
    credential_ids: Vec<(SecretNumber, String)>,
    key: Option<String>,
    /// The last token of each kind: with which secret, and whether it is the product's.
    tokens: BTreeMap<(SecretNumber, bool), String>,
}

impl Subject {
    /// Prepares one, while nothing is broken. Panics when that does not work.
    pub async fn prepare(
        asker: &Asker,
        recorder: &Recorder,
        number: usize,
        operation: Operation,
        effort: Effort,
    ) -> Self {
        let setup = Setup { asker, recorder, number, effort, began: Instant::now() };
        let name = format!("{} {number}", operation.name());
        let below = json!({ "name": name, "parent_tsg_id": asker.site.tsg_id });
        let tsg_id = setup.post("/v1/tenants", &below).await.text("tsg_id").expect("its number");
        let path = |rest: &str| format!("/v1/tenants/{tsg_id}/{rest}");
        setup.post(&path("licenses"), &json!({ "product": PRODUCT })).await;
        let sent = recorder.now();
        let account = setup.post(&path("service-accounts"), &json!({ "name": "machine" })).await;
        recorder.record(number, setup.door().name.as_str(), sent, Ask::CreateAccount, made(&account, "id"));
        let of = |member| account.text(member).expect("the account has it");
        let client_id = of("client_id");
        let grant = |role: &str| json!({ "principal": client_id, "role": role, "products": "all" });
        setup.post(&path("access-policies"), &grant("superuser")).await;
        let granted = setup.post(&path("access-policies"), &grant(ROLE)).await;
        let subject = Self {
            number,
            operation,
            account_id: of("id"),
            grant_id: granted.text("id").expect("the policy's id"),
            tsg_id,
            state: Mutex::default(),
            client_id,
        };
        let credential_id = of("client_secret").split('_').nth(2).expect("the public part").to_owned();
        subject.keep_secret(0, credential_id, Some(of("client_secret")));
        if operation != Operation::Create {
            subject.prepare_key(&setup).await;
        }
        subject.settle(&setup).await;
        subject
    }

    async fn prepare_key(&self, setup: &Setup<'_>) {
        let sent = setup.recorder.now();
        let reply = setup.post(&self.path("api-keys"), &self.new_key()).await;
        let came = made(&reply, "api_key_id");
        setup.recorder.record(self.number, &setup.door().name, sent, Ask::CreateKey, came);
        self.keep_key(reply.text("api_key_id").expect("its number"));
        setup
            .until("its key is valid", async || {
                let valid = Came::Status { status: Status::Valid };
                self.read_key(setup.asker, setup.recorder, setup.door(), setup.effort).await == Some(valid)
            })
            .await;
    }

    /// Waits until every instance knows the role.
    async fn settle(&self, setup: &Setup<'_>) {
        for door in &setup.asker.site.doors {
            setup
                .until("its role is known", async || {
                    let came =
                        self.ask_token(setup.asker, setup.recorder, door, 0, Wants::Management, setup.effort);
                    came.await == Some(Came::ManagementToken { role: true })
                })
                .await;
        }
    }

    /// A path under its tenant.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/tenants/{}/{rest}", self.tsg_id)
    }

    /// What its key is made of.
    pub fn new_key(&self) -> Value {
        json!({ "product": PRODUCT, "service_account_id": self.account_id })
    }

    pub fn keep_key(&self, api_key_id: String) {
        self.state().key = Some(api_key_id);
    }

    pub fn key(&self) -> Option<String> {
        self.state().key.clone()
    }

    pub fn keep_secret(&self, number: SecretNumber, credential_id: String, secret: Option<String>) {
        let mut state = self.state();
        state.credential_ids.push((number, credential_id));
        if let Some(secret) = secret {
            state.secrets.insert(number, secret);
        }
    }

    pub fn credential_id(&self, number: SecretNumber) -> Option<String> {
        let state = self.state();
        state.credential_ids.iter().find(|(known, _)| *known == number).map(|(_, id)| id.clone())
    }

    /// Asks for a token and writes it down, if the secret is known.
    pub async fn ask_token(
        &self,
        asker: &Asker,
        recorder: &Recorder,
        door: &Door,
        secret: SecretNumber,
        wants: Wants,
        effort: Effort,
    ) -> Option<Came> {
        let known = self.state().secrets.get(&secret).cloned()?;
        let sent = recorder.now();
        let (came, token) = asker.token(door, (&self.client_id, &known), wants, effort.question).await;
        recorder.record(self.number, &door.name, sent, Ask::Token { secret, wants }, came.clone());
        if let Some(token) = token {
            let product = matches!(came, Came::ProductToken { .. });
            self.state().tokens.insert((secret, product), token);
        }
        Some(came)
    }

    /// Asks for a token with its first secret; nothing is written down.
    pub async fn try_token(&self, asker: &Asker, door: &Door, wants: Wants, limit: Duration) -> Came {
        self.with_first_secret(asker, door, wants, limit).await.0
    }

    /// The same, and the token, if there is one.
    pub async fn token(&self, asker: &Asker, door: &Door, wants: Wants, limit: Duration) -> Option<String> {
        self.with_first_secret(asker, door, wants, limit).await.1
    }

    async fn with_first_secret(
        &self,
        asker: &Asker,
        door: &Door,
        wants: Wants,
        limit: Duration,
    ) -> (Came, Option<String>) {
        let secret = self.state().secrets.get(&0).cloned().expect("it has a secret");
        asker.token(door, (&self.client_id, &secret), wants, limit).await
    }

    /// The key's status, if it can be read; nothing is written down.
    pub async fn key_status(&self, asker: &Asker, door: &Door, effort: Effort) -> Option<Status> {
        let path = self.path(&format!("api-keys/{}", self.key()?));
        let reply = asker.manage(door, reqwest::Method::GET, &path, None, effort.question).await;
        let Reply::Answer { status: 200, body } = reply else { return None };
        match shown(&body["status"])? {
            Came::Status { status } => Some(status),
            _ => None,
        }
    }

    /// Asks who the bearer of its last token of this kind is, if it has one.
    pub async fn ask_whoami(
        &self,
        asker: &Asker,
        recorder: &Recorder,
        door: &Door,
        (secret, product): (SecretNumber, bool),
        effort: Effort,
    ) -> Option<Came> {
        let token = self.state().tokens.get(&(secret, product)).cloned()?;
        let sent = recorder.now();
        let came = asker.whoami(door, &token, effort.question).await;
        recorder.record(self.number, &door.name, sent, Ask::Whoami { secret, product }, came.clone());
        Some(came)
    }

    /// Reads the key's status, if there is a key.
    pub async fn read_key(
        &self,
        asker: &Asker,
        recorder: &Recorder,
        door: &Door,
        effort: Effort,
    ) -> Option<Came> {
        let path = self.path(&format!("api-keys/{}", self.key()?));
        let sent = recorder.now();
        let reply = asker.manage(door, reqwest::Method::GET, &path, None, effort.question).await;
        let Reply::Answer { status: 200, body } = reply else { return None };
        let came = shown(&body["status"])?;
        recorder.record(self.number, &door.name, sent, Ask::ReadKey, came.clone());
        Some(came)
    }

    /// Reads the status of each of its secrets.
    pub async fn read_secrets(
        &self,
        asker: &Asker,
        recorder: &Recorder,
        door: &Door,
        effort: Effort,
    ) -> Vec<(SecretNumber, Came)> {
        let path = self.path(&format!("service-accounts/{}", self.account_id));
        let sent = recorder.now();
        let reply = asker.manage(door, reqwest::Method::GET, &path, None, effort.question).await;
        let Reply::Answer { status: 200, body } = reply else { return vec![] };
        let numbers = self.state().credential_ids.clone();
        let listed = body["secrets"].as_array().cloned().unwrap_or_default();
        let status =
            |id: &str| listed.iter().find(|secret| secret["credential_id"] == id).map(|s| &s["status"]);
        let read = numbers.iter().filter_map(|(number, id)| Some((*number, shown(status(id)?)?)));
        let read: Vec<_> = read.collect();
        for (secret, came) in &read {
            recorder.record(self.number, &door.name, sent, Ask::ReadSecret { secret: *secret }, came.clone());
        }
        read
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

/// What is prepared is asked for until it is there.
struct Setup<'s> {
    asker: &'s Asker,
    recorder: &'s Recorder,
    number: usize,
    effort: Effort,
    began: Instant,
}

impl Setup<'_> {
    fn door(&self) -> &Door {
        let doors = &self.asker.site.doors;
        &doors[self.number % doors.len()]
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        loop {
            let limit = self.effort.operation;
            let reply = self.asker.manage(self.door(), reqwest::Method::POST, path, Some(body), limit).await;
            if matches!(reply, Reply::Answer { status: 201, .. }) {
                return reply;
            }
            self.wait(&format!("POST {path}: {reply:?}")).await;
        }
    }

    async fn until(&self, what: &str, is: impl AsyncFn() -> bool) {
        while !is().await {
            self.wait(what).await;
        }
    }

    async fn wait(&self, for_what: &str) {
        assert!(self.began.elapsed() < self.effort.settle, "subject {} waits: {for_what}", self.number);
        tokio::time::sleep(AGAIN).await;
    }
}
