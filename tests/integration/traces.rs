//! No change without its audit event, and nowhere a secret that should not be there.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::client::Client;
use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::stores::sql_value;

#[tokio::test]
async fn every_change_is_in_the_audit_with_who_what_and_which() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("watched").await;
    let id = scene.key("prisma_access", &account).await;
    scene.until(&id, "valid").await;
    scene.revoke(&id).await.expect(200);
    let below = scene.child("below").await;
    let token = scene.admin_token().await;
    let license = format!("/v1/tenants/{below}/licenses");
    let body = json!({ "product": "prisma_access" });
    let license = scene.client.call(&token, Method::POST, &license, Some(&body)).await.expect(201).text("id");
    let path = scene.path(&format!("service-accounts/{}", account.id));
    let change = |method| scene.client.request(method, &path).bearer_auth(&token).header("if-match", "*");
    scene.client.send(change(Method::PATCH).json(&json!({ "description": "x" }))).await.expect(200);
    scene.client.send(change(Method::DELETE)).await.expect(200);

    let credential = account.client_secret.split('_').nth(2).expect("a public id").to_owned();
    for (tenant, action, target) in [
        (&scene.tsg_id, "service_account.create", &account.id),
        (&scene.tsg_id, "api_key.create", &id),
        (&scene.tsg_id, "api_key.revoke", &id),
        (&scene.tsg_id, "tenant.create", &below),
        (&below, "license.create", &license),
        (&scene.tsg_id, "service_account.update", &account.id),
        (&scene.tsg_id, "service_account.delete", &account.id),
        (&scene.tsg_id, "client_secret.revoke", &credential),
    ] {
        let count = format!(
            "SELECT count(*) FROM audit_event WHERE tsg_id = '{tenant}' AND action = '{action}'
             AND target = '{target}' AND actor = '{}'",
            scene.admin.client_id
        );
        assert_eq!(sql_value(&scene.database_url, &count).await.as_deref(), Some("1"), "{action}");
    }
    for action in ["role.create", "access_policy.create", "access_policy.delete"] {
        let count = format!(
            "SELECT count(*) FROM audit_event WHERE action = '{action}' AND actor = '{}'",
            scene.admin.client_id
        );
        assert_eq!(sql_value(&scene.database_url, &count).await.as_deref(), Some("1"), "{action}");
    }
}

#[tokio::test]
async fn a_refused_change_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let all = "SELECT (SELECT count(*) FROM audit_event) || ' ' || (SELECT count(*) FROM credential)
                      || ' ' || (SELECT count(*) FROM change) || ' ' || (SELECT count(*) FROM idempotency_key)";
    scene.account("taken").await;
    let before = sql_value(&scene.database_url, all).await;
    scene.post("service-accounts", json!({ "name": "Taken" })).await.expect(409);
    scene.post("roles", json!({ "name": "superuser", "permissions": ["iam.read"] })).await.expect(409);
    let token = scene.admin_token().await;
    let key = json!({ "product": "nonsense", "service_account_id": "00000000-0000-7000-8000-0000000000ff" });
    let request = scene.client.request(Method::POST, &scene.path("api-keys")).bearer_auth(token);
    scene.client.send(request.header("idempotency-key", "k").json(&key)).await.expect(422);
    assert_eq!(sql_value(&scene.database_url, all).await, before);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let scene = Scene::new().await;
    let made = scene.post("service-accounts", json!({ "name": "secretive" })).await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let secret = made.text("client_secret");
    let shown = scene.get(&format!("service-accounts/{}", made.text("id"))).await.expect(200);
    let random = secret.rsplit('_').next().expect("the random part");
    assert!(!String::from_utf8_lossy(&shown.bytes).contains(random));
    assert_eq!(shown.json()["secrets"].as_array().map(Vec::len), Some(1));
    for table in ["client_secret", "audit_event", "idempotency_key", "service_account"] {
        let count = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{random}%'");
        assert_eq!(sql_value(&scene.database_url, &count).await.as_deref(), Some("0"), "{table}");
    }
}

#[tokio::test]
async fn a_new_secret_is_normally_valid_when_the_answer_arrives() {
    let scene = Scene::new().await;
    let made = scene.post("service-accounts", json!({ "name": "at once" })).await.expect(201);
    assert_eq!(made.json()["secrets"][0]["status"], "valid");
    let (id, secret) = (made.text("client_id"), made.text("client_secret"));
    scene.client.token(&id, &secret, &[]).await.expect(200);
}

#[rstest]
#[case::as_it_is_by_default("carnet=info", &[])]
#[case::asked_for(
    "carnet=info,carnet::protocol=debug",
    &["registered", "placed", "lease", "committed", "applied", "served", "returned"]
)]
#[tokio::test]
async fn the_protocol_is_logged_for_who_asks_and_without_secrets(#[case] log: &str, #[case] told: &[&str]) {
    let mut scene = Scene::with(&json!({ "region": "logged" })).await;
    let settings = [("CARNET_REGION", "logged"), ("CARNET_LOG", log)];
    let process = Process::serve((&scene.database_url, &scene.redis_url), &settings, &[]).await;
    scene.client = Client::new(&process.url);
    let account = scene.entitled_account("logged").await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let token = scene.token_of(&account, &[]).await;
    scene.client.whoami(&token).await.expect(200);
    scene.revoke(&id).await.expect(200);

    let said = process.lines(r#""target":"carnet::protocol""#);
    assert_eq!(said.is_empty(), told.is_empty(), "{said:?}");
    for event in told {
        assert!(said.iter().any(|line| line["fields"]["event"] == **event), "{event}");
    }
    let signature = token.rsplit('.').next().expect("a signature");
    let random = account.client_secret.rsplit('_').next().expect("the random part");
    assert!(process.lines(random).is_empty() && process.lines(signature).is_empty());
}
