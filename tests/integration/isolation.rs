//! A tenant sees itself and what is below it; another's id looks exactly like an unknown one. Each of
//! the two layers holds alone.

use reqwest::Method;
use serde_json::json;
use tokio_postgres::NoTls;

use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

/// A second tenant beside the first, with an administrator of its own.
struct Neighbour {
    tsg_id: String,
    admin: Account,
}

async fn neighbour(scene: &Scene) -> Neighbour {
    let parent = scene.admin_token().await;
    let made = scene.client.call(&parent, Method::POST, "/v1/tenants", Some(&json!({ "name": "Sub" }))).await;
    let tsg_id = made.expect(201).text("tsg_id");
    let path = format!("/v1/tenants/{tsg_id}");
    let account = json!({ "name": "sub administrator" });
    let account =
        scene.client.call(&parent, Method::POST, &format!("{path}/service-accounts"), Some(&account)).await;
    let account = account.expect(201);
    let admin = Account {
        id: account.text("id"),
        client_id: account.text("client_id"),
        client_secret: account.text("client_secret"),
    };
    let policy = json!({ "principal": admin.client_id, "role": "superuser", "products": "all" });
    let policy =
        scene.client.call(&parent, Method::POST, &format!("{path}/access-policies"), Some(&policy)).await;
    policy.expect(201);
    Neighbour { tsg_id, admin }
}

/// What the parent has, asked for by the child: up is never allowed.
async fn everything_above_is_unknown(scene: &Scene, child: &Neighbour) {
    let account = scene.entitled_account("of the parent").await;
    let key = scene.key("advanced_wildfire", &account).await;
    let token = scene.token_of(&child.admin, &[]).await;
    let unknown = "00000000-0000-7000-8000-00000000dead";
    let paths = [
        (scene.path(""), "/v1/tenants/9999999999/".to_owned()),
        (scene.path("service-accounts"), "/v1/tenants/9999999999/service-accounts".to_owned()),
        (scene.path(&format!("api-keys/{key}")), "/v1/tenants/9999999999/api-keys/1".to_owned()),
    ];
    for (parents, unknowns) in paths {
        let (parents, unknowns) = (parents.trim_end_matches('/'), unknowns.trim_end_matches('/'));
        let one = scene.client.call(&token, Method::GET, parents, None).await.expect(404);
        let other = scene.client.call(&token, Method::GET, unknowns, None).await.expect(404);
        assert_eq!(without_instance(one.json()), without_instance(other.json()), "{parents}");
    }
    // An id of the parent's under the child's own path.
    for (id, noun) in [(&account.id, "service-accounts"), (&key, "api-keys")] {
        let missing = if noun == "api-keys" { "1" } else { unknown };
        let path = |id: &str| format!("/v1/tenants/{}/{noun}/{id}", child.tsg_id);
        let one = scene.client.call(&token, Method::GET, &path(id), None).await.expect(404);
        let other = scene.client.call(&token, Method::GET, &path(missing), None).await.expect(404);
        assert_eq!(without_instance(one.json()), without_instance(other.json()), "{noun}");
    }
}

fn without_instance(mut problem: serde_json::Value) -> serde_json::Value {
    problem.as_object_mut().expect("a problem").remove("instance");
    problem
}

#[tokio::test]
async fn up_and_sideways_look_unknown() {
    let scene = Scene::new().await;
    let child = neighbour(&scene).await;
    everything_above_is_unknown(&scene, &child).await;
    let sibling = neighbour(&scene).await;
    let token = scene.token_of(&child.admin, &[]).await;
    let path = format!("/v1/tenants/{}/service-accounts", sibling.tsg_id);
    scene.client.call(&token, Method::GET, &path, None).await.expect(404);
    scene.client.call(&token, Method::POST, &path, Some(&json!({ "name": "mole" }))).await.expect(404);
}

#[tokio::test]
async fn twin_without_row_level_security_the_queries_hold_alone() {
    let scene = Scene::new().await;
    let child = neighbour(&scene).await;
    let off = "DO $$ DECLARE t text; BEGIN
                 FOR t IN SELECT relname FROM pg_class WHERE relrowsecurity LOOP
                   EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t);
                 END LOOP; END $$";
    run_sql(&scene.database_url, off).await;
    everything_above_is_unknown(&scene, &child).await;
}

#[tokio::test]
async fn twin_without_the_queries_row_level_security_holds_alone() {
    let scene = Scene::new().await;
    let child = neighbour(&scene).await;
    scene.entitled_account("of the parent").await;
    let (client, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    let seen = async |tsg_id: &str, table: &str| -> i64 {
        let set = format!("SET ROLE carnet_tenant; SET carnet.tsg_id = '{tsg_id}'");
        client.batch_execute(&set).await.expect("a role");
        let others = format!("SELECT count(*) FROM {table} WHERE tsg_id <> '{tsg_id}'");
        client.query_one(&others, &[]).await.expect(table).get(0)
    };
    let tables = client
        .query(
            "SELECT table_name::text FROM information_schema.columns c JOIN pg_class k ON k.relname = c.table_name
             WHERE c.table_schema = 'public' AND c.column_name = 'tsg_id' AND k.relkind = 'r'",
            &[],
        )
        .await
        .expect("tables");
    assert!(tables.len() >= 10, "every table of a tenant is looked at");
    for table in tables {
        let table: String = table.get(0);
        assert_eq!(seen(&child.tsg_id, &table).await, 0, "{table}: the child sees others' rows");
        assert_eq!(seen("", &table).await, 0, "{table}: nobody sees rows");
    }
    // The parent may see the child as a tenant, and nothing of it: it has to go there.
    assert_eq!(seen(&scene.tsg_id, "tenant").await, 1);
    assert_eq!(seen(&scene.tsg_id, "service_account").await, 0);
}

#[tokio::test]
async fn every_table_of_a_tenant_has_row_level_security() {
    let scene = Scene::new().await;
    let (client, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    let bare = "SELECT c.table_name::text FROM information_schema.columns c
                JOIN pg_class k ON k.relname = c.table_name
                WHERE c.table_schema = 'public' AND c.column_name = 'tsg_id'
                  AND k.relkind = 'r' AND NOT k.relrowsecurity";
    let bare: Vec<String> = client.query(bare, &[]).await.expect("a list").iter().map(|r| r.get(0)).collect();
    assert_eq!(bare, Vec::<String>::new());
}

/// A view is read with its owner's rights unless it says otherwise, and its owner sees every tenant.
#[tokio::test]
async fn what_tenants_read_through_a_view_is_theirs_as_well() {
    let scene = Scene::new().await;
    let child = neighbour(&scene).await;
    let account = scene.entitled_account("of the parent").await;
    scene.key("advanced_wildfire", &account).await;
    let (client, connection) = tokio_postgres::connect(&scene.database_url, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    let seen = async |tsg_id: &str| -> i64 {
        let set = format!("SET ROLE carnet_tenant; SET carnet.tsg_id = '{tsg_id}'");
        client.batch_execute(&set).await.expect("a role");
        client.query_one("SELECT count(*) FROM api_key_shown", &[]).await.expect("keys").get(0)
    };
    assert_eq!((seen(&scene.tsg_id).await, seen(&child.tsg_id).await), (1, 0));
}
