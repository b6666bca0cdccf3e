//! What is served is what `openapi.yaml` says: every path and method of it, and no other.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::App;
use reqwest::Method;

use crate::support::client::Client;
use crate::support::contract::Contract;
use crate::support::raw::exchange;
use crate::support::scene::Scene;

/// The methods of each path of the contract.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut paths = BTreeMap::<_, BTreeSet<_>>::new();
    for (method, path) in Contract::load().operations() {
        paths.entry(path).or_default().insert(method);
    }
    paths
}

/// The same and HEAD, which every path with GET has (RFC 9110 §9.1).
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let mut paths = documented();
    for methods in paths.values_mut().filter(|methods| methods.contains("GET")) {
        methods.insert("HEAD".to_owned());
    }
    paths
}

/// A path with something in the place of each parameter.
fn concrete(template: &str) -> String {
    let segments = template.split('/').map(|segment| match segment {
        "{tsg_id}" => "1000000001",
        "{api_key_id}" => "4203815079",
        "{region}" => "eu-west",
        "{kid}" => "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        parameter if parameter.starts_with('{') => "0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn every_operation_is_served_and_no_other() {
    let mut served = BTreeSet::new();
    drop(App::new().configure(|config| {
        for (method, path) in carnet::http::configure(config) {
            assert!(served.insert((method.to_string(), path)), "{method} is registered twice");
        }
    }));
    let contract: BTreeSet<_> = Contract::load().operations().into_iter().collect();
    assert_eq!(served, contract);
}

/// The list is not only a list: each of its operations answers, and not as an unknown path does.
#[tokio::test]
async fn every_operation_of_the_contract_answers_with_a_status_that_it_documents() {
    let scene = Scene::new().await;
    for (method, path) in Contract::load().operations() {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = scene.client.send(scene.client.request(method.clone(), &concrete(&path))).await;
        let expected: &[u16] = match &*path {
            _ if path.starts_with("/v1/") => &[401],
            _ if method == Method::POST => &[400],
            "/oauth2/authorize" => &[400],
            "/status-lists/{list}" => &[404],
            _ => &[200],
        };
        assert!(expected.contains(&answer.status), "{method} {path}: {}", answer.status);
    }
}

#[tokio::test]
async fn rfc_9110_section_15_5_6_a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has() {
    let scene = Scene::new().await;
    for (path, methods) in allowed() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            if methods.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = scene.client.send(scene.client.request(method.clone(), &concrete(&path))).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            let allowed = answer.header("allow").split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
            assert_eq!(allowed, methods, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn rfc_9110_section_9_3_2_head_is_answered_as_get_is_without_the_body() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let ask = async |method: &str, path: &str| {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: carnet\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        exchange(&scene.client.url, head.into_bytes()).await
    };
    for (path, _) in documented().into_iter().filter(|(_, methods)| methods.contains("GET")) {
        for path in [concrete(&path), concrete(&path).replace("1000000001", &scene.tsg_id)] {
            let (get, head) = (ask("GET", &path).await, ask("HEAD", &path).await);
            // What is counted may have changed in between.
            let still = ask("GET", &path).await.bytes.len() == get.bytes.len();
            assert!(!get.bytes.is_empty(), "{path}");
            scene.client.hold("HEAD", &path, head.clone());
            assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
            for name in ["content-type", "content-length", "cache-control", "etag"] {
                if name == "content-length" && !still {
                    continue;
                }
                assert_eq!(head.header(name), get.header(name), "{name} of {path}");
            }
        }
    }
}

async fn assert_unknown(client: &Client, method: Method, path: &str) {
    let answer = client.send_unheld(client.request(method.clone(), path)).await;
    let media_type = answer.header("content-type").to_owned();
    assert_eq!((answer.status, &*media_type), (404, "application/problem+json"), "{method} {path}");
    // The same problem as of an id that there is not.
    let answer = client.hold("GET", "/v1/tenants/1000000001", answer);
    assert_eq!(answer.code(), "not_found", "{method} {path}");
}

#[tokio::test]
async fn an_unknown_path_is_a_404_problem_whatever_the_method() {
    let scene = Scene::new().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nonsense",
        "/v1/whoami/",
        "/v1//whoami",
        "//v1/whoami",
        "/V1/whoami",
        "/v1/tenants/1000000001/nonsense",
        "/v1/tenants/1000000001/api-keys/1/nonsense",
        "/oauth2",
        "/oauth2/token/",
        "/oauth2/token/x",
        "/OAUTH2/TOKEN",
        "/oauth2/introspect/",
        "/.well-known/jwks.json/x",
        "/.well-known/nonsense",
        "/favicon.ico",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            assert_unknown(&scene.client, method, path).await;
        }
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_a_404_and_only_for_who_has_a_token() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    for path in [
        "/v1/tenants/nonsense".to_owned(),
        "/v1/tenants/0".to_owned(),
        "/v1/tenants/1000000001%00".to_owned(),
        scene.path("api-keys/nonsense"),
        scene.path("api-keys/-1"),
        scene.path("api-keys/99999999999999999999"),
        scene.path("roles/nonsense"),
        scene.path("service-accounts/%ff"),
        scene.path("access-policies/0193f8a2"),
    ] {
        let answer = scene.client.call(&token, Method::GET, &path, None).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{path}");
        let stranger = scene.client.send(scene.client.request(Method::GET, &path)).await;
        assert_eq!(stranger.status, 401, "{path}");
    }
}
