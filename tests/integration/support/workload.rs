//! Issuers of workload tokens, with tokens as they come from the real ones.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::client_key::{ClientKey, ask_with, fresh_jti, now};
use super::refused::assert_alike;
use super::scene::{Account, Scene};

/// RFC 7523 §2.1.
pub const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A kind of issuer: what it is called, what its tokens say, and a rule that lets them in.
#[derive(Clone)]
pub struct Kind {
    pub name: &'static str,
    pub issuer: &'static str,
    /// Besides what all have.
    pub claims: Value,
    /// The header, besides `alg` and `kid`.
    pub header: Value,
    pub rule: Value,
}

/// As GitHub, Kubernetes and the rest issue them.
pub fn kinds() -> Vec<Kind> {
    vec![kubernetes(), github(), google(), aws(), azure(), spiffe(), generic()]
}

pub fn kubernetes() -> Kind {
    Kind {
        name: "kubernetes",
        issuer: "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
        header: json!({}),
        claims: json!({
            "sub": "system:serviceaccount:prod:deployer",
            "nbf": now() - 10,
            "jti": "0c2d2f1c-5a43-4f8e-9a57-6a5f8c4f9d11",
            "kubernetes.io": {
                "namespace": "prod",
                "node": { "name": "ip-10-0-1-7", "uid": "5e1c1c5a-7f2b-4d1c-8a43-2c7d5b9b1f11" },
                "pod": { "name": "deployer-7d9f", "uid": "2b1e8a43-1c5a-4f8e-9a57-6a5f8c4f9d22" },
                "serviceaccount": { "name": "deployer", "uid": "7f2b4d1c-5e1c-4f8e-9a57-6a5f8c4f9d33" },
                "warnafter": now() + 40,
            },
        }),
        rule: json!([
            { "claim": "sub", "glob": "system:serviceaccount:prod:*" },
            { "claim": "/kubernetes.io/serviceaccount/name", "equals": "deployer" },
        ]),
    }
}

pub fn github() -> Kind {
    Kind {
        name: "github_actions",
        issuer: "https://token.actions.githubusercontent.com",
        header: json!({ "typ": "JWT", "x5t": "5DafF0k8SSnP8SRFSs8Mh0oJ3cA" }),
        claims: json!({
            "sub": "repo:acme/app:ref:refs/heads/main",
            "nbf": now() - 600,
            "jti": fresh_jti(),
            "ref": "refs/heads/main",
            "sha": "8c2b1a4f5e6d7c8b9a0f1e2d3c4b5a6978877665",
            "repository": "acme/app",
            "repository_owner": "acme",
            "repository_owner_id": "65",
            "repository_visibility": "private",
            "run_id": "30433642",
            "run_attempt": "1",
            "actor": "octocat",
            "workflow": "deploy",
            "event_name": "push",
            "ref_type": "branch",
            "ref_protected": "true",
            "job_workflow_ref": "acme/workflows/.github/workflows/deploy.yml@refs/heads/main",
            "runner_environment": "github-hosted",
        }),
        rule: json!([
            { "claim": "sub", "glob": "repo:acme/*:ref:refs/heads/main" },
            { "claim": "job_workflow_ref", "prefix": "acme/workflows/.github/workflows/deploy.yml@" },
        ]),
    }
}

pub fn google() -> Kind {
    Kind {
        name: "google",
        issuer: "https://accounts.google.com",
        header: json!({ "typ": "JWT" }),
        claims: json!({
            "sub": "113774264463038321964",
            "azp": "113774264463038321964",
            "email": "deployer@acme.iam.gserviceaccount.com",
            "email_verified": true,
            "google": { "compute_engine": { "project_id": "acme", "zone": "europe-west3-a", "instance_name": "vm" } },
        }),
        rule: json!([
            { "claim": "sub", "equals": "113774264463038321964" },
            { "claim": "email_verified", "equals": "true" },
        ]),
    }
}

pub fn aws() -> Kind {
    Kind {
        name: "aws",
        issuer: "https://abc12345-def4-5678-90ab-cdef12345678.tokens.sts.global.api.aws",
        header: json!({ "typ": "JWT" }),
        claims: json!({
            "sub": "arn:aws:iam::123456789012:role/Deployer",
            "jti": fresh_jti(),
            "https://sts.amazonaws.com/": {
                "aws_account": "123456789012",
                "source_region": "eu-central-1",
                "org_id": "o-abc1234567",
                "principal_tags": { "environment": "production" },
            },
        }),
        rule: json!([
            { "claim": "sub", "equals": "arn:aws:iam::123456789012:role/Deployer" },
            { "claim": "/https:~1~1sts.amazonaws.com~1/principal_tags/environment", "equals": "production" },
        ]),
    }
}

pub fn azure() -> Kind {
    Kind {
        name: "azure",
        issuer: "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
        header: json!({ "typ": "JWT", "x5t": "5DafF0k8SSnP8SRFSs8Mh0oJ3cA" }),
        claims: json!({
            "sub": "8d5f0d4c-1c5a-4f8e-9a57-6a5f8c4f9d44",
            "oid": "8d5f0d4c-1c5a-4f8e-9a57-6a5f8c4f9d44",
            "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
            "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "azpacr": "2",
            "nbf": now() - 300,
            "uti": "AbCdEf",
            "ver": "2.0",
            "aio": "E2ZgYBgsM3c=",
        }),
        rule: json!([{ "claim": "sub", "equals": "8d5f0d4c-1c5a-4f8e-9a57-6a5f8c4f9d44" }]),
    }
}

pub fn spiffe() -> Kind {
    Kind {
        name: "spiffe",
        issuer: "spiffe://acme.example",
        header: json!({ "typ": "JWT" }),
        claims: json!({ "iss": null, "iat": null, "sub": "spiffe://acme.example/ns/prod/sa/deployer" }),
        rule: json!([{ "claim": "sub", "prefix": "spiffe://acme.example/ns/prod/" }]),
    }
}

pub fn generic() -> Kind {
    Kind {
        name: "generic",
        issuer: "https://gitlab.example",
        header: json!({ "typ": "JWT" }),
        claims: json!({
            "sub": "project_path:acme/app:ref_type:branch:ref:main",
            "nbf": now() - 5,
            "jti": fresh_jti(),
            "project_path": "acme/app",
            "ref_protected": "true",
            "user_login": "octocat",
        }),
        rule: json!([{ "claim": "sub", "prefix": "project_path:acme/app:" }]),
    }
}

/// RFC 7396, one level deep.
pub fn merge(whole: &mut Value, change: &Value) {
    let members = whole.as_object_mut().expect("an object");
    for (name, value) in change.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

/// An issuer that is trusted, and the account that trusts it.
pub struct Trusting {
    pub scene: Scene,
    pub account: Account,
    pub kind: Kind,
    pub key: ClientKey,
    pub issuer_id: String,
    pub audience: String,
}

impl Trusting {
    /// With the issuer's key here.
    pub async fn new(kind: Kind, alg: &'static str) -> Self {
        let scene = Scene::with(&json!({ "issuer": "https://id.example" })).await;
        Self::on(scene, kind, alg).await
    }

    pub async fn on(scene: Scene, kind: Kind, alg: &'static str) -> Self {
        let key = ClientKey::new(alg);
        let body = json!({ "name": kind.name, "issuer": kind.issuer, "kind": kind.name, "keys": [key.jwk] });
        let issuer_id = scene.post("trusted-issuers", body).await.expect(201).text("id");
        let account = scene.account(&format!("trusts {}", kind.name)).await;
        put_rules(&scene, &account, &json!([{ "issuer_id": issuer_id, "claims": kind.rule }]))
            .await
            .expect(200);
        Self { scene, account, kind, key, issuer_id, audience: "https://id.example".to_owned() }
    }

    /// What a good token says.
    pub fn claims(&self) -> Value {
        let mut claims = json!({
            "iss": self.kind.issuer, "aud": self.audience, "iat": now() - 5, "exp": now() + 300,
        });
        merge(&mut claims, &self.kind.claims);
        claims
    }

    pub fn header(&self) -> Value {
        let mut header = json!({ "alg": self.key.alg, "kid": self.key.kid() });
        merge(&mut header, &self.kind.header);
        header
    }

    /// A good token, but for this.
    pub fn token(&self, change: &Value) -> String {
        let mut claims = self.claims();
        merge(&mut claims, change);
        self.key.sign(&self.header(), &claims)
    }

    pub fn good(&self) -> String {
        self.token(&json!({}))
    }

    /// Asks with it as a client's assertion.
    pub async fn ask(&self, token: &str) -> Answer {
        ask_as(&self.scene.client, &self.account, token).await
    }

    /// Asks with it as a grant.
    pub async fn grant(&self, token: &str) -> Answer {
        grant(&self.scene.client, token, &[("client_id", &self.account.client_id)]).await
    }

    pub fn issuer_path(&self) -> String {
        format!("trusted-issuers/{}", self.issuer_id)
    }
}

/// Asks with a workload's token as a client's assertion.
pub async fn ask_as(client: &Client, account: &Account, token: &str) -> Answer {
    ask_with(client, token, &[("client_id", &account.client_id)]).await
}

/// Asks with a workload's token as a grant.
pub async fn grant(client: &Client, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("grant_type", JWT_BEARER_GRANT), ("assertion", token)];
    form.extend_from_slice(more);
    client.send(client.request(Method::POST, "/oauth2/token").form(&form)).await
}

/// Where the rules of an account are, under the tenant.
pub fn rules_path(account: &Account) -> String {
    format!("service-accounts/{}/trust-rules", account.id)
}

/// The administrator writes these rules, whatever there is.
pub async fn put_rules(scene: &Scene, account: &Account, rules: &Value) -> Answer {
    let body = json!({ "rules": rules });
    scene.send(Method::PUT, &rules_path(account), &[("if-match", "*")], Some(&body)).await
}

/// Good as it is, and refused with each of these changes, like all others: as a client and as a grant.
pub async fn refuses(trusting: &Trusting, changes: &[Value]) {
    let (mut clients, mut grants) = (Vec::new(), Vec::new());
    for change in changes {
        let token = trusting.token(change);
        clients.push((change.to_string(), trusting.ask(&token).await));
        grants.push((change.to_string(), trusting.grant(&token).await));
    }
    assert_alike(&clients, 401, "invalid_client");
    assert_alike(&grants, 400, "invalid_grant");
    trusting.ask(&trusting.good()).await.expect(200);
    trusting.grant(&trusting.good()).await.expect(200);
}

/// Taken with each of these changes.
pub async fn takes(trusting: &Trusting, changes: &[Value]) {
    for change in changes {
        let answer = trusting.ask(&trusting.token(change)).await;
        assert_eq!(answer.status, 200, "{} {change}", trusting.kind.name);
    }
}

/// Whose token this is.
pub async fn whoami(trusting: &Trusting, issued: Answer) -> Answer {
    trusting.scene.client.whoami(&issued.expect(200).text("access_token")).await.expect(200)
}
