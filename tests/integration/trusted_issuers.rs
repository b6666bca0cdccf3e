//! Issuers that a tenant trusts, and the rules of its accounts: made, read, changed and taken away, by who may do so.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::client_key::ClientKey;
use crate::support::scene::Scene;
use crate::support::stores::{run_sql, sql_value};
use crate::support::workload::{Trusting, ask_as, generic, github, kubernetes, put_rules, rules_path};

fn issuer(name: &str) -> Value {
    json!({ "name": name, "issuer": format!("https://{name}.example"), "kind": "generic", "keys": [ClientKey::new("EdDSA").jwk] })
}

fn without_receipt(mut shown: Value) -> Value {
    shown.as_object_mut().expect("an object").remove("receipt");
    shown
}

#[tokio::test]
async fn an_issuer_is_registered_read_listed_changed_and_taken_away() {
    let scene = Scene::new().await;
    let key = ClientKey::new("ES256");
    let body = json!({ "name": "Cluster", "issuer": "https://oidc.example/a", "kind": "kubernetes", "keys": [key.jwk] });
    let made = scene.post("trusted-issuers", body.clone()).await.expect(201);
    let path = format!("trusted-issuers/{}", made.text("id"));
    assert_eq!(made.header("location"), scene.path(&path));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(scene.get(&path).await.expect(200).json(), made.json());
    assert_eq!(scene.get("trusted-issuers").await.expect(200).json()["items"], json!([made.json()]));
    let again = scene.post("trusted-issuers", body).await.expect(409);
    assert_eq!(again.code(), "trusted_issuer_exists");

    let change = json!({ "name": "Cluster A", "audience": "urn:a" });
    let send = async |tag: &str, method: Method, body: Option<&Value>| {
        scene.send(method, &path, &[("if-match", tag)], body).await
    };
    assert_eq!(send("\"2\"", Method::PATCH, Some(&change)).await.expect(412).code(), "stale_etag");
    let changed = send("\"1\"", Method::PATCH, Some(&change)).await.expect(200);
    assert_eq!((changed.text("name"), changed.text("audience")), ("Cluster A".into(), "urn:a".into()));
    assert_eq!(changed.header("etag"), "\"2\"");
    let found =
        send("*", Method::PATCH, Some(&json!({ "jwks_uri": null, "audience": null }))).await.expect(200);
    assert_eq!((&found.json()["keys"], &found.json()["audience"]), (&json!([]), &Value::Null));
    let same = send("*", Method::PATCH, Some(&json!({ "jwks_uri": null }))).await.expect(200);
    assert_eq!(same.header("etag"), "\"3\"", "nothing was changed");
    let gone = send("\"3\"", Method::DELETE, None).await.expect(200);
    assert_eq!(gone.json(), json!({}), "nobody had a rule for it");
    scene.get(&path).await.expect(404);
    let admin = Some(scene.admin.client_id.clone());
    let id = made.text("id");
    for action in ["trusted_issuer.create", "trusted_issuer.delete"] {
        assert_eq!(scene.audited(action, &id).await, admin, "{action}");
    }
    let twice = admin.map(|admin| format!("{admin},{admin}"));
    assert_eq!(scene.audited("trusted_issuer.update", &id).await, twice);
}

#[tokio::test]
async fn a_registration_may_be_repeated() {
    let scene = Scene::new().await;
    let (body, key) = (issuer("repeated"), [("idempotency-key", "i-1")]);
    let first = scene.send(Method::POST, "trusted-issuers", &key, Some(&body)).await.expect(201);
    let second = scene.send(Method::POST, "trusted-issuers", &key, Some(&body)).await.expect(201);
    assert_eq!((second.json(), second.header("idempotent-replayed")), (first.json(), "true"));
}

#[tokio::test]
async fn what_is_no_issuer_or_has_no_keys_is_refused() {
    let scene = Scene::with(&json!({ "issuer": "https://id.example" })).await;
    let key = ClientKey::new("EdDSA").jwk;
    let mut private = key.clone();
    private["d"] = json!("AQ");
    let good = issuer("good");
    let with = |changes: Value| {
        let mut body = good.clone();
        crate::support::workload::merge(&mut body, &changes);
        body
    };
    let table = [
        (with(json!({ "issuer": "https://id.example" })), "invalid_issuer"),
        (with(json!({ "issuer": "http://good.example" })), "invalid_issuer"),
        (with(json!({ "issuer": "good.example" })), "invalid_issuer"),
        (with(json!({ "issuer": "https://good.example?x" })), "invalid_issuer"),
        (with(json!({ "issuer": "spiffe://good.example" })), "invalid_issuer"),
        (with(json!({ "kind": "google" })), "invalid_issuer"),
        (with(json!({ "kind": "spiffe" })), "invalid_issuer"),
        (with(json!({ "kind": "spiffe", "issuer": "spiffe://a.example", "keys": null })), "invalid_issuer"),
        (with(json!({ "jwks_uri": "https://good.example/jwks" })), "keys_or_jwks_uri"),
        (with(json!({ "keys": [private] })), "private_key"),
        (with(json!({ "keys": [key, key] })), "invalid_client_key"),
        (with(json!({ "keys": null, "jwks_uri": "http://good.example/jwks" })), "invalid_jwks_uri"),
        (with(json!({ "keys": null, "jwks_uri": "https://10.0.0.1/jwks" })), "invalid_jwks_uri"),
    ];
    for (body, code) in table {
        assert_eq!(scene.post("trusted-issuers", body.clone()).await.expect(422).code(), code, "{body}");
    }
    for body in [with(json!({ "kind": "github" })), with(json!({ "keys": [] })), with(json!({ "name": "" }))]
    {
        assert_eq!(
            scene.post("trusted-issuers", body.clone()).await.expect(400).code(),
            "invalid_body",
            "{body}"
        );
    }
    let id = scene.post("trusted-issuers", good.clone()).await.expect(201).text("id");
    let path = format!("trusted-issuers/{id}");
    for body in
        [json!({ "kind": "generic" }), json!({ "issuer": "https://other.example" }), json!({ "keys": null })]
    {
        let answer = scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await.expect(400);
        assert_eq!(answer.code(), "invalid_body", "{body}");
    }
}

#[tokio::test]
async fn a_rule_says_who_and_names_an_issuer_of_the_tenant() {
    let trusting = Trusting::new(github(), "EdDSA").await;
    let Trusting { scene, account, issuer_id, .. } = &trusting;
    let rule = |claims: Value| json!([{ "issuer_id": issuer_id, "claims": claims }]);
    let good = json!({ "claim": "sub", "equals": "repo:acme/app:ref:refs/heads/main" });
    for claims in [
        json!([{ "claim": "repository", "equals": "acme/app" }]),
        json!([{ "claim": "sub", "glob": "repo:*/*:ref:refs/heads/main" }]),
        json!([{ "claim": "sub", "glob": "*:ref:refs/heads/main" }]),
        json!([{ "claim": "sub", "prefix": "repo:" }]),
        json!([{ "claim": "/sub", "equals": "repo:acme/app:ref:refs/heads/main" }]),
    ] {
        let answer = put_rules(scene, account, &rule(claims.clone())).await.expect(422);
        assert_eq!(answer.code(), "invalid_trust_rule", "{claims}");
    }
    let twice = json!([rule(json!([good]))[0], rule(json!([good]))[0]]);
    assert_eq!(put_rules(scene, account, &twice).await.expect(422).code(), "invalid_trust_rule");
    for claims in [
        json!([]),
        json!([{ "claim": "sub", "glob": "*" }]),
        json!([{ "claim": "sub", "glob": "**" }]),
        json!([{ "claim": "sub", "prefix": "repo:acme/app" }]),
        json!([{ "claim": "sub", "regex": ".*" }]),
        json!([{ "claim": "sub" }]),
        json!([{ "claim": "sub", "equals": "a", "glob": "b" }]),
        json!([{ "claim": "", "equals": "a" }]),
        json!([{ "claim": "sub", "equals": "x".repeat(513) }]),
        json!((0..11).map(|n| json!({ "claim": "sub", "equals": n.to_string() })).collect::<Vec<_>>()),
    ] {
        let answer = put_rules(scene, account, &rule(claims.clone())).await.expect(400);
        assert_eq!(answer.code(), "invalid_body", "{claims}");
    }
    let many: Vec<Value> =
        (0..11).map(|n| rule(json!([{ "claim": "sub", "equals": n.to_string() }]))[0].clone()).collect();
    put_rules(scene, account, &json!(many)).await.expect(400);
    // Not another tenant's, be it above or below.
    let below = scene.child("below").await;
    let token = scene.admin_token().await;
    let path = format!("/v1/tenants/{below}/trusted-issuers");
    let made = scene.client.call(&token, Method::POST, &path, Some(&issuer("below"))).await.expect(201);
    let theirs = json!([{ "issuer_id": made.text("id"), "claims": [good] }]);
    assert_eq!(put_rules(scene, account, &theirs).await.expect(422).code(), "unknown_trusted_issuer");
    let local = scene.account_in(&below, "local").await;
    let path = format!("/v1/tenants/{below}/{}", rules_path(&local));
    let request = scene.client.request(Method::PUT, &path).bearer_auth(&token).header("if-match", "*");
    let answer = scene.client.send(request.json(&json!({ "rules": rule(json!([good])) }))).await.expect(422);
    assert_eq!(answer.code(), "unknown_trusted_issuer");
    assert_eq!(scene.get(&rules_path(account)).await.header("etag"), "\"1\"", "nothing of it was kept");
    put_rules(scene, account, &json!(many[..10])).await.expect(200);
}

#[tokio::test]
async fn a_rule_holds_at_once_and_one_that_is_gone_nowhere() {
    let trusting = Trusting::new(generic(), "EdDSA").await;
    let Trusting { scene, account, issuer_id, .. } = &trusting;
    let instance = scene.another_instance(&json!({ "issuer": "https://id.example" })).await;
    let other = Client::new(&instance.url);
    let holder = scene.holder("manages", &["iam.read"], json!("all")).await;
    let rule = |claims: &Value| json!({ "issuer_id": issuer_id, "claims": claims });
    put_rules(scene, &holder, &json!([rule(&trusting.kind.rule)])).await.expect(200);
    let token = ask_as(&other, &holder, &trusting.good()).await.expect(200).text("access_token");
    let list = async || other.call(&token, Method::GET, &scene.path("roles"), None).await.status;
    assert_eq!((other.whoami(&token).await.status, list().await), (200, 200));

    let also = json!([{ "claim": "sub", "equals": "somebody else" }]);
    let both = put_rules(scene, &holder, &json!([rule(&also), rule(&trusting.kind.rule)])).await.expect(200);
    assert_eq!(both.json().get("receipt"), None, "nothing was taken away");
    assert_eq!((other.whoami(&token).await.status, list().await), (200, 200));
    let one = put_rules(scene, &holder, &json!([rule(&also)])).await.expect(200);
    assert!(one.json()["receipt"]["effective_everywhere_at"].is_string());
    for client in [&scene.client, &other] {
        client.whoami(&token).await.expect(401);
        ask_as(client, &holder, &trusting.good()).await.expect(401);
        ask_as(client, account, &trusting.good()).await.expect(200);
    }
    assert_eq!(list().await, 401, "the management API as well");
    let gone = scene.send(Method::DELETE, &rules_path(&holder), &[("if-match", "*")], None).await.expect(200);
    assert_eq!(without_receipt(gone.json()), json!({ "rules": [] }));
    let again =
        scene.send(Method::DELETE, &rules_path(&holder), &[("if-match", "*")], None).await.expect(200);
    assert_eq!(again.json(), gone.json(), "who asks again waits for the same");
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("trust_rules.delete", &holder.id).await, admin, "once");
}

#[tokio::test]
async fn an_issuer_that_is_gone_or_has_other_keys_vouches_for_nobody() {
    let trusting = Trusting::new(kubernetes(), "ES256").await;
    let scene = &trusting.scene;
    let path = trusting.issuer_path();
    let instance = scene.another_instance(&json!({ "issuer": "https://id.example" })).await;
    let other = Client::new(&instance.url);
    let issued =
        async || ask_as(&other, &trusting.account, &trusting.good()).await.expect(200).text("access_token");
    let token = issued().await;
    let changed = async |body: Value| {
        scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await.expect(200)
    };
    let next = ClientKey::new("RS256");
    let more = changed(json!({ "keys": [trusting.key.jwk, next.jwk] })).await;
    assert_eq!(more.json().get("receipt"), None, "nothing was taken away");
    let renamed = changed(json!({ "name": "Another" })).await;
    assert_eq!(renamed.json().get("receipt"), None);
    other.whoami(&token).await.expect(200);
    let fewer = changed(json!({ "keys": [next.jwk] })).await;
    assert!(fewer.json()["receipt"]["effective_everywhere_at"].is_string());
    for client in [&scene.client, &other] {
        client.whoami(&token).await.expect(401);
        ask_as(client, &trusting.account, &trusting.good()).await.expect(401);
        let by_next = next.sign(&json!({ "alg": "RS256", "kid": next.kid() }), &trusting.claims());
        ask_as(client, &trusting.account, &by_next).await.expect(200);
    }
    changed(json!({ "keys": [trusting.key.jwk] })).await;
    let token = issued().await;
    let audience = changed(json!({ "audience": "urn:other" })).await;
    assert!(audience.json()["receipt"].is_object(), "what was for somebody else is not for us any more");
    other.whoami(&token).await.expect(401);
    changed(json!({ "audience": null })).await;
    let token = issued().await;
    let gone = scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    for client in [&scene.client, &other] {
        client.whoami(&token).await.expect(401);
        ask_as(client, &trusting.account, &trusting.good()).await.expect(401);
    }
    let rules = scene.get(&rules_path(&trusting.account)).await;
    assert_eq!((rules.json(), rules.header("etag")), (json!({ "rules": [] }), "\"2\""));
}

#[tokio::test]
async fn nobody_changes_whom_those_trust_who_hold_more() {
    let trusting = Trusting::new(github(), "EdDSA").await;
    let Trusting { scene, issuer_id, .. } = &trusting;
    let greater = scene.holder("greater", &["iam.service_account", "iam.license"], json!("all")).await;
    let rules = json!([{ "issuer_id": issuer_id, "claims": trusting.kind.rule }]);
    put_rules(scene, &greater, &rules).await.expect(200);
    let lesser = scene.holder("lesser", &["iam.service_account"], json!("all")).await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let below = scene.child("below").await;
    let local = scene.administrator_of(&below).await;
    let keys = json!({ "keys": [ClientKey::new("EdDSA").jwk] });
    let body = json!({ "rules": rules });
    let table =
        [(&lesser, 403, "cannot_grant"), (&reader, 403, "permission_denied"), (&local, 404, "not_found")];
    for (account, status, code) in table {
        let token = scene.token_of(account, &[]).await;
        let send = async |method: Method, rest: &str, body: Option<&Value>| {
            let request =
                scene.client.request(method, &scene.path(rest)).bearer_auth(&token).header("if-match", "*");
            scene.client.send(if let Some(body) = body { request.json(body) } else { request }).await
        };
        for (method, path, body) in [
            (Method::PATCH, trusting.issuer_path(), Some(&keys)),
            (Method::DELETE, trusting.issuer_path(), None),
            (Method::PUT, rules_path(&greater), Some(&body)),
            (Method::DELETE, rules_path(&greater), None),
        ] {
            assert_eq!(send(method, &path, body).await.expect(status).code(), code, "{path}");
        }
        for path in [trusting.issuer_path(), rules_path(&greater)] {
            let read = send(Method::GET, &path, None).await.status;
            assert_eq!(read, if status == 404 { 404 } else { 200 });
        }
        let made =
            send(Method::POST, "trusted-issuers", Some(&issuer(&format!("made-{code}").replace('_', "-"))))
                .await;
        assert_eq!(made.status, if code == "cannot_grant" { 201 } else { status }, "{code}");
    }
    ask_as(&scene.client, &greater, &trusting.good()).await.expect(200);
    // Nobody greater trusts it any more.
    scene.send(Method::DELETE, &rules_path(&greater), &[("if-match", "*")], None).await.expect(200);
    let token = scene.token_of(&lesser, &[]).await;
    let request = scene.client.request(Method::PATCH, &scene.path(&trusting.issuer_path()));
    scene.client.send(request.bearer_auth(&token).header("if-match", "*").json(&keys)).await.expect(200);
}

#[tokio::test]
async fn rules_go_with_their_account_and_a_disabled_one_lets_nobody_in() {
    let trusting = Trusting::new(generic(), "EdDSA").await;
    let Trusting { scene, account, .. } = &trusting;
    let token = trusting.ask(&trusting.good()).await.expect(200).text("access_token");
    let path = format!("service-accounts/{}", account.id);
    let enabled = async |enabled: bool| {
        let body = json!({ "enabled": enabled });
        scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await.expect(200);
    };
    enabled(false).await;
    trusting.ask(&trusting.good()).await.expect(401);
    trusting.grant(&trusting.good()).await.expect(400);
    scene.client.whoami(&token).await.expect(401);
    enabled(true).await;
    trusting.ask(&trusting.good()).await.expect(200);
    scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    trusting.ask(&trusting.good()).await.expect(401);
    scene.get(&rules_path(account)).await.expect(404);
    assert_eq!(scene.audited("trust_rules.delete", &account.id).await, Some(scene.admin.client_id.clone()));
    let gone =
        scene.send(Method::DELETE, &trusting.issuer_path(), &[("if-match", "*")], None).await.expect(200);
    assert_eq!(gone.json(), json!({}), "nobody trusts it any more");
}

/// Whoever is first: no rule is left that names an issuer which is gone.
#[tokio::test]
async fn a_rule_and_the_end_of_its_issuer_do_not_miss_each_other() {
    let scene = Scene::new().await;
    let account = scene.account("races").await;
    let claims = json!([{ "claim": "sub", "equals": "somebody" }]);
    for n in 0..12 {
        let id = scene.post("trusted-issuers", issuer(&format!("i{n}"))).await.expect(201).text("id");
        let (rules, path) = (json!([{ "issuer_id": id, "claims": claims }]), format!("trusted-issuers/{id}"));
        let put = put_rules(&scene, &account, &rules);
        let delete = scene.send(Method::DELETE, &path, &[("if-match", "*")], None);
        let (put, gone) = if n % 2 == 0 {
            tokio::join!(put, delete)
        } else {
            let (gone, put) = tokio::join!(delete, put);
            (put, gone)
        };
        gone.expect(200);
        assert!(put.status == 200 || put.code() == "unknown_trusted_issuer", "{put:?}");
        let stored = format!("SELECT rules FROM trust_rules WHERE service_account_id = '{}'", account.id);
        let stored = sql_value(&scene.database_url, &stored).await;
        assert!(stored.is_none_or(|rules| rules == "[]"), "round {n}");
    }
}

/// The second line of defence, and its twin.
#[tokio::test]
async fn whoever_sees_one_tenant_sees_nothing_of_whom_another_trusts() {
    let trusting = Trusting::new(generic(), "EdDSA").await;
    let scene = &trusting.scene;
    let below = scene.child("below").await;
    let (client, connection) =
        tokio_postgres::connect(&scene.database_url, tokio_postgres::NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let seen = async |tsg_id: &str, table: &str| {
        let role = format!("SET carnet.tsg_id = '{tsg_id}'; SET ROLE carnet_tenant");
        client.batch_execute(&role).await.expect("a role");
        let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("a count");
        count.get::<_, i64>(0)
    };
    for table in ["trusted_issuer", "trust_rules"] {
        assert_eq!((seen(&scene.tsg_id, table).await, seen(&below, table).await), (1, 0), "{table}");
        run_sql(&scene.database_url, &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
        assert_eq!(seen(&below, table).await, 1, "{table}");
    }
    assert!(client.query("SELECT * FROM trust_rule_of_all", &[]).await.is_err());
    assert!(client.batch_execute("UPDATE trusted_issuer SET issuer = 'https://evil.example'").await.is_err());
}
