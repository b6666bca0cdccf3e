//! The FAPI 2.0 security profile, as far as it speaks of clients that act for themselves: a setting that allows less.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::certificate::{self, Encrypted, Shown, named};
use crate::support::client::{Answer, Client};
use crate::support::client_key::{ALGORITHMS, ClientKey, JWT_BEARER, account_with, claims, now};
use crate::support::possession::Holder;
use crate::support::read_token::payload;
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{config, run_sql};
use crate::support::workload::{Trusting, ask_as, github, grant};

const ISSUER: &str = "https://id.example";
const STRONG: &str = "UPDATE product SET algorithm = 'ES256'";

/// An installation that was set up as ever, and a server of it under the profile.
struct Stage {
    scene: Scene,
    tls: Encrypted,
    server: Server,
    client: Client,
}

impl Stage {
    async fn new() -> Self {
        let tls = Encrypted::new();
        let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
        run_sql(&scene.database_url, STRONG).await;
        let mut settings = tls.settings(ISSUER);
        settings["profile"] = json!("fapi2");
        let server = scene.another_instance(&settings).await;
        let client = Client::new(&server.url);
        Self { scene, tls, server, client }
    }

    async fn ask(&self, key: &ClientKey, account: &Account, proof: Option<&str>) -> Answer {
        self.ask_by(&key.sign(&key.header(), &claims(&account.client_id, ISSUER)), proof).await
    }

    async fn ask_by(&self, assertion: &str, proof: Option<&str>) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
        ];
        let mut request = self.client.request(Method::POST, "/oauth2/token").form(&form);
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        self.client.send(request).await
    }
}

#[tokio::test]
async fn fapi_2_section_5_3_2_1_clients_prove_themselves_by_keys_or_certificates_and_not_by_secrets() {
    let stage = Stage::new().await;
    let account = stage.scene.account("has a secret").await;
    stage.scene.token_of(&account, &[]).await;
    let (id, secret) = (account.client_id.as_str(), account.client_secret.as_str());
    let by_header = stage.client.token(id, secret, &[]).await;
    let wrong = stage.client.token("nobody@x", secret, &[]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let request = stage.client.request(Method::POST, "/oauth2/token").form(&form);
    let by_body = stage.client.send(request).await;
    for answer in [&by_header, &by_body, &wrong] {
        assert_refused(answer, 401, "invalid_client", "a secret");
        assert!(answer.text("error_description").contains("private_key_jwt or by a certificate"));
    }
    assert_eq!(by_header.but_the_date(), wrong.but_the_date(), "nobody learns who is a client");
}

#[tokio::test]
async fn fapi_2_section_5_3_2_1_only_bound_tokens_are_issued() {
    let stage = Stage::new().await;
    let key = ClientKey::new("PS256");
    let account = account_with(&stage.scene, "asserts", &[&key]).await;
    let unbound = stage.ask(&key, &account, None).await;
    assert_refused(&unbound, 400, "invalid_request", "nothing to bind it to");
    assert!(unbound.text("error_description").contains("DPoP"));
    let holder = Holder::new("ES256", ISSUER);
    let nonceless = stage.ask(&key, &account, Some(&holder.for_token("none"))).await.expect(400);
    let proof = holder.for_token(nonceless.header("dpop-nonce"));
    let issued = stage.ask(&key, &account, Some(&proof)).await.expect(200);
    let token = issued.text("access_token");
    assert_eq!(payload(&token)["cnf"]["jkt"], holder.jkt());
    holder.whoami(&stage.client, &token).await.expect(200);
    stage.client.whoami(&token).await.expect(401);
    // By certificate, even for an account that would take less.
    let shown = Shown::self_signed(&named("mine"));
    let less = json!({ "certificates": [shown.pem()], "tls_client_certificate_bound_access_tokens": false });
    let account = certificate::account_known_by(&stage.scene, "shows one", &less).await;
    let client = stage.tls.client(&stage.server.tls_url, Some(&shown));
    let token = certificate::ask(&client, &account.client_id).await.expect(200).text("access_token");
    assert_eq!(payload(&token)["cnf"], json!({ "x5t#S256": shown.x5t_s256() }));
    client.whoami(&token).await.expect(200);
    stage.client.whoami(&token).await.expect(401);
}

/// A workload's token is not signed with a key of the client's, and would need no client at all as a grant.
#[tokio::test]
async fn fapi_2_section_5_3_2_1_no_other_issuer_s_word_is_taken() {
    let Stage { scene, client, server: _server, tls: _tls } = Stage::new().await;
    let trusting = Trusting::on(scene, github(), "ES256").await;
    let good = trusting.good();
    let as_client = ask_as(&client, &trusting.account, &good).await;
    assert_refused(&as_client, 401, "invalid_client", "as a client");
    assert!(as_client.text("error_description").contains("the client's own key"));
    let more = [("client_id", trusting.account.client_id.as_str())];
    assert_refused(&grant(&client, &good, &more).await, 400, "unsupported_grant_type", "as a grant");
    // Where the profile is not in force, the same is good.
    trusting.ask(&good).await.expect(200);
    trusting.grant(&good).await.expect(200);
}

#[tokio::test]
async fn fapi_2_section_5_4_1_nothing_is_signed_with_rs256() {
    let stage = Stage::new().await;
    let keys = ALGORITHMS.map(ClientKey::new);
    let account = account_with(&stage.scene, "signs", &keys.each_ref()).await;
    let holder = Holder::new("EdDSA", ISSUER);
    let strong = |key: &ClientKey| ["PS256", "ES256", "EdDSA"].contains(&key.alg);
    let first = keys.iter().find(|key| strong(key)).expect("one");
    let given = stage.ask(first, &account, Some(&holder.for_token("none"))).await;
    let nonce = given.header("dpop-nonce").to_owned();
    for key in &keys {
        let answer = stage.ask(key, &account, Some(&holder.for_token(&nonce))).await;
        if strong(key) {
            let token = answer.expect(200).text("access_token");
            let header = jsonwebtoken::decode_header(&token).expect("a header");
            assert_eq!(header.alg, jsonwebtoken::Algorithm::ES256, "{}", key.alg);
        } else {
            assert_refused(&answer, 401, "invalid_client", key.alg);
            assert!(answer.text("error_description").contains("PS256, ES256 or EdDSA"));
        }
    }
}

#[tokio::test]
async fn fapi_2_section_5_3_2_1_the_audience_of_an_assertion_is_a_text_and_clocks_may_differ() {
    let stage = Stage::new().await;
    let (key, holder) = (ClientKey::new("ES256"), Holder::new("ES256", ISSUER));
    let account = account_with(&stage.scene, "asserts", &[&key]).await;
    let given = stage.ask(&key, &account, Some(&holder.for_token("none"))).await.expect(400);
    let nonce = given.header("dpop-nonce").to_owned();
    let ask = async |member: &str, value: Value| {
        let mut claims = claims(&account.client_id, ISSUER);
        claims[member] = value;
        stage.ask_by(&key.sign(&key.header(), &claims), Some(&holder.for_token(&nonce))).await
    };
    let list = ask("aud", json!([ISSUER])).await;
    assert_refused(&list, 401, "invalid_client", "a list of one");
    assert!(list.text("error_description").contains("as a text"));
    ask("aud", json!(ISSUER)).await.expect(200);
    for (member, ahead, status) in [("iat", 8, 200), ("nbf", 8, 200), ("iat", 61, 401), ("nbf", 61, 401)] {
        assert_eq!(ask(member, json!(now() + ahead)).await.status, status, "{member} {ahead}");
    }
}

#[tokio::test]
async fn fapi_2_section_5_3_2_1_the_documents_name_what_is_left() {
    let stage = Stage::new().await;
    let get = async |path: &str| {
        stage.client.send(stage.client.request(Method::GET, path)).await.expect(200).json()
    };
    let document = get("/.well-known/oauth-authorization-server").await;
    let methods = json!(["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]);
    assert_eq!(document["token_endpoint_auth_methods_supported"], methods);
    let grants = json!(["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]);
    assert_eq!(document["grant_types_supported"], grants);
    let weak = json!("RS256");
    let openid = get("/.well-known/openid-configuration").await;
    for member in [
        "token_endpoint_auth_signing_alg_values_supported",
        "dpop_signing_alg_values_supported",
        "id_token_signing_alg_values_supported",
    ] {
        let named = openid[member].as_array().expect("a list");
        assert!(!named.is_empty() && !named.contains(&weak), "{member}: {named:?}");
    }
}

#[tokio::test]
async fn fapi_2_section_5_4_1_a_start_with_a_product_that_is_signed_for_with_rs256_is_refused() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let settings: Value = json!({ "issuer": ISSUER, "profile": "fapi2" });
    let start =
        async || Server::try_start(config(&scene.database_url, &scene.redis_url, &settings)).await.map(drop);
    let refused = start().await.expect_err("refused");
    assert!(refused.contains("RS256") && refused.contains("prisma_access"), "{refused}");
    run_sql(&scene.database_url, STRONG).await;
    start().await.expect("it starts");
}
