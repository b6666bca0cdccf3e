//! What may not be asked for: scopes that mean nothing, tenants out of reach, resources of nobody.

use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;

async fn settled(scene: &Scene, tsg_id: &str) -> Account {
    let account = scene.account_in(tsg_id, "wants too much").await;
    scene.token_of(&account, &[]).await;
    account
}

/// Asks once with each value of the parameter: all must be refused alike.
async fn assert_all_refused(scene: &Scene, account: &Account, parameter: &str, values: &[&str], error: &str) {
    let mut answers = Vec::new();
    for value in values {
        let form = [(parameter, *value)];
        let answer = scene.client.token(&account.client_id, &account.client_secret, &form).await;
        answers.push((format!("{value:?}"), answer));
    }
    assert_alike(&answers, 400, error);
}

#[tokio::test]
async fn rfc_6749_section_3_3_a_malformed_or_unknown_scope_is_refused_and_never_narrowed() {
    let scene = Scene::new().await;
    let own = &scene.tsg_id;
    let account = settled(&scene, own).await;
    let long = "email ".repeat(2_500);
    let scopes = [
        "admin",
        "tsg_id:",
        "tsg_id:123",
        "tsg_id:0123456789",
        "tsg_id:*",
        " ",
        "email  profile",
        " email",
        "email ",
        "email\tprofile",
        "email\nprofile",
        "EMAIL",
        "\0",
        "é",
        &format!("tsg_id:{own}0"),
        &format!("TSG_ID:{own}"),
        &format!("tsg_id: {own}"),
        &format!("tsg_id:{own} tsg_id:{own}"),
        &format!("tsg_id:{own} admin"),
        &format!("admin tsg_id:{own}"),
        &format!("tsg_id:{own},email"),
        long.trim_end(),
    ];
    assert_all_refused(&scene, &account, "scope", &scopes, "invalid_scope").await;
}

/// The account's own tenant is a child of the scene's.
#[tokio::test]
async fn a_tenant_beside_above_elsewhere_or_nowhere_is_refused_alike() {
    let scene = Scene::new().await;
    let own = scene.tenant_below(&scene.tsg_id, "Own").await;
    let sibling = scene.tenant_below(&scene.tsg_id, "Sibling").await;
    let nephew = scene.tenant_below(&sibling, "Nephew").await;
    let elsewhere = "1234567890";
    let tree = format!("('{elsewhere}', 'Elsewhere', '{{{elsewhere}}}')");
    let insert = format!("INSERT INTO tenant (tsg_id, name, path) VALUES {tree}");
    run_sql(&scene.database_url, &insert).await;
    let account = settled(&scene, &own).await;

    let scopes = [&*sibling, &nephew, &scene.tsg_id, elsewhere, "9876543210"].map(|tsg_id| {
        let alone = format!("tsg_id:{tsg_id}");
        [format!("openid {alone} email"), alone]
    });
    let scopes: Vec<_> = scopes.iter().flatten().map(String::as_str).collect();
    assert_all_refused(&scene, &account, "scope", &scopes, "invalid_scope").await;
    let named = format!("tsg_id:{own}");
    scene.token_of(&account, &[("scope", &named)]).await;
}

#[tokio::test]
async fn rfc_8707_section_2_a_resource_that_no_key_of_the_account_opens_is_refused() {
    let scene = Scene::new().await;
    let account = settled(&scene, &scene.tsg_id).await;
    let issuer = &scene.client.url;
    let resources = [
        "urn:carnet:product:advanced_wildfire",
        "urn:carnet:product:nonsense",
        "advanced_wildfire",
        "https://elsewhere.example",
        "é",
        " ",
        &format!("{issuer}/"),
        &format!("{issuer}/v1"),
        &format!("{issuer}#fragment"),
        &format!(" {issuer}"),
        &issuer.to_uppercase(),
        &account.client_id,
    ];
    assert_all_refused(&scene, &account, "resource", &resources, "invalid_target").await;
}
