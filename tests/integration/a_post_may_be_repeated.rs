//! A POST with an `Idempotency-Key` makes one thing, however often and however fast it comes, and
//! shows a secret once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::Scene;
use crate::support::stores;

async fn post(scene: &Scene, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    let request = scene.client.request(Method::POST, path).bearer_auth(token).header("idempotency-key", key);
    scene.client.send(request.json(body)).await
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == "true"
}

#[tokio::test]
async fn a_repeated_post_answers_with_what_the_first_made() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let owner = scene.entitled_account("owner").await;
    let tenants = "/v1/tenants".to_owned();
    let table = [
        (tenants, json!({ "name": "twice" })),
        (scene.path("roles"), json!({ "name": "twice", "permissions": ["iam.read"] })),
        (scene.path("service-accounts"), json!({ "name": "twice" })),
        (
            scene.path("access-policies"),
            json!({ "principal": owner.client_id, "role": "auditor", "products": "all" }),
        ),
        (scene.path("api-keys"), json!({ "product": "prisma_access", "service_account_id": owner.id })),
    ];
    for (path, body) in &table {
        let key = format!("k{path}");
        let first = post(&scene, &token, path, &key, body).await.expect(201);
        let second = post(&scene, &token, path, &key, body).await.expect(201);
        assert!(!replayed(&first) && replayed(&second), "{path}");
        assert_eq!(first.header("location"), second.header("location"), "{path}");
        for id in ["tsg_id", "id", "api_key_id"] {
            assert_eq!(first.json()[id], second.json()[id], "{path}");
        }
        assert!(second.json().get("client_secret").is_none(), "{path}");
        let other_body = post(&scene, &token, path, &key, &json!({ "name": "other" })).await;
        if path.ends_with("service-accounts") || path.ends_with("tenants") {
            assert_eq!(other_body.expect(422).code(), "idempotency_key_reused", "{path}");
        }
    }
    let licenses = scene.child("licensed").await;
    let path = format!("/v1/tenants/{licenses}/licenses");
    let body = json!({ "product": "prisma_access" });
    post(&scene, &token, &path, "k", &body).await.expect(201);
    assert!(replayed(&post(&scene, &token, &path, "k", &body).await.expect(201)));
    post(&scene, &token, &path, "k2", &body).await.expect(409);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_its_tenant_and_one_request() {
    let scene = Scene::new().await;
    let (token, path) = (scene.admin_token().await, scene.path("roles"));
    let role = |name: &str| json!({ "name": name, "permissions": ["iam.read"] });
    post(&scene, &token, &path, "k", &role("one")).await.expect(201);
    let other = post(&scene, &token, &path, "k", &role("two")).await.expect(422);
    assert_eq!(other.code(), "idempotency_key_reused");
    let elsewhere =
        post(&scene, &token, &scene.path("service-accounts"), "k", &json!({ "name": "one" })).await;
    assert_eq!(elsewhere.expect(422).code(), "idempotency_key_reused");
    let below = format!("/v1/tenants/{}/roles", scene.child("below").await);
    assert!(!replayed(&post(&scene, &token, &below, "k", &role("one")).await.expect(201)));

    let second = scene.administrator_of(&scene.tsg_id).await;
    let second = scene.token_of(&second, &[]).await;
    let refused = post(&scene, &second, &path, "k", &role("one")).await.expect(409);
    assert_eq!(refused.code(), "role_name_taken", "another caller's key is not known to this one");
    // A refusal is not remembered: the same key may be tried with what was put right.
    post(&scene, &second, &path, "k", &role("three")).await.expect(201);
}

#[tokio::test]
async fn of_two_at_once_one_makes_and_both_are_shown_the_same() {
    let scene = Scene::new().await;
    let (token, path) = (scene.admin_token().await, scene.path("service-accounts"));
    let body = json!({ "name": "at once" });
    let ask = || post(&scene, &token, &path, "same-moment", &body);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let answers = [one.expect(201), two.expect(201), three.expect(201)];
    assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1);
    let secrets = answers.iter().filter(|answer| answer.json().get("client_secret").is_some()).count();
    assert_eq!(secrets, 1, "the secret is shown once");
    assert!(answers.iter().all(|answer| answer.text("id") == answers[0].text("id")));
}

#[tokio::test]
async fn who_comes_while_another_holds_the_key_waits_for_it() {
    let scene = Scene::new().await;
    let (token, path) = (scene.admin_token().await, scene.path("roles"));
    let body = json!({ "name": "held", "permissions": ["iam.read"] });
    let (other, connection) =
        tokio_postgres::connect(&scene.database_url, tokio_postgres::NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    let claim = format!(
        "BEGIN; INSERT INTO idempotency_key VALUES ('{}', '{}', 'held', '\\x00', 'x')",
        scene.tsg_id, scene.admin.client_id
    );
    other.batch_execute(&claim).await.expect("a claim");
    let (answer, ()) = tokio::join!(post(&scene, &token, &path, "held", &body), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let count = "SELECT count(*) FROM role WHERE name = 'held'";
        assert_eq!(stores::sql_value(&scene.database_url, count).await.as_deref(), Some("0"));
        other.batch_execute("COMMIT").await.expect("a commit");
    });
    assert_eq!(answer.expect(422).code(), "idempotency_key_reused");
}

#[tokio::test]
async fn a_repeated_revoke_says_the_same() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("revoked twice").await;
    let id = scene.key("prisma_access", &account).await;
    scene.until(&id, "valid").await;
    let (token, path) = (scene.admin_token().await, scene.path(&format!("api-keys/{id}/revoke")));
    let body = json!({ "reason": "lost" });
    let first = post(&scene, &token, &path, "r", &body).await.expect(200);
    let second = post(&scene, &token, &path, "r", &body).await.expect(200);
    assert!(!replayed(&first) && replayed(&second));
    assert_eq!(first.json(), second.json());
    assert_eq!(second.text("status"), "revoked");
    assert_eq!(second.text("revoke_reason"), "lost");
    post(&scene, &token, &path, "r", &json!({ "reason": "other" })).await.expect(422);
}
