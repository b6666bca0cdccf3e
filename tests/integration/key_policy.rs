//! The key policy of the first products, rule by rule: a license, one key per tenant and type, an
//! account of its own, all apps and services with a role that holds enough.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

async fn create(scene: &Scene, product: &str, account: &Account) -> Answer {
    scene.post("api-keys", json!({ "product": product, "service_account_id": account.id })).await
}

async fn grant(scene: &Scene, account: &Account, role: Option<&str>, products: Value) -> Answer {
    let mut policy =
        json!({ "principal": account.client_id, "products": products, "allow_without_role": true });
    if let Some(role) = role {
        policy["role"] = json!(role);
    }
    scene.post("access-policies", policy).await.expect(201)
}

#[tokio::test]
async fn no_license_no_key() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("unlicensed").await;
    assert_eq!(create(&scene, "nonsense", &account).await.expect(422).code(), "unknown_product");
    let end = "UPDATE license SET ends_at = now() - interval '1 second' WHERE product = 'prisma_access'";
    run_sql(&scene.database_url, end).await;
    assert_eq!(create(&scene, "prisma_access", &account).await.expect(422).code(), "license_required");

    let past = json!({ "product": "prisma_access", "ends_at": "2020-01-01T00:00:00Z" });
    assert_eq!(scene.post("licenses", past).await.expect(422).code(), "ends_in_past");
    let unknown = json!({ "product": "nonsense" });
    assert_eq!(scene.post("licenses", unknown).await.expect(422).code(), "unknown_product");
    let license = json!({ "product": "prisma_access", "ends_at": "2099-01-01T01:00:00+01:00" });
    let license = scene.post("licenses", license.clone()).await.expect(201);
    assert_eq!(license.text("ends_at"), "2099-01-01T00:00:00Z");
    let again = json!({ "product": "prisma_access" });
    assert_eq!(scene.post("licenses", again).await.expect(409).code(), "license_exists");
    let licenses = scene.get("licenses").await.expect(200).json();
    assert_eq!(licenses["items"].as_array().map(Vec::len), Some(6), "the ended one is still told of");

    let key = create(&scene, "prisma_access", &account).await.expect(201);
    assert_eq!(key.text("expires_at"), "2099-01-01T00:00:00Z", "a key ends with its license");
    scene.get(&format!("licenses/{}", license.text("id"))).await.expect(200);
}

#[tokio::test]
async fn the_account_must_exist_here_and_be_enabled() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("disabled").await;
    let nobody = Account { id: "00000000-0000-7000-8000-0000000000ff".into(), ..account.clone() };
    assert_eq!(create(&scene, "prisma_access", &nobody).await.expect(422).code(), "unknown_service_account");
    let token = scene.admin_token().await;
    let path = scene.path(&format!("service-accounts/{}", account.id));
    let disable = scene.client.request(Method::PATCH, &path).bearer_auth(token).header("if-match", "*");
    scene.client.send(disable.json(&json!({ "enabled": false }))).await.expect(200);
    assert_eq!(
        create(&scene, "prisma_access", &account).await.expect(409).code(),
        "service_account_disabled"
    );
}

#[tokio::test]
async fn all_apps_with_a_role_that_holds_both_permissions() {
    let scene = Scene::new().await;
    let account = scene.account("climber").await;
    let refused = async |code: &str| {
        let answer = create(&scene, "prisma_access", &account).await.expect(422);
        assert_eq!(answer.code(), code);
        answer.text("detail")
    };
    refused("all_apps_required").await;
    grant(&scene, &account, Some("iam_administrator"), json!(["prisma_access", "advanced_wildfire"])).await;
    refused("all_apps_required").await;
    grant(&scene, &account, None, json!("all")).await;
    refused("all_apps_without_role").await;
    grant(&scene, &account, Some("auditor"), json!("all")).await;
    assert!(refused("permissions_missing").await.contains("iam.service_account, iam.custom_role"));
    // Two roles with one each are not one role with both.
    for (role, permission) in [("half", "iam.service_account"), ("other half", "iam.custom_role")] {
        let role_body = json!({ "name": role, "permissions": [permission] });
        scene.post("roles", role_body).await.expect(201);
        grant(&scene, &account, Some(role), json!("all")).await;
    }
    refused("permissions_missing").await;
    let below = scene.child("below").await;
    let elsewhere = json!({
        "principal": account.client_id, "role": "iam_administrator", "products": "all", "tenant": below,
    });
    scene.post("access-policies", elsewhere).await.expect(201);
    refused("permissions_missing").await;
    grant(&scene, &account, Some("iam_administrator"), json!("all")).await;
    let key = create(&scene, "prisma_access", &account).await.expect(201).json();
    assert_eq!((&key["status"], &key["warnings"]), (&json!("pending"), &json!([])));
}

#[tokio::test]
async fn all_apps_without_a_role_only_when_asked_for_and_with_a_warning() {
    let scene = Scene::new().await;
    let account = scene.account("roleless").await;
    grant(&scene, &account, None, json!("all")).await;
    assert_eq!(create(&scene, "prisma_access", &account).await.expect(422).code(), "all_apps_without_role");
    let asked =
        json!({ "product": "prisma_access", "service_account_id": account.id, "allow_without_role": true });
    let key = scene.post("api-keys", asked).await.expect(201);
    assert_eq!(key.json()["warnings"].as_array().map(Vec::len), Some(1));
    let path = format!("api-keys/{}", key.text("api_key_id"));
    let warnings = async || scene.get(&path).await.expect(200).json()["warnings"].as_array().map(Vec::len);
    assert_eq!(warnings().await, Some(1));
    grant(&scene, &account, Some("auditor"), json!("all")).await;
    assert_eq!(warnings().await, Some(0), "it warns of what is, not of what was");
}

#[tokio::test]
async fn a_key_whose_account_lost_its_policies_warns_of_that_and_of_nothing_else() {
    let scene = Scene::new().await;
    let account = scene.account("stripped").await;
    let policy = grant(&scene, &account, Some("iam_administrator"), json!("all")).await;
    grant(&scene, &account, Some("auditor"), json!(["prisma_access"])).await;
    let key = create(&scene, "prisma_access", &account).await.expect(201);
    assert_eq!(key.json()["warnings"], json!([]));
    let token = scene.admin_token().await;
    let path = scene.path(&format!("access-policies/{}", policy.text("id")));
    let delete = scene.client.request(Method::DELETE, &path).bearer_auth(token).header("if-match", "*");
    scene.client.send(delete).await.expect(200);

    let path = format!("api-keys/{}", key.text("api_key_id"));
    let warnings = async || scene.get(&path).await.expect(200).json()["warnings"].clone();
    let gone = json!(["The service account no longer has an access policy for all products in this tenant."]);
    assert_eq!(warnings().await, gone);
    assert_eq!(scene.get("api-keys").await.expect(200).json()["items"][0]["warnings"], gone);
    grant(&scene, &account, None, json!("all")).await;
    let warned = warnings().await;
    assert_eq!(warned.as_array().map(Vec::len), Some(1));
    assert!(warned[0].as_str().is_some_and(|text| text.contains("only without a role")), "{warned}");
    scene.revoke(&key.text("api_key_id")).await.expect(200);
    assert_eq!(warnings().await, json!([]), "a dead key has nothing to warn of");
}

#[tokio::test]
async fn one_key_of_a_type_and_one_key_of_an_account() {
    let scene = Scene::new().await;
    let first = scene.entitled_account("first").await;
    let second = scene.entitled_account("second").await;
    let id = create(&scene, "prisma_access", &first).await.expect(201).text("api_key_id");
    assert_eq!(create(&scene, "prisma_access", &second).await.expect(409).code(), "active_key_exists");
    let bound = create(&scene, "advanced_wildfire", &first).await.expect(409);
    assert_eq!(bound.code(), "service_account_already_bound");
    scene.revoke(&id).await.expect(200);
    create(&scene, "prisma_access", &second).await.expect(201);
    create(&scene, "advanced_wildfire", &first).await.expect(201);
}

#[tokio::test]
async fn an_unmigrated_key_blocks_its_type_until_it_is_revoked() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("newcomer").await;
    let import = format!(
        "INSERT INTO api_key (api_key_id, tsg_id, product, status, created_by)
         VALUES (7, '{}', 'prisma_access', 'unmigrated', 'import')",
        scene.tsg_id
    );
    run_sql(&scene.database_url, &import).await;
    assert_eq!(create(&scene, "prisma_access", &account).await.expect(409).code(), "unmigrated_key_exists");
    create(&scene, "advanced_wildfire", &account).await.expect(201);
    let imported = scene.get("api-keys/7").await.expect(200).json();
    assert_eq!((&imported["status"], &imported["service_account_id"]), (&json!("unmigrated"), &Value::Null));
    assert_eq!(scene.revoke("7").await.expect(200).text("status"), "revoked");
    let next = scene.entitled_account("next").await;
    create(&scene, "prisma_access", &next).await.expect(201);
}

#[tokio::test]
async fn an_expired_key_makes_room_and_cannot_be_revoked() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("late").await;
    let id = scene.key("prisma_access", &account).await;
    scene.until(&id, "valid").await;
    let expire =
        format!("UPDATE api_key SET expires_at = now() - interval '1 second' WHERE api_key_id = {id}");
    run_sql(&scene.database_url, &expire).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.expect(200).text("status"), "expired");
    assert_eq!(scene.revoke(&id).await.expect(409).code(), "api_key_expired");
    let next = create(&scene, "prisma_access", &account).await.expect(201).text("api_key_id");
    scene.until(&next, "valid").await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.expect(200).text("status"), "expired");
}

#[tokio::test]
async fn of_two_keys_at_once_the_database_lets_one_through() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("slow").await;
    let other = scene.entitled_account("fast").await;
    // A transaction that has made its key, and that nobody sees yet.
    let (fast, connection) =
        tokio_postgres::connect(&scene.database_url, tokio_postgres::NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    for (product, bound, code) in [
        ("prisma_access", &other, "active_key_exists"),
        ("advanced_wildfire", &account, "service_account_already_bound"),
    ] {
        let id = product.len();
        let insert = format!(
            "BEGIN; INSERT INTO api_key
                 (api_key_id, tsg_id, product, status, slot, service_account_id, credential, created_by)
             VALUES ({id}, '{}', '{product}', 'pending', '{product}', '{}', '{}', 'test')",
            scene.tsg_id, bound.id, bound.client_id
        );
        fast.batch_execute(&insert).await.expect("a key");
        let (answer, ()) = tokio::join!(create(&scene, "prisma_access", &account), async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            fast.batch_execute("COMMIT").await.expect("a commit");
        });
        assert_eq!(answer.expect(409).code(), code);
        fast.batch_execute(&format!("DELETE FROM api_key WHERE api_key_id = {id}")).await.expect("away");
    }
    create(&scene, "prisma_access", &account).await.expect(201);
}

#[tokio::test]
async fn a_pending_key_is_revoked_at_once_and_the_row_tells_who_when_and_why() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("never worked").await;
    // An instance that hears nothing keeps the key pending.
    let deaf = "INSERT INTO instance (instance, region, applied, low_water, lease_until)
                SELECT gen_random_uuid(), region, 0, 0, now() + interval '3 seconds' FROM region";
    run_sql(&scene.database_url, deaf).await;
    let id = scene.key("prisma_access", &account).await;
    assert_eq!(scene.get(&format!("api-keys/{id}")).await.expect(200).text("status"), "pending");
    let token = scene.admin_token().await;
    let path = scene.path(&format!("api-keys/{id}/revoke"));
    let revoked = scene.client.call(&token, Method::POST, &path, None).await.expect(200).json();
    assert_eq!((&revoked["status"], &revoked["revoke_reason"]), (&json!("revoked"), &Value::Null));
    assert!(revoked["revoked_at"].is_string());
    let again = scene.revoke(&id).await.expect(200).json();
    assert_eq!(again, revoked, "the second request changes nothing");
}
