//! What the management API says of itself as a protected resource (RFC 9728).

use reqwest::Method;
use serde_json::json;

use crate::support::scene::Scene;

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn rfc_9728_section_3_2_the_metadata_names_the_resource_and_who_issues_tokens_for_it() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let answer = client.send(client.request(Method::GET, METADATA)).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let expected = json!({
        "resource": client.url,
        "authorization_servers": [client.url],
        "bearer_methods_supported": ["header"],
        "resource_name": "Carnet management API",
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256"],
    });
    assert_eq!(answer.json(), expected);
}

/// What it says of tokens that are bound to their holder is what the server that issues them says.
#[tokio::test]
async fn rfc_9728_section_2_bound_tokens_are_taken_where_they_are_issued() {
    let proxied = Scene::with(&json!({ "client_certificate_proxies": "127.0.0.0/8" })).await;
    for (scene, certificates) in [(Scene::new().await, json!(null)), (proxied, json!(true))] {
        let get = async |path: &str| {
            scene.client.send(scene.client.request(Method::GET, path)).await.expect(200).json()
        };
        let (resource, server) = (get(METADATA).await, get("/.well-known/oauth-authorization-server").await);
        assert_eq!(resource["tls_client_certificate_bound_access_tokens"], certificates);
        for member in ["tls_client_certificate_bound_access_tokens", "dpop_signing_alg_values_supported"] {
            assert_eq!(resource.get(member), server.get(member), "{member}");
        }
    }
}

/// RFC 9728 §3.3: what is named is the very identifier that tokens carry and that the address is built from.
#[tokio::test]
async fn rfc_9728_section_3_3_a_token_for_the_resource_that_is_named_opens_it() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let metadata = client.send(client.request(Method::GET, METADATA)).await.expect(200);
    let resource = metadata.text("resource");
    assert_eq!(format!("{resource}{METADATA}"), format!("{}{METADATA}", client.url));
    let token = scene.token_of(&scene.admin, &[("resource", &resource)]).await;
    client.call(&token, Method::GET, "/v1/tenants", None).await.expect(200);
    // RFC 6750 §2.2 and §2.3 are not among the methods, and do not work.
    for (path, body) in [("/v1/tenants", format!("access_token={token}")), ("/v1/tenants", String::new())] {
        let query = format!("{path}?access_token={token}");
        client.send(client.request(Method::GET, &query)).await.expect(401);
        let form = ("content-type", "application/x-www-form-urlencoded");
        client.post(path, &[form], &body).await.expect(401);
    }
}

#[tokio::test]
async fn rfc_9728_section_4_the_authorization_server_names_the_resource_in_turn() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let server = client.request(Method::GET, "/.well-known/oauth-authorization-server");
    let server = client.send(server).await.expect(200).json();
    assert_eq!(server["protected_resources"], json!([client.url]));
}

#[tokio::test]
async fn rfc_9728_section_5_1_every_401_of_the_management_api_points_to_the_metadata() {
    let scene = Scene::new().await;
    let client = &scene.client;
    let account = scene.entitled_account("product only").await;
    let key = scene.key("prisma_access", &account).await;
    scene.until(&key, "valid").await;
    let product = scene.token_of(&account, &[]).await;
    let pointer = format!("resource_metadata=\"{}{METADATA}\"", client.url);
    for path in ["/v1/tenants".to_owned(), scene.path("roles"), "/v1/regions".to_owned()] {
        let none = client.send(client.request(Method::GET, &path)).await.expect(401);
        let noise = client.call("noise", Method::GET, &path, None).await.expect(401);
        let other = client.call(&product, Method::GET, &path, None).await.expect(401);
        for answer in [none, noise, other] {
            let challenge = answer.header("www-authenticate").to_owned();
            assert!(challenge.starts_with("Bearer ") && challenge.ends_with(&pointer), "{challenge}");
            let address = challenge.rsplit('"').nth(1).expect("an address");
            let local = address.strip_prefix(&client.url).expect("here");
            client.send(client.request(Method::GET, local)).await.expect(200);
        }
    }
    // Other refusals have no challenge, and the token endpoint has its own.
    let token = scene.token_of(&account, &[("resource", &client.url)]).await;
    let forbidden = client.call(&token, Method::GET, "/v1/tenants/1000000001", None).await;
    assert_eq!(forbidden.header("www-authenticate"), "");
    let refused = client.token("nobody@1000000001.iam.carnet.local", "wrong", &[]).await.expect(401);
    assert!(!refused.header("www-authenticate").contains("resource_metadata"));
}
