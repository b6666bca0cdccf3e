//! Lists: every row once, in one order, however small the pages.

use serde_json::{Value, json};

use crate::support::scene::Scene;

/// All rows of a list, read in pages of this size, and how many pages it took.
async fn read_all(scene: &Scene, list: &str, limit: usize) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = scene.get(&format!("{list}?limit={limit}{cursor}")).await.expect(200).json();
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= limit);
        rows.extend(items);
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, pages),
        }
    }
}

#[tokio::test]
async fn pages_of_any_size_make_the_same_list() {
    let scene = Scene::new().await;
    for n in 0..5 {
        let account = scene.account(&format!("page {n}")).await;
        let policy = json!({ "principal": account.client_id, "role": "auditor", "products": "all" });
        scene.post("access-policies", policy).await.expect(201);
        let role = json!({ "name": format!("role {n}"), "permissions": ["iam.read"] });
        scene.post("roles", role).await.expect(201);
    }
    // Besides those: the administrator and its policy, four predefined roles, five licenses.
    for (list, expected) in [("service-accounts", 6), ("access-policies", 6), ("roles", 9), ("licenses", 5)] {
        let (whole, pages) = read_all(&scene, list, 200).await;
        assert_eq!((whole.len(), pages), (expected, 1), "{list}");
        for limit in [1, 2, 3] {
            let (rows, pages) = read_all(&scene, list, limit).await;
            assert_eq!(rows, whole, "{list} by {limit}");
            assert_eq!(pages, expected.div_ceil(limit), "{list} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_goes_on_in_its_own_list_only() {
    let scene = Scene::new().await;
    let below = scene.child("below").await;
    let first = scene.get("roles?limit=1").await.expect(200).json();
    let roles = first["next_cursor"].as_str().expect("a second page").to_owned();
    let products = scene.admin_get("/v1/products?limit=1").await.expect(200).json();
    let products = products["next_cursor"].as_str().expect("a second page").to_owned();
    scene.get(&format!("roles?cursor={roles}")).await.expect(200);
    for (list, cursor) in [
        (scene.path("licenses"), &roles),
        (scene.path("service-accounts"), &roles),
        (format!("/v1/tenants/{below}/roles"), &roles),
        ("/v1/permissions".to_owned(), &products),
        ("/v1/tenants".to_owned(), &products),
    ] {
        let refused = scene.admin_get(&format!("{list}?cursor={cursor}")).await.expect(400);
        assert_eq!(refused.code(), "invalid_cursor", "{list}");
    }
}

#[tokio::test]
async fn a_row_that_comes_or_goes_between_pages_hides_no_other() {
    let scene = Scene::new().await;
    for n in 0..3 {
        scene.account(&format!("here {n}")).await;
    }
    let first = scene.get("service-accounts?limit=2").await.expect(200).json();
    scene.account("late").await;
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let rest = scene.get(&format!("service-accounts?cursor={cursor}")).await.expect(200).json();
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&first), ["Administrator", "here 0"]);
    assert_eq!(names(&rest), ["here 1", "here 2", "late"]);
}

#[tokio::test]
async fn the_catalogue_is_for_every_account_that_is_alive() {
    let scene = Scene::new().await;
    let powerless = scene.account("powerless").await;
    let token = scene.token_of(&powerless, &[]).await;
    let get = async |path: &str| scene.client.call(&token, reqwest::Method::GET, path, None).await;
    let products = get("/v1/products?limit=1").await.expect(200).json();
    assert_eq!(products["items"][0]["product"], "advanced_wildfire");
    let cursor = products["next_cursor"].as_str().expect("a second page").to_owned();
    let products = get(&format!("/v1/products?cursor={cursor}")).await.expect(200).json();
    assert_eq!(products["items"][0]["product"], "cortex_cloud");
    assert_eq!(products["next_cursor"], Value::Null);
    let permissions = get("/v1/permissions").await.expect(200).json();
    assert_eq!(permissions["items"].as_array().map(Vec::len), Some(11));
    get("/v1/tenants").await.expect(403);
}
