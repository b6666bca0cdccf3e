//! What is served is what `openapi.yaml` says: every path and method of it, and no other.

use std::collections::BTreeSet;

use actix_web::App;
use reqwest::Method;

use crate::support::contract::Contract;
use crate::support::scene::Scene;

#[test]
fn every_operation_is_served_and_no_other() {
    let mut served = BTreeSet::new();
    drop(App::new().configure(|config| {
        let registered = carnet::http::configure(config);
        served.extend(registered.into_iter().map(|(method, path)| (method.to_string(), path)));
    }));
    let contract: BTreeSet<_> = Contract::load().operations().into_iter().collect();
    assert_eq!(served, contract);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has() {
    let scene = Scene::new().await;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let operations: BTreeSet<_> = Contract::load().operations().into_iter().collect();
    let paths: BTreeSet<_> = operations.iter().map(|(_, path)| path.clone()).collect();
    for path in paths {
        let has = |method: &Method| operations.contains(&(method.to_string(), path.clone()));
        let concrete = path.replace("{tsg_id}", &scene.tsg_id).replace(['{', '}'], "");
        for method in methods.iter().filter(|method| !has(method)) {
            let refused =
                scene.client.send(scene.client.request(method.clone(), &concrete)).await.expect(405);
            let allow: BTreeSet<_> = refused.header("allow").split(", ").map(ToOwned::to_owned).collect();
            let expected: BTreeSet<_> = methods.iter().filter(|m| has(m)).map(ToString::to_string).collect();
            assert_eq!(allow, expected, "{method} {path}");
        }
    }
}
