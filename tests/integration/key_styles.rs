//! Every style of key works from the moment that it is valid, and no longer than until it is revoked; and whatever is presented
//! otherwise is refused like a key that does not exist.

use reqwest::Method;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::own_key::{NONCE, OwnKey, nonce};
use crate::support::scene::{Account, Scene};
use crate::support::stores::sql_value;

/// How a key is tried.
async fn accepted(scene: &Scene, keys: &[OwnKey; 4]) -> [u16; 4] {
    let [opaque, access, standard, advanced] = keys;
    [
        opaque.as_bearer(&scene.client).await.status,
        scene.client.token(&access.id, &access.secret, &[]).await.status,
        standard.as_standard(&scene.client).await.status,
        advanced.as_advanced(&scene.client, &nonce(), &scene.millis(0).await).await.status,
    ]
}

#[tokio::test]
async fn a_key_of_each_style_says_whose_it_is() {
    let scene = Scene::new().await;
    let [opaque, access, standard, advanced] = scene.key_of_each_style().await;
    let shown = opaque.as_bearer(&scene.client).await.expect(200);
    assert_eq!(shown.text("client_id"), format!("key:{}", opaque.id));
    assert_eq!(shown.text("product"), "prisma_capacity");
    assert_eq!(shown.text("tsg_id"), scene.tsg_id);
    assert_eq!(shown.json()["roles"], json!([]));
    assert_eq!(shown.json()["service_account_id"], json!(null));

    let shown = standard.as_standard(&scene.client).await.expect(200);
    assert_eq!(
        (shown.text("product"), shown.json()["roles"].clone()),
        ("cortex_cloud".into(), json!(["auditor"]))
    );
    let shown = advanced.as_advanced(&scene.client, NONCE, &scene.millis(0).await).await.expect(200);
    assert_eq!(shown.text("api_key_id"), advanced.id);

    // An access key is exchanged for a token, which is good for the product alone.
    let token = scene.client.token(&access.id, &access.secret, &[]).await.expect(200).text("access_token");
    let shown = scene.client.call(&token, Method::GET, "/v1/whoami", None).await.expect(200);
    assert_eq!(shown.text("api_key_id"), access.id);
    assert_eq!(shown.text("audience"), "urn:carnet:product:prisma_cloud");
    assert_eq!(shown.json()["roles"], json!(["superuser"]));
    scene.client.call(&token, Method::GET, &scene.path("api-keys"), None).await.expect(401);
    let issuer = scene.client.url.clone();
    let management = scene.client.token(&access.id, &access.secret, &[("resource", &issuer)]).await;
    assert_eq!(management.expect(400).code(), "invalid_target", "a key speaks for nobody but itself");
}

#[tokio::test]
async fn a_key_is_pending_first_and_gone_when_it_is_revoked() {
    let scene = Scene::new().await;
    let keys = scene.key_of_each_style().await;
    assert_eq!(accepted(&scene, &keys).await, [200; 4]);
    let token = scene.client.token(&keys[1].id, &keys[1].secret, &[]).await.expect(200).text("access_token");
    for key in &keys {
        let revoked = scene.revoke(&key.id).await.expect(200);
        assert_eq!(revoked.text("status"), "revoked");
        assert!(revoked.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", revoked.json());
    }
    assert_eq!(accepted(&scene, &keys).await, [401; 4]);
    scene.client.call(&token, Method::GET, "/v1/whoami", None).await.expect(401);
}

/// Nobody else hears of it, so it stays pending.
#[tokio::test]
async fn a_pending_key_is_told_from_an_unknown_one_to_its_owner_alone() {
    let scene = Scene::new().await;
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until) VALUES
                (gen_random_uuid(), 'local', 0, 0, clock_timestamp() + interval '10 minutes')";
    crate::support::stores::run_sql(&scene.database_url, deaf).await;
    let opaque = scene.own_key(json!({ "product": "prisma_capacity" })).await;
    let signed =
        |level: &str| json!({ "product": "cortex_cloud", "role": "auditor", "security_level": level });
    let standard = scene.own_key(signed("standard")).await;
    let advanced = scene.own_key(signed("advanced")).await;
    opaque.as_bearer(&scene.client).await.expect(503);
    standard.as_standard(&scene.client).await.expect(503);
    advanced.as_advanced(&scene.client, NONCE, &scene.millis(0).await).await.expect(503);
    let impostor = OwnKey { secret: opaque.secret.clone(), ..advanced.clone() };
    impostor.as_advanced(&scene.client, NONCE, &scene.millis(0).await).await.expect(401);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_not_told() {
    let scene = Scene::new().await;
    let [opaque, access, standard, advanced] = scene.key_of_each_style().await;
    let unknown = OwnKey { id: "1".into(), secret: opaque.secret.clone() };
    let refused = opaque_of("carnet_key_0000000000000001_abc", &scene).await;
    let spoilt = format!("{}x", &opaque.secret[..opaque.secret.len() - 1]);
    for (name, answer) in [
        ("a typo", opaque_of(&spoilt, &scene).await),
        ("an access key as it is", opaque_of(&access.secret, &scene).await),
        ("a standard key as it is", opaque_of(&standard.secret, &scene).await),
        ("a client secret", opaque_of(&scene.admin.client_secret, &scene).await),
        (
            "an opaque key in headers",
            OwnKey { id: opaque.id.clone(), ..opaque.clone() }.as_standard(&scene.client).await,
        ),
        (
            "another number",
            OwnKey { id: advanced.id.clone(), ..standard.clone() }.as_standard(&scene.client).await,
        ),
        ("an advanced key as a standard one", advanced.as_standard(&scene.client).await),
        (
            "a standard key as an advanced one",
            standard.as_advanced(&scene.client, &nonce(), &scene.millis(0).await).await,
        ),
        ("an unknown number", unknown.as_advanced(&scene.client, &nonce(), &scene.millis(0).await).await),
    ] {
        assert_eq!(seen(&answer), seen(&refused), "{name}");
    }
    // None of them is a client.
    for key in [&opaque, &standard, &advanced] {
        let answer = scene.client.token(&key.id, &key.secret, &[]).await;
        assert_eq!(answer.expect(401).code(), "invalid_client");
    }
    let other = Account {
        client_id: access.id.clone(),
        client_secret: scene.admin.client_secret.clone(),
        ..scene.admin.clone()
    };
    assert_eq!(
        scene.client.token(&other.client_id, &other.client_secret, &[]).await.expect(401).code(),
        "invalid_client"
    );
    assert_eq!(
        scene.client.token(&scene.admin.client_id, &access.secret, &[]).await.expect(401).code(),
        "invalid_client"
    );
}

/// All of an answer but what names the occurrence.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let (status, headers, _) = answer.but_the_date();
    let mut body = answer.json();
    body["instance"] = json!(null);
    (status, headers, body)
}

async fn opaque_of(secret: &str, scene: &Scene) -> Answer {
    OwnKey { id: String::new(), secret: secret.into() }.as_bearer(&scene.client).await
}

#[tokio::test]
async fn a_nonce_is_good_once_and_a_time_for_five_minutes_either_way() {
    let scene = Scene::new().await;
    let key = scene
        .valid_key(json!({ "product": "cortex_cloud", "role": "auditor", "security_level": "advanced" }))
        .await;
    let second = scene.another_instance(&json!({})).await;
    let there = crate::support::client::Client::new(&second.url);
    let (first, at) = (nonce(), scene.millis(0).await);
    key.as_advanced(&scene.client, &first, &at).await.expect(200);
    key.as_advanced(&scene.client, &first, &at).await.expect(401);
    key.as_advanced(&there, &first, &at).await.expect(401);
    key.as_advanced(&there, &first, &scene.millis(5).await).await.expect(401);
    for (away, status) in
        [(-295_000, 200), (295_000, 200), (-301_000, 401), (301_000, 401), (86_400_000, 401)]
    {
        key.as_advanced(&scene.client, &nonce(), &scene.millis(away).await).await.expect(status);
    }
    let now = scene.millis(0).await;
    let seconds = &now[..now.len() - 3];
    key.as_advanced(&scene.client, &nonce(), seconds).await.expect(401);
    // What was shown early is remembered until it is over.
    let (early, at) = (nonce(), scene.millis(290_000).await);
    key.as_advanced(&scene.client, &early, &at).await.expect(200);
    key.as_advanced(&there, &early, &at).await.expect(401);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let scene = Scene::new().await;
    let body = json!({ "product": "cortex_cloud", "role": "auditor", "security_level": "advanced" });
    let once = [("idempotency-key", "the-same")];
    let made = scene.send(Method::POST, "api-keys", &once, Some(&body)).await.expect(201);
    let secret = made.text("secret");
    assert!(secret.starts_with("carnet_signed_"), "{secret}");
    let again = scene.send(Method::POST, "api-keys", &once, Some(&body)).await.expect(201);
    assert_eq!((again.text("api_key_id"), &again.json()["secret"]), (made.text("api_key_id"), &json!(null)));
    let key = OwnKey::of(&made);
    assert_eq!(scene.get(&key.path()).await.expect(200).json()["secret"], json!(null));
    let random = &secret[secret.len() - 49..];
    let everything = "SELECT string_agg(t::text, ' ') FROM api_key t";
    let rows = sql_value(&scene.database_url, everything).await.expect("rows");
    assert!(!rows.contains(random));
    let events = sql_value(&scene.database_url, "SELECT string_agg(t::text, ' ') FROM audit_event t").await;
    assert!(!events.expect("events").contains(random));
}

#[tokio::test]
async fn an_access_key_is_a_file_for_who_asks_for_one() {
    let scene = Scene::new().await;
    let body = json!({ "product": "prisma_cloud", "name": "to keep", "role": "superuser" });
    let csv = [("accept", "text/csv")];
    let made = scene.send(Method::POST, "api-keys", &csv, Some(&body)).await.expect(201);
    let text = String::from_utf8(made.bytes.clone()).expect("text");
    let line = text.strip_prefix("Access Key ID,Secret Key\r\n").and_then(|rest| rest.strip_suffix("\r\n"));
    let (id, secret) = line.and_then(|line| line.split_once(',')).expect("two fields");
    assert_eq!(made.header("content-disposition"), format!("attachment; filename=\"access-key-{id}.csv\""));
    scene.until(id, "valid").await;
    scene.client.token(id, secret, &[]).await.expect(200);
    // Other keys are no files.
    let body = json!({ "product": "cortex_cloud", "role": "auditor" });
    let made = scene.send(Method::POST, "api-keys", &csv, Some(&body)).await.expect(201);
    assert!(made.text("secret").starts_with("carnet_signed_"));
}

#[tokio::test]
async fn a_license_brings_its_first_key() {
    let scene = Scene::new().await;
    let child = scene.child("Gas works").await;
    let token = scene.admin_token().await;
    let path = format!("/v1/tenants/{child}/licenses");
    let license = json!({ "product": "prisma_capacity" });
    let made = scene.client.call(&token, Method::POST, &path, Some(&license)).await.expect(201);
    let key = &made.json()["api_key"];
    let id = key["api_key_id"].as_str().expect("a key");
    let secret = key["secret"].as_str().expect("a secret").to_owned();
    let shown = scene.client.call(&token, Method::GET, &format!("{path}/{}", made.text("id")), None).await;
    assert_eq!(shown.expect(200).json()["api_key"], json!(null), "once");
    let key = OwnKey { id: id.into(), secret };
    let mut answer = key.as_bearer(&scene.client).await;
    while answer.status == 503 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        answer = key.as_bearer(&scene.client).await;
    }
    assert_eq!(answer.expect(200).text("tsg_id"), child);
    let another = json!({ "product": "prisma_capacity" });
    let keys = format!("/v1/tenants/{child}/api-keys");
    let refused = scene.client.call(&token, Method::POST, &keys, Some(&another)).await.expect(409);
    assert_eq!(refused.code(), "active_key_exists");
    // Other licenses bring none.
    let plain = json!({ "product": "cortex_cloud" });
    let made = scene.client.call(&token, Method::POST, &path, Some(&plain)).await.expect(201);
    assert_eq!(made.json()["api_key"], json!(null));
}

/// One who may not see the key sees none; and neither a suspended tenant's key nor one whose license is over is honoured.
#[tokio::test]
async fn a_key_goes_with_its_tenant_and_its_license() {
    let scene = Scene::new().await;
    let child = scene.child("Customer").await;
    let token = scene.admin_token().await;
    let license = json!({ "product": "prisma_capacity" });
    let path = format!("/v1/tenants/{child}/licenses");
    let made = scene.client.call(&token, Method::POST, &path, Some(&license)).await.expect(201);
    let key = &made.json()["api_key"];
    let key = OwnKey {
        id: key["api_key_id"].as_str().unwrap().into(),
        secret: key["secret"].as_str().unwrap().into(),
    };
    while key.as_bearer(&scene.client).await.status == 503 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let tenant = |status: &str| {
        let request = scene.client.request(Method::PATCH, &format!("/v1/tenants/{child}"));
        scene
            .client
            .send(request.bearer_auth(&token).header("if-match", "*").json(&json!({ "status": status })))
    };
    tenant("suspended").await.expect(200);
    key.as_bearer(&scene.client).await.expect(401);
    tenant("active").await.expect(200);
    key.as_bearer(&scene.client).await.expect(200);
    let end = scene.client.request(Method::PATCH, &format!("{path}/{}", made.text("id")));
    let end =
        end.bearer_auth(&token).header("if-match", "*").json(&json!({ "ends_at": "2020-01-01T00:00:00Z" }));
    scene.client.send(end).await.expect(200);
    key.as_bearer(&scene.client).await.expect(401);
}
