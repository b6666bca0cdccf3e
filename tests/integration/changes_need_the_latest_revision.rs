//! Nobody changes what they have not seen (RFC 9110 §13.1.1), and a change is as it was asked for.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::Scene;
use crate::support::stores::run_sql;

async fn change(
    scene: &Scene,
    method: Method,
    path: &str,
    seen: Option<&str>,
    body: Option<Value>,
) -> Answer {
    let token = scene.admin_token().await;
    let mut request = scene.client.request(method, &scene.path(path)).bearer_auth(token);
    if let Some(seen) = seen {
        request = request.header("if-match", seen);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    scene.client.send(request).await
}

#[tokio::test]
async fn a_stale_or_missing_etag_changes_nothing() {
    let scene = Scene::new().await;
    let account = scene.account("often changed").await;
    let path = format!("service-accounts/{}", account.id);
    let first = scene.get(&path).await.expect(200).header("etag").to_owned();
    let describe = |text: &str| Some(json!({ "description": text }));

    let refused = change(&scene, Method::PATCH, &path, None, describe("x")).await.expect(428);
    assert_eq!(refused.code(), "precondition_required");
    let second = change(&scene, Method::PATCH, &path, Some(&first), describe("first")).await.expect(200);
    assert_ne!(second.header("etag"), first);
    let weak = format!("W/{}", second.header("etag"));
    for stale in [first.as_str(), weak.as_str(), "\"77\"", "1"] {
        let refused = change(&scene, Method::PATCH, &path, Some(stale), describe("lost")).await.expect(412);
        assert_eq!(refused.code(), "stale_etag", "{stale}");
        change(&scene, Method::DELETE, &path, Some(stale), None).await.expect(412);
    }
    change(&scene, Method::DELETE, &path, None, None).await.expect(428);
    let now = scene.get(&path).await.expect(200);
    assert_eq!((now.text("description"), now.header("etag")), ("first".into(), second.header("etag")));
    change(&scene, Method::PATCH, &path, Some("*"), describe("any")).await.expect(200);
}

#[tokio::test]
async fn a_secret_that_turns_valid_makes_no_etag_stale() {
    let scene = Scene::new().await;
    // An instance that hears nothing keeps the secret pending until its lease is over.
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until)
                SELECT gen_random_uuid(), region, 0, 0, now() + interval '3 seconds' FROM region";
    run_sql(&scene.database_url, deaf).await;
    let account = scene.account("waits").await;
    let path = format!("service-accounts/{}", account.id);
    let pending = scene.get(&path).await.expect(200);
    assert_eq!(pending.json()["secrets"][0]["status"], "pending");
    scene.token_of(&account, &[]).await;
    let valid = scene.get(&path).await.expect(200);
    assert_eq!(valid.json()["secrets"][0]["status"], "valid");
    let seen = pending.header("etag");
    assert_eq!(valid.header("etag"), seen);
    change(&scene, Method::PATCH, &path, Some(seen), Some(json!({ "enabled": true }))).await.expect(200);
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let scene = Scene::new().await;
    let path = format!("service-accounts/{}", scene.account("contended").await.id);
    let seen = scene.get(&path).await.expect(200).header("etag").to_owned();
    let write = async |text: &str| {
        change(&scene, Method::PATCH, &path, Some(&seen), Some(json!({ "description": text }))).await.status
    };
    let (one, other) = tokio::join!(write("one"), write("other"));
    assert_eq!([one.min(other), one.max(other)], [200, 412]);
}

#[tokio::test]
async fn fields_that_are_missing_stay_and_null_empties() {
    let scene = Scene::new().await;
    let new = json!({ "name": "rich", "description": "a\nb", "contact_email": "a@b.example" });
    let made = scene.post("service-accounts", new).await.expect(201);
    let path = format!("service-accounts/{}", made.text("id"));
    let ask = async |body: Value| change(&scene, Method::PATCH, &path, Some("*"), Some(body)).await;

    let same = ask(json!({})).await.expect(200);
    assert_eq!(same.header("etag"), made.header("etag"), "nothing asked for, nothing changed");
    let changed = ask(json!({ "description": null })).await.expect(200).json();
    assert_eq!((&changed["description"], &changed["contact_email"]), (&json!(null), &json!("a@b.example")));
    for bad in
        [json!({ "name": "x" }), json!({ "contact_email": "x" }), json!({ "enabled": null }), json!([])]
    {
        assert_eq!(ask(bad).await.expect(400).code(), "invalid_body");
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_all_it_had_and_its_name_is_never_given_again() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("short lived").await;
    let key = scene.key("prisma_access", &account).await;
    scene.until(&key, "valid").await;
    let token = scene.token_of(&account, &[]).await;
    let path = format!("service-accounts/{}", account.id);
    let policies = scene.get("access-policies").await.expect(200).json()["items"].as_array().map(Vec::len);

    let seen = scene.get(&path).await.expect(200).header("etag").to_owned();
    change(&scene, Method::DELETE, &path, Some(&seen), None).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
    let refused = scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);
    assert_eq!(refused.code(), "invalid_client");
    scene.get(&path).await.expect(404);
    change(&scene, Method::DELETE, &path, Some("*"), None).await.expect(404);
    let key = scene.get(&format!("api-keys/{key}")).await.expect(200);
    assert_eq!(key.text("status"), "revoked");
    let left = scene.get("access-policies").await.expect(200).json()["items"].as_array().map(Vec::len);
    assert_eq!(left.map(|n| n + 1), policies);
    let again = scene.post("service-accounts", json!({ "name": "Short Lived" })).await.expect(409);
    assert_eq!(again.code(), "service_account_name_taken");
    // Its key's place is free.
    let next = scene.entitled_account("next").await;
    scene.key("prisma_access", &next).await;
}

#[tokio::test]
async fn an_account_can_be_switched_off_and_on() {
    let scene = Scene::new().await;
    let account = scene.account("switch").await;
    let path = format!("service-accounts/{}", account.id);
    let token = scene.token_of(&account, &[]).await;
    let switch = async |enabled: bool| {
        change(&scene, Method::PATCH, &path, Some("*"), Some(json!({ "enabled": enabled }))).await.expect(200)
    };
    switch(false).await;
    scene.client.whoami(&token).await.expect(401);
    // Asking again waits again, and says the same.
    switch(false).await;
    let refused = scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);
    assert_eq!(refused.code(), "invalid_client");
    switch(true).await;
    scene.token_of(&account, &[]).await;
}

#[tokio::test]
async fn a_grant_is_taken_back_by_who_has_seen_it() {
    let scene = Scene::new().await;
    let account = scene.holder("reader", &["iam.read"], json!("all")).await;
    let token = scene.token_of(&account, &[]).await;
    let list = async || scene.client.call(&token, Method::GET, &scene.path("roles"), None).await;
    list().await.expect(200);
    let policies = scene.get("access-policies").await.expect(200).json();
    let mut all = policies["items"].as_array().expect("items").iter();
    let own = all.find(|policy| policy["principal"] == account.client_id.as_str()).expect("its policy");
    let path = format!("access-policies/{}", own["id"].as_str().expect("an id"));
    let etag = scene.get(&path).await.expect(200).header("etag").to_owned();
    change(&scene, Method::DELETE, &path, None, None).await.expect(428);
    change(&scene, Method::DELETE, &path, Some("\"2\""), None).await.expect(412);
    change(&scene, Method::DELETE, &path, Some(&etag), None).await.expect(200);
    assert_eq!(list().await.expect(403).code(), "permission_denied");
    change(&scene, Method::DELETE, &path, Some(&etag), None).await.expect(404);
}

#[tokio::test]
async fn what_is_taken_away_while_an_instance_does_not_hear_is_answered_202() {
    let scene = Scene::with(&json!({ "revoke_wait_seconds": 1 })).await;
    let account = scene.account("switched off").await;
    let gone = scene.account("gone").await;
    let policy = json!({ "principal": gone.client_id, "role": "auditor", "products": "all" });
    let policy = scene.post("access-policies", policy).await.expect(201).text("id");
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until)
                SELECT gen_random_uuid(), region, 0, 0, now() + interval '600 seconds' FROM region";
    run_sql(&scene.database_url, deaf).await;

    let path = format!("service-accounts/{}", account.id);
    let off = || change(&scene, Method::PATCH, &path, Some("*"), Some(json!({ "enabled": false })));
    for answer in [off().await.expect(202), off().await.expect(202)] {
        assert!(answer.header("location").contains("/receipts/"), "asking again does not make it true");
        assert_eq!(answer.json()["enabled"], json!(false));
    }
    let described = Some(json!({ "description": "takes nothing away" }));
    change(&scene, Method::PATCH, &path, Some("*"), described).await.expect(200);
    change(&scene, Method::DELETE, &format!("access-policies/{policy}"), Some("*"), None).await.expect(202);
    change(&scene, Method::DELETE, &format!("service-accounts/{}", gone.id), Some("*"), None)
        .await
        .expect(202);
}
