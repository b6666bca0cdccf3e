//! Which request gets which token: the table of the token endpoint, row by row, over HTTP.
//!
//! | bound key | no `resource` | the product's audience | the issuer |
//! |---|---|---|---|
//! | none, revoked, expired, inactive | management | `invalid_target` | management |
//! | pending | 503 | 503 | management |
//! | valid | product | product | management |

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::scene::{Account, Scene};
use crate::support::stores::run_sql;
use crate::valid_everywhere::deaf_instance;

const WILDFIRE: &str = "urn:carnet:product:advanced_wildfire";
const PRISMA: &str = "urn:carnet:product:prisma_access";

/// What an answer is, in the words of the table.
async fn kind(scene: &Scene, answer: Answer) -> String {
    if answer.status == 200 {
        let me = scene.client.whoami(&answer.text("access_token")).await.expect(200);
        return match (&me.json()["product"], me.text("audience")) {
            (Value::String(product), audience) => format!("{product} for {audience}"),
            (_, audience) if audience == scene.client.url => "management".to_owned(),
            (_, audience) => format!("a token for {audience}"),
        };
    }
    let kind = format!("{} {}", answer.status, answer.code());
    assert_eq!(answer.header("retry-after").is_empty(), answer.status != 503, "{kind}");
    kind
}

/// The row of this account: without a resource, the product's, the issuer, and another product's.
async fn row(scene: &Scene, account: &Account) -> [String; 4] {
    let (id, secret) = (&account.client_id, &account.client_secret);
    let ask = async |form: &[(&str, &str)]| kind(scene, scene.client.token(id, secret, form).await).await;
    let issuer = scene.client.url.as_str();
    [
        ask(&[]).await,
        ask(&[("resource", WILDFIRE)]).await,
        ask(&[("resource", issuer)]).await,
        ask(&[("resource", PRISMA)]).await,
    ]
}

const WITHOUT: [&str; 4] = ["management", "400 invalid_target", "management", "400 invalid_target"];
const PENDING: [&str; 4] =
    ["503 temporarily_unavailable", "503 temporarily_unavailable", "management", "400 invalid_target"];
const VALID: [&str; 4] = [
    "advanced_wildfire for urn:carnet:product:advanced_wildfire",
    "advanced_wildfire for urn:carnet:product:advanced_wildfire",
    "management",
    "400 invalid_target",
];

/// An account whose secret is valid, so that only its key decides.
async fn entitled(scene: &Scene) -> Account {
    let account = scene.entitled_account("bound or not").await;
    scene.token_of(&account, &[]).await;
    account
}

#[tokio::test]
async fn without_a_key_there_is_only_the_management_token() {
    let scene = Scene::new().await;
    let account = entitled(&scene).await;
    assert_eq!(row(&scene, &account).await, WITHOUT);
}

#[tokio::test]
async fn a_pending_key_is_a_503_for_its_product_and_nothing_for_the_management_api() {
    let scene = Scene::new().await;
    let account = entitled(&scene).await;
    run_sql(&scene.database_url, &deaf_instance(600)).await;
    scene.key("advanced_wildfire", &account).await;
    assert_eq!(row(&scene, &account).await, PENDING);
}

#[tokio::test]
async fn a_valid_key_gives_its_products_token_until_it_is_revoked() {
    let scene = Scene::new().await;
    let account = entitled(&scene).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    assert_eq!(row(&scene, &account).await, VALID);
    scene.revoke(&id).await.expect(200);
    assert_eq!(row(&scene, &account).await, WITHOUT);
    let second = scene.key("advanced_wildfire", &account).await;
    scene.until(&second, "valid").await;
    assert_eq!(row(&scene, &account).await, VALID, "the next key of the same account");
}

/// Once the answer is there that there is a key, no instance answers as if there were none.
#[tokio::test]
async fn who_has_made_a_key_does_not_get_the_token_of_before() {
    let scene = Scene::new().await;
    let account = entitled(&scene).await;
    let other = scene.another_instance(&json!({})).await;
    let clients = [scene.client.clone(), Client::new(&other.url)];
    for _ in 0..10 {
        for client in &clients {
            client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
        }
        let id = scene.key("advanced_wildfire", &account).await;
        for client in &clients {
            let answer = client.token(&account.client_id, &account.client_secret, &[]).await;
            if answer.status != 503 {
                let me = client.whoami(&answer.expect(200).text("access_token")).await;
                assert_eq!(me.text("product"), "advanced_wildfire");
            }
        }
        scene.until(&id, "valid").await;
        scene.revoke(&id).await.expect(200);
    }
}

#[tokio::test]
async fn an_expired_or_inactive_key_counts_as_none() {
    let scene = Scene::new().await;
    for (status, change) in [
        ("expired", "expires_at = clock_timestamp() - interval '1 second'"),
        ("inactive", "status = 'inactive'"),
    ] {
        let account = scene.entitled_account(status).await;
        let id = scene.key("advanced_wildfire", &account).await;
        scene.until(&id, "valid").await;
        let update = format!("UPDATE api_key SET {change} WHERE api_key_id = {id}");
        scene.change_record(&account.client_id, &update).await;
        assert_eq!(scene.get(&format!("api-keys/{id}")).await.text("status"), status);
        assert_eq!(row(&scene, &account).await, WITHOUT, "{status}");
        scene.revoke(&id).await;
    }
}

#[tokio::test]
async fn a_key_that_runs_out_while_it_is_in_use_gives_no_more_tokens() {
    let scene = Scene::new().await;
    let account = entitled(&scene).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let end = "expires_at = clock_timestamp() + interval '5 seconds'";
    scene
        .change_record(&account.client_id, &format!("UPDATE api_key SET {end} WHERE api_key_id = {id}"))
        .await;
    assert_eq!(row(&scene, &account).await, VALID, "nobody has to tell the caches");
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(row(&scene, &account).await, WITHOUT);
}
