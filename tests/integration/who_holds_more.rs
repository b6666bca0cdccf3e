//! Nobody changes or takes away what holds more than they do, and nobody keeps others from disabling
//! them by being busy.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};

/// An account with this predefined role.
async fn with_role(scene: &Scene, name: &str, role: &str) -> Account {
    let account = scene.account(name).await;
    let policy = json!({ "principal": account.client_id, "role": role, "products": "all" });
    scene.post("access-policies", policy).await.expect(201);
    account
}

async fn patch(scene: &Scene, token: &str, account: &Account, body: Value) -> Answer {
    let path = scene.path(&format!("service-accounts/{}", account.id));
    let etag = scene.client.call(token, Method::GET, &path, None).await.header("etag").to_owned();
    let request = scene.client.request(Method::PATCH, &path).bearer_auth(token).header("If-Match", etag);
    scene.client.send(request.json(&body)).await
}

#[tokio::test]
async fn who_may_manage_accounts_may_not_manage_those_that_hold_more() {
    let scene = Scene::new().await;
    let lesser = with_role(&scene, "lesser", "iam_administrator").await;
    let greater = with_role(&scene, "greater", "superuser").await;
    let peer = with_role(&scene, "peer", "iam_administrator").await;
    let token = scene.token_of(&lesser, &[]).await;

    let refused = patch(&scene, &token, &greater, json!({ "enabled": false })).await.expect(403);
    assert_eq!(refused.code(), "cannot_grant");
    let path = scene.path(&format!("service-accounts/{}", greater.id));
    let etag = scene.client.call(&token, Method::GET, &path, None).await.header("etag").to_owned();
    let delete = scene.client.request(Method::DELETE, &path).bearer_auth(&token).header("If-Match", etag);
    assert_eq!(scene.client.send(delete).await.expect(403).code(), "cannot_grant");
    let policies = scene.get("access-policies").await.json();
    let policies = policies["items"].as_array().expect("a list").clone();
    let of_greater =
        policies.iter().find(|p| p["principal"] == greater.client_id.as_str()).expect("a policy");
    let path = scene.path(&format!("access-policies/{}", of_greater["id"].as_str().expect("an id")));
    let delete = scene.client.request(Method::DELETE, &path).bearer_auth(&token).header("If-Match", "\"1\"");
    assert_eq!(scene.client.send(delete).await.expect(403).code(), "cannot_grant");

    patch(&scene, &token, &peer, json!({ "enabled": false })).await.expect(200);
    scene.token_of(&greater, &[]).await;
}

#[tokio::test]
async fn a_busy_account_is_disabled_all_the_same() {
    let scene = Scene::new().await;
    let busy = with_role(&scene, "busy", "superuser").await;
    let other = scene.account("other").await;
    let token = scene.token_of(&busy, &[]).await;
    let admin = scene.admin_token().await;
    let deadline = Instant::now() + Duration::from_secs(4);
    let attack = join_all((0..6).map(|n| {
        let (scene, token, other) = (&scene, &token, &other);
        async move {
            let mut tries = 0;
            while Instant::now() < deadline {
                let body = json!({ "description": format!("{n} {tries}") });
                let path = scene.path(&format!("service-accounts/{}", other.id));
                let change = scene.client.request(Method::PATCH, &path).bearer_auth(token);
                let answer = scene.client.send(change.header("If-Match", "\"0\"").json(&body)).await;
                if answer.status == 401 {
                    return;
                }
                tries += 1;
            }
            panic!("still not disabled after {tries} tries");
        }
    }));
    let disable = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        patch(&scene, &admin, &busy, json!({ "enabled": false })).await.expect(200);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    };
    tokio::join!(attack, disable);
}

#[tokio::test]
async fn six_changes_of_ones_own_account_at_once_are_one_success_and_five_stale_ones() {
    let scene = Scene::new().await;
    let own = with_role(&scene, "own", "superuser").await;
    let token = scene.token_of(&own, &[]).await;
    let path = scene.path(&format!("service-accounts/{}", own.id));
    let etag = scene.client.call(&token, Method::GET, &path, None).await.header("etag").to_owned();
    let changes = join_all((0..6).map(|n| {
        let change = scene.client.request(Method::PATCH, &path).bearer_auth(&token);
        let change = change.header("If-Match", &etag).json(&json!({ "description": n.to_string() }));
        scene.client.send(change)
    }));
    let mut statuses: Vec<u16> = changes.await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
}

/// The wall behind the wall: what refers to something of another tenant is refused by the schema.
#[tokio::test]
async fn nothing_can_refer_to_another_tenant_s_account() {
    let scene = Scene::new().await;
    let below = scene.tenant_below(&scene.tsg_id, "Below").await;
    let theirs = scene.account("theirs").await;
    let (client, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
        .batch_execute(&format!("SET ROLE carnet_tenant; SET carnet.tsg_id = '{below}'"))
        .await
        .expect("a role");
    let (id, account) = (&theirs.client_id, &theirs.id);
    for statement in [
        format!(
            "INSERT INTO access_policy (id, tsg_id, principal, target_tsg_id)
             VALUES (gen_random_uuid(), '{below}', '{id}', '{below}')"
        ),
        format!(
            "INSERT INTO api_key (api_key_id, tsg_id, product, status, service_account_id, credential, created_by)
             VALUES (1, '{below}', 'prisma_access', 'valid', '{account}', '{id}', 'x')"
        ),
        format!("SELECT append_changes(ARRAY['{id}'])"),
    ] {
        client.batch_execute(&statement).await.expect_err(&statement);
    }
}

#[tokio::test]
async fn of_two_who_disable_each_other_at_once_exactly_one_is_left() {
    let scene = Scene::new().await;
    for round in 0..3 {
        let one = with_role(&scene, &format!("one {round}"), "superuser").await;
        let other = with_role(&scene, &format!("other {round}"), "superuser").await;
        let tokens = (scene.token_of(&one, &[]).await, scene.token_of(&other, &[]).await);
        let off = json!({ "enabled": false });
        let (first, second) =
            tokio::join!(patch(&scene, &tokens.0, &other, off.clone()), patch(&scene, &tokens.1, &one, off));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}
