//! Permissions are checked, and nobody hands out what they do not hold themselves.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::scene::{Account, Scene};

async fn post_as(scene: &Scene, account: &Account, noun: &str, body: Value) -> Answer {
    let token = scene.token_of(account, &[]).await;
    scene.client.call(&token, Method::POST, &scene.path(noun), Some(&body)).await
}

#[tokio::test]
async fn each_change_needs_its_own_permission() {
    let scene = Scene::new().await;
    let reader = scene.holder("reader", &["iam.read"], json!("all")).await;
    let token = scene.token_of(&reader, &[]).await;
    let requests = [
        ("licenses", "iam.license", json!({ "product": "prisma_access" })),
        ("service-accounts", "iam.service_account", json!({ "name": "new one" })),
        ("roles", "iam.custom_role", json!({ "name": "r", "permissions": ["iam.read"] })),
        (
            "access-policies",
            "iam.access_policy",
            json!({ "principal": "p", "role": "auditor", "products": "all" }),
        ),
        ("api-keys", "iam.api_key", json!({ "product": "prisma_access", "service_account_id": reader.id })),
    ];
    for (noun, permission, body) in requests {
        let path = scene.path(noun);
        let refused = scene.client.call(&token, Method::POST, &path, Some(&body)).await.expect(403);
        assert_eq!(refused.code(), "permission_denied", "{noun}");
        assert!(refused.text("detail").contains(permission), "{noun}");
        scene.client.call(&token, Method::GET, &path, None).await.expect(200);
    }
    let tenant = json!({ "name": "t" });
    scene.client.call(&token, Method::POST, "/v1/tenants", Some(&tenant)).await.expect(403);
    let own = scene.path(&format!("service-accounts/{}", reader.id));
    for (method, body) in [(Method::PATCH, Some(json!({ "enabled": true }))), (Method::DELETE, None)] {
        let mut request = scene.client.request(method, &own).bearer_auth(&token).header("if-match", "*");
        if let Some(body) = body {
            request = request.json(&body);
        }
        scene.client.send(request).await.expect(403);
    }

    let powerless = scene.account("powerless").await;
    let token = scene.token_of(&powerless, &[]).await;
    for noun in ["licenses", "service-accounts", "roles", "access-policies", "api-keys", "api-keys/42"] {
        let refused = scene.client.call(&token, Method::GET, &scene.path(noun), None).await.expect(403);
        assert_eq!(refused.code(), "permission_denied", "{noun}");
    }
}

#[tokio::test]
async fn a_role_holds_at_most_what_its_maker_holds() {
    let scene = Scene::new().await;
    let maker = scene.holder("maker", &["iam.custom_role", "iam.read"], json!("all")).await;
    let role = |name: &str, permissions: &[&str]| json!({ "name": name, "permissions": permissions });
    post_as(&scene, &maker, "roles", role("less", &["iam.read", "iam.read"])).await.expect(201);
    let refused =
        post_as(&scene, &maker, "roles", role("more", &["iam.read", "iam.tenant"])).await.expect(403);
    assert_eq!(refused.code(), "cannot_grant");
    assert!(refused.text("detail").contains("iam.tenant") && !refused.text("detail").contains("iam.read"));
    let unknown = post_as(&scene, &maker, "roles", role("odd", &["iam.nonsense"])).await.expect(422);
    assert_eq!(unknown.code(), "unknown_permission");
    for taken in ["less", "superuser"] {
        let refused = post_as(&scene, &maker, "roles", role(taken, &["iam.read"])).await.expect(409);
        assert_eq!(refused.code(), "role_name_taken", "{taken}");
    }
    let made = scene.get("roles").await.expect(200).json();
    let less = made["items"].as_array().expect("items").iter().find(|role| role["name"] == "less");
    assert_eq!(less.expect("the role")["permissions"], json!(["iam.read"]), "each once");
}

#[tokio::test]
async fn a_policy_grants_at_most_what_its_maker_holds_there_and_for_those_products() {
    let scene = Scene::new().await;
    let below = scene.child("below").await;
    let friend = scene.account("friend").await;
    let giver = scene.account("giver").await;
    let grant = async |role: &str, permissions: &[&str], products: Value| {
        scene.post("roles", json!({ "name": role, "permissions": permissions })).await.expect(201);
        let policy = json!({ "principal": giver.client_id, "role": role, "products": products });
        scene.post("access-policies", policy).await.expect(201);
    };
    grant("giving", &["iam.access_policy"], json!("all")).await;
    grant("keys of one", &["iam.api_key"], json!(["prisma_access"])).await;
    let give = async |role: &str, products: Value, tenant: &str| {
        let policy =
            json!({ "principal": friend.client_id, "role": role, "products": products, "tenant": tenant });
        post_as(&scene, &giver, "access-policies", policy).await
    };
    let here = scene.tsg_id.as_str();
    let one = || json!(["prisma_access"]);
    for (role, products) in [
        ("superuser", json!("all")),
        ("superuser", one()),
        ("keys of one", json!("all")),
        ("keys of one", json!(["prisma_access", "advanced_wildfire"])),
    ] {
        let refused = give(role, products.clone(), here).await.expect(403);
        assert_eq!(refused.code(), "cannot_grant", "{role} {products}");
        give(role, products, &below).await.expect(403);
    }
    give("keys of one", one(), here).await.expect(201);
    give("keys of one", one(), &below).await.expect(201);
    give("giving", json!("all"), here).await.expect(201);
    let again = give("giving", json!("all"), here).await.expect(409);
    assert_eq!(again.code(), "access_policy_exists");
}

#[tokio::test]
async fn a_policy_names_things_that_exist() {
    let scene = Scene::new().await;
    let account = scene.account("grantee").await;
    let good = json!({ "principal": account.client_id, "role": "auditor", "products": ["prisma_access"] });
    let with = |field: &str, value: Value| {
        let mut policy = good.clone();
        policy[field] = value;
        policy
    };
    let table = [
        (with("principal", json!("nobody@1000000000.iam.example")), "unknown_principal", "principal"),
        (with("role", json!("nonsense")), "unknown_role", "role"),
        (with("role", Value::Null), "role_required", "role"),
        (with("products", json!(["nonsense"])), "unknown_product", "products"),
        (with("tenant", json!("9999999999")), "not_a_descendant", "tenant"),
    ];
    for (policy, code, field) in table {
        let refused = scene.post("access-policies", policy).await.expect(422);
        assert_eq!(
            (refused.code().as_str(), refused.json()["errors"][0]["field"].as_str()),
            (code, Some(field))
        );
    }
    let made = scene.post("access-policies", good.clone()).await.expect(201).json();
    assert_eq!(made["products"], json!(["prisma_access"]));
    assert_eq!((&made["tenant"], &made["warnings"]), (&json!(scene.tsg_id), &json!([])));

    let mut bare = json!({ "principal": account.client_id, "products": "all" });
    assert_eq!(scene.post("access-policies", bare.clone()).await.expect(422).code(), "role_required");
    bare["allow_without_role"] = json!(true);
    let made = scene.post("access-policies", bare).await.expect(201).json();
    assert_eq!((&made["role"], &made["products"]), (&json!(null), &json!("all")));
    assert_eq!(made["warnings"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_keys_of_one_product_are_all_that_a_right_for_one_product_shows() {
    let scene = Scene::new().await;
    let mut keys = Vec::new();
    for product in ["prisma_access", "advanced_wildfire"] {
        let account = scene.entitled_account(product).await;
        keys.push(scene.key(product, &account).await);
    }
    let keeper = scene.holder("keeper", &["iam.api_key"], json!(["prisma_access"])).await;
    let token = scene.token_of(&keeper, &[]).await;
    let call =
        async |method: Method, path: &str| scene.client.call(&token, method, &scene.path(path), None).await;
    let seen = call(Method::GET, "api-keys").await.expect(200).json();
    let seen: Vec<_> =
        seen["items"].as_array().expect("items").iter().map(|key| key["product"].clone()).collect();
    assert_eq!(seen, [json!("prisma_access")]);
    call(Method::GET, &format!("api-keys/{}", keys[0])).await.expect(200);
    for (method, rest) in [(Method::GET, ""), (Method::POST, "/revoke")] {
        // What the list hides does not exist, whatever one asks of it.
        let hidden = call(method.clone(), &format!("api-keys/{}{rest}", keys[1])).await.expect(404);
        let unknown = call(method, &format!("api-keys/42{rest}")).await.expect(404);
        assert_eq!((hidden.code(), hidden.text("detail")), (unknown.code(), unknown.text("detail")));
    }
    call(Method::POST, &format!("api-keys/{}/revoke", keys[0])).await.expect(200);
    let other = json!({ "product": "advanced_wildfire", "service_account_id": keeper.id });
    post_as(&scene, &keeper, "api-keys", other).await.expect(403);
    call(Method::GET, "roles").await.expect(403);
    // Who sees a key and may not revoke it is told why.
    let reads = json!({ "principal": keeper.client_id, "role": "auditor", "products": "all" });
    scene.post("access-policies", reads).await.expect(201);
    call(Method::GET, &format!("api-keys/{}", keys[1])).await.expect(200);
    call(Method::POST, &format!("api-keys/{}/revoke", keys[1])).await.expect(403);
}

#[tokio::test]
async fn rights_that_were_taken_count_no_more_at_once() {
    let scene = Scene::new().await;
    let maker = scene.holder("maker", &["iam.custom_role"], json!("all")).await;
    let token = scene.token_of(&maker, &[]).await;
    let role = json!({ "name": "r", "permissions": ["iam.custom_role"] });
    scene.client.call(&token, Method::POST, &scene.path("roles"), Some(&role)).await.expect(201);
    // Not through the server: the transaction itself must notice.
    let delete = format!("DELETE FROM access_policy WHERE principal = '{}'", maker.client_id);
    crate::support::stores::run_sql(&scene.database_url, &delete).await;
    let role = json!({ "name": "s", "permissions": ["iam.custom_role"] });
    scene.client.call(&token, Method::POST, &scene.path("roles"), Some(&role)).await.expect(403);
    let disable =
        format!("UPDATE service_account SET enabled = false WHERE client_id = '{}'", maker.client_id);
    crate::support::stores::run_sql(&scene.database_url, &disable).await;
    let refused =
        scene.client.call(&token, Method::POST, &scene.path("roles"), Some(&role)).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
}
