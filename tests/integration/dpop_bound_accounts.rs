//! Accounts that get tokens with a proof of possession only (RFC 9449 §5.2), and how one becomes such an account.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, JWT_BEARER, claims, put};
use crate::support::exchange::exchange;
use crate::support::possession::{Holder, ask, nonce};
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};
use crate::support::stores::sql_value;
use crate::support::workload::{Trusting, github};

const ISSUER: &str = "https://id.example";

async fn scene() -> Scene {
    Scene::with(&json!({ "issuer": ISSUER })).await
}

/// An account that is made so, with a secret that is valid.
async fn bound(scene: &Scene, name: &str) -> Account {
    let new = json!({ "name": name, "dpop_bound_access_tokens": true });
    let made = scene.post("service-accounts", new).await.expect(201);
    assert_eq!(made.json()["dpop_bound_access_tokens"], true);
    Account::of(&made)
}

/// Says so of an account that there is.
async fn bind(scene: &Scene, account: &Account, whether: bool) -> Answer {
    let change = json!({ "dpop_bound_access_tokens": whether });
    let path = format!("service-accounts/{}", account.id);
    scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&change)).await.expect(200)
}

async fn plainly(client: &Client, account: &Account) -> Answer {
    client.token(&account.client_id, &account.client_secret, &[]).await
}

#[track_caller]
fn assert_proof_is_wanted(answer: &Answer) {
    assert_refused(answer, 400, "invalid_request", "without a proof");
    assert!(answer.text("error_description").contains("DPoP proof"), "{}", answer.text("error_description"));
}

#[tokio::test]
async fn rfc_9449_section_5_2_such_an_account_gets_tokens_with_a_proof_only() {
    let scene = scene().await;
    let (account, other) = (bound(&scene, "bound").await, scene.account("free").await);
    let holder = Holder::new("ES256", ISSUER);
    // With its right secret it hears what is missing; whoever has another one hears nothing of it.
    let nonce = nonce(&scene.client, &other).await;
    assert_proof_is_wanted(&plainly(&scene.client, &account).await);
    let wrong = scene.client.token(&account.client_id, &other.client_secret, &[]).await;
    assert_refused(&wrong, 401, "invalid_client", "another's secret");
    let issued = ask(&scene.client, &account, &holder.for_token(&nonce)).await.expect(200);
    assert_eq!(issued.text("token_type"), "DPoP");
    holder.whoami(&scene.client, &issued.text("access_token")).await.expect(200);
    let bad = holder.key.sign(&holder.header(), &holder.claims("GET", "/oauth2/token", &nonce));
    assert_refused(&ask(&scene.client, &account, &bad).await, 400, "invalid_dpop_proof", "a bad proof");
    // Nobody else needs one.
    assert_eq!(plainly(&scene.client, &other).await.expect(200).text("token_type"), "Bearer");
    // §5.2 is about token requests: who asks about a token proves himself as before.
    let token = plainly(&scene.client, &other).await.expect(200).text("access_token");
    let form = [("token", token.as_str())];
    let request = scene.client.request(Method::POST, "/oauth2/introspect").form(&form);
    let request = request.basic_auth(&account.client_id, Some(&account.client_secret));
    scene.client.send(request).await.expect(200);
}

#[tokio::test]
async fn rfc_9449_section_5_2_whatever_the_grant_is_and_whatever_proves_the_client() {
    let trusting = Trusting::new(github(), "RS256").await;
    let (scene, account) = (&trusting.scene, &trusting.account);
    let key = ClientKey::new("EdDSA");
    put(scene, account, &json!({ "keys": [key.jwk] })).await.expect(200);
    let token = plainly(&scene.client, account).await.expect(200).text("access_token");
    bind(scene, account, true).await;
    assert_proof_is_wanted(&trusting.grant(&trusting.good()).await);
    assert_proof_is_wanted(&trusting.ask(&trusting.good()).await);
    assert_proof_is_wanted(&exchange(&scene.client, account, &token, &[]).await);
    // What is good once is not used up by that.
    let assertion = key.sign(&key.header(), &claims(&account.client_id, ISSUER));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion.as_str()),
    ];
    let request = || scene.client.request(Method::POST, "/oauth2/token").form(&form);
    assert_proof_is_wanted(&scene.client.send(request()).await);
    let holder = Holder::new("ES256", ISSUER);
    let first = scene.client.send(request().header("dpop", holder.for_token("none"))).await.expect(400);
    let proof = holder.for_token(first.header("dpop-nonce"));
    scene.client.send(request().header("dpop", proof)).await.expect(200);
}

#[tokio::test]
async fn when_it_is_switched_on_no_server_gives_another_token_once_the_answer_is_there() {
    let scene = scene().await;
    let account = scene.account("changes").await;
    let instance = scene.another_instance(&json!({ "issuer": ISSUER, "region": "elsewhere" })).await;
    let servers = [scene.client.clone(), Client::new(&instance.url)];
    scene.token_of(&account, &[]).await;
    for turn in 0..5 {
        for server in &servers {
            plainly(server, &account).await.expect(200);
        }
        let on = bind(&scene, &account, true).await;
        for server in &servers {
            assert_proof_is_wanted(&plainly(server, &account).await);
        }
        let shown = on.json();
        assert_eq!(shown["dpop_bound_access_tokens"], true, "{turn}");
        assert!(shown["receipt"]["effective_everywhere_at"].is_string(), "{shown}");
        let again = bind(&scene, &account, true).await;
        assert_eq!((again.json(), again.header("etag")), (shown, on.header("etag")), "nothing was changed");
        let off = bind(&scene, &account, false).await.json();
        assert_eq!((&off["dpop_bound_access_tokens"], off.get("receipt")), (&json!(false), None));
        scene.heard().await;
    }
    let admin = scene.admin.client_id.clone();
    let audited = scene.audited("service_account.update", &account.id).await.expect("events");
    assert_eq!(audited, vec![admin; 10].join(","));
}

#[tokio::test]
async fn a_record_says_so_only_where_it_is_so() {
    let scene = scene().await;
    let (account, other) = (bound(&scene, "bound").await, scene.account("free").await);
    for (account, said) in [(&account, Some("true")), (&other, None)] {
        // What a server of before does not know it cannot read.
        let said_in = "SELECT record ->> 'dpop_bound' FROM credential_record WHERE credential";
        let query = format!("{said_in} = '{}'", account.client_id);
        assert_eq!(sql_value(&scene.database_url, &query).await.as_deref(), said);
        let shown = scene.get(&format!("service-accounts/{}", account.id)).await.expect(200).json();
        assert_eq!(shown["dpop_bound_access_tokens"], Value::Bool(said.is_some()));
    }
}
