//! What the contract says of the size of a field is what the server takes: so much, and no more.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::scene::Scene;

/// A text of so many characters, of two bytes each where the field is free text.
fn text(field: &str, length: usize) -> String {
    match field {
        "contact_email" => {
            let labels: String = (0..length - 2).map(|n| if n % 50 == 49 { '.' } else { 'b' }).collect();
            format!("a@{labels}")
        }
        "product" | "principal" => "x".repeat(length),
        _ => "ü".repeat(length),
    }
}

/// A limit of a schema's field.
fn limit(document: &Value, schema: &str, field: &str, name: &str) -> usize {
    let mut found = &document["components"]["schemas"][schema]["properties"][field];
    if let Some(reference) = found["$ref"].as_str() {
        found = document.pointer(&reference[1..]).expect("a schema");
    }
    // Of two shapes the second is the list.
    let limit = found[name].as_u64().or_else(|| found["oneOf"][1][name].as_u64());
    usize::try_from(limit.unwrap_or_else(|| panic!("{schema}.{field} has no {name}"))).expect("small")
}

/// The items of the lists of a text, each without its line breaks.
fn items(text: &str) -> Vec<String> {
    let text = text.split("\n## ").map(|part| part.split_once('\n').map_or("", |(_, rest)| rest));
    let items = text.flat_map(|part| part.split("\n- ").skip(1));
    items.map(|item| item.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_the_readme_says_of_limits_is_in_the_list_of_all() {
    let (readme, all) = (include_str!("../../README.md"), items(include_str!("../../docs/limits.md")));
    let (_, limits) = readme.split_once("## The honest limits\n").expect("a section");
    assert!(limits.contains("docs/limits.md"));
    let (limits, _) = limits.split_once("\n## ").expect("another");
    let few = items(&format!("\n## \n{limits}"));
    assert_eq!((few.len(), all.len() > 20), (5, true));
    for limit in few {
        assert!(all.contains(&limit), "{limit}");
    }
}

#[tokio::test]
async fn a_field_has_the_length_that_the_contract_gives_it() {
    let scene = Scene::new().await;
    let document: Value =
        serde_yaml_ng::from_str(include_str!("../../openapi.yaml")).expect("the contract is YAML");
    let token = scene.admin_token().await;
    let account = scene.account("measured").await;
    let changed = scene.path(&format!("service-accounts/{}", account.id));
    let secrets = format!("{changed}/secrets");
    let key = json!({ "product": "p", "service_account_id": account.id });
    let grant = json!({ "principal": "p", "role": "r", "products": "all" });
    let table = [
        ("NewTenant", "/v1/tenants".to_owned(), json!({ "name": "n" }), &["name"][..]),
        ("NewLicense", scene.path("licenses"), json!({ "product": "p" }), &["product"]),
        (
            "NewServiceAccount",
            scene.path("service-accounts"),
            json!({ "name": "--" }),
            &["name", "description", "contact_email"],
        ),
        ("ServiceAccountChange", changed, json!({}), &["description", "contact_email"]),
        (
            "NewRole",
            scene.path("roles"),
            json!({ "name": "n", "permissions": ["p"] }),
            &["name", "description"],
        ),
        ("NewAccessPolicy", scene.path("access-policies"), grant.clone(), &["principal", "role"]),
        ("NewApiKey", scene.path("api-keys"), key, &["product", "name", "comment"]),
        (
            "NewTrustedIssuer",
            scene.path("trusted-issuers"),
            json!({ "name": "n", "issuer": "i", "kind": "generic" }),
            &["name", "issuer", "audience", "jwks_uri"],
        ),
        (
            "TrustedIssuerChange",
            scene.path("trusted-issuers/0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10"),
            json!({}),
            &["name", "audience", "jwks_uri"],
        ),
        ("NewSecret", secrets.clone(), json!({}), &["name"]),
        ("Rotation", format!("{secrets}/0000000000000000/rotate"), json!({}), &["name"]),
        ("ApiKeyChange", scene.path("api-keys/42"), json!({}), &["name", "comment"]),
        ("TenantChange", format!("/v1/tenants/{}", scene.tsg_id), json!({}), &["name"]),
        ("Revocation", scene.path("api-keys/42/revoke"), json!({}), &["reason"]),
        ("Compromise", format!("/v1/signing-keys/{}/revoke", "x".repeat(43)), json!({}), &["reason"]),
    ];
    let status = async |schema: &str, path: &str, body: &Value| {
        let method = if schema.ends_with("Change") { Method::PATCH } else { Method::POST };
        let request = scene.client.request(method, path).bearer_auth(&token).header("if-match", "*");
        let answer = scene.client.send(request.json(body)).await;
        let field = answer.json()["errors"][0]["field"].as_str().unwrap_or_default().to_owned();
        (answer.status, field)
    };
    for (schema, path, body, fields) in table {
        for &field in fields {
            let most = limit(&document, schema, field, "maxLength");
            let of = |length: usize| {
                let mut body = body.clone();
                body[field] = json!(text(field, length));
                body
            };
            assert_ne!(status(schema, &path, &of(most)).await.0, 400, "{schema}.{field} of {most}");
            assert_eq!(
                status(schema, &path, &of(most + 1)).await,
                (400, field.to_owned()),
                "{schema}.{field}"
            );
        }
    }
    for (schema, path, body, field) in [
        ("NewRole", scene.path("roles"), json!({ "name": "n" }), "permissions"),
        ("NewAccessPolicy", scene.path("access-policies"), grant, "products"),
    ] {
        let (least, most) =
            (limit(&document, schema, field, "minItems"), limit(&document, schema, field, "maxItems"));
        for (count, taken) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let mut body = body.clone();
            body[field] = json!(vec!["x"; count]);
            assert_eq!(status(schema, &path, &body).await.0 != 400, taken, "{count} {field}");
        }
    }
}

#[tokio::test]
async fn null_is_the_same_as_leaving_out_where_the_contract_says_so() {
    let scene = Scene::new().await;
    let tenant = json!({ "name": "n", "parent_tsg_id": null });
    let token = scene.admin_token().await;
    let made = scene.client.call(&token, Method::POST, "/v1/tenants", Some(&tenant)).await.expect(201);
    assert_eq!(made.text("parent_tsg_id"), scene.tsg_id);
    let account = json!({ "name": "null", "description": null, "contact_email": null });
    scene.post("service-accounts", account).await.expect(201);
    let role = json!({ "name": "r", "description": null, "permissions": ["iam.read"] });
    scene.post("roles", role).await.expect(201);
    let license = json!({ "product": "prisma_access", "ends_at": null });
    assert_eq!(scene.post("licenses", license).await.expect(409).code(), "license_exists");
    let flag = json!({ "principal": "p", "products": "all", "allow_without_role": null });
    assert_eq!(scene.post("access-policies", flag).await.expect(400).code(), "invalid_body");
}
