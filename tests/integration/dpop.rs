//! Tokens that are bound to a key (`DPoP`, RFC 9449): how a client gets one, and how it uses it.

use carnet::seal::MasterKeys;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::client_key::{ALGORITHMS, ClientKey, account_with, claims, now};
use crate::support::possession::{Holder, ask, nonce, whoami};
use crate::support::process::Process;
use crate::support::read_token::{payload, read_token};
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};
use crate::support::stores::{MASTER_KEY, run_sql};

const ISSUER: &str = "https://id.example";

async fn stage() -> (Scene, Account, Holder) {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let account = scene.account("holds a key").await;
    (scene, account, Holder::new("ES256", ISSUER))
}

/// The challenges, each of which says where the resource is described (RFC 9728 §5.1).
fn challenges(answer: &Answer) -> Vec<&str> {
    let pointer = format!(r#", resource_metadata="{ISSUER}/.well-known/oauth-protected-resource""#);
    let all = answer.headers.get_all("www-authenticate").iter().map(|one| one.to_str().expect("ASCII"));
    all.map(|one| one.strip_suffix(&*pointer).expect("a pointer")).collect()
}

#[tokio::test]
async fn rfc_9449_section_5_a_token_is_bound_to_the_key_of_the_proof() {
    let (scene, account, _) = stage().await;
    for alg in ["ES256", "EdDSA", "Ed25519", "PS256"] {
        let holder = Holder::new(alg, ISSUER);
        let nonce = nonce(&scene.client, &account).await;
        let issued = ask(&scene.client, &account, &holder.for_token(&nonce)).await.expect(200);
        assert_eq!(issued.text("token_type"), "DPoP", "{alg}");
        let token = issued.text("access_token");
        // RFC 9449 §6.1
        assert_eq!(payload(&token)["cnf"], json!({ "jkt": holder.jkt() }), "{alg}");
        holder.whoami(&scene.client, &token).await.expect(200);
    }
    // Who sends no proof gets a bearer token, as ever.
    let plain = scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    assert_eq!((plain.text("token_type"), plain.header("dpop-nonce")), ("Bearer".into(), ""));
    assert_eq!(payload(&plain.text("access_token")).get("cnf"), None);
}

/// What a verifier far away reads of it, with somebody else's library.
#[tokio::test]
async fn rfc_9449_section_6_1_a_verifier_far_away_finds_the_thumbprint() {
    let scene = Scene::new().await;
    let account = scene.account("read elsewhere").await;
    let holder = Holder::new("EdDSA", &scene.client.url);
    let token = holder.token(&scene.client, &account).await;
    let read = read_token(&scene.client, &token, &scene.client.url).await;
    assert_eq!(read.claims["cnf"]["jkt"], holder.jkt());
}

#[tokio::test]
async fn rfc_9449_section_8_without_a_nonce_a_client_is_told_one_and_has_lost_nothing() {
    let (scene, _, holder) = stage().await;
    let key = ClientKey::new("EdDSA");
    let account = account_with(&scene, "asserts", &[&key]).await;
    let assertion = key.sign(&key.header(), &claims(&account.client_id, ISSUER));
    let ask = async |proof: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", crate::support::client_key::JWT_BEARER),
            ("client_assertion", assertion.as_str()),
        ];
        let request = scene.client.request(Method::POST, "/oauth2/token").header("dpop", proof);
        scene.client.send(request.form(&form)).await
    };
    let without = {
        let mut claims = holder.claims("POST", "/oauth2/token", "");
        claims.as_object_mut().expect("an object").remove("nonce");
        holder.key.sign(&holder.header(), &claims)
    };
    let refused = ask(&without).await;
    assert_refused(&refused, 400, "use_dpop_nonce", "without a nonce");
    let nonce = refused.header("dpop-nonce").to_owned();
    let issued = ask(&holder.for_token(&nonce)).await.expect(200);
    // RFC 9449 §8.2: the next one comes with the answer.
    assert!(!issued.header("dpop-nonce").is_empty());
}

#[tokio::test]
async fn rfc_9449_section_8_a_nonce_of_one_instance_is_good_at_every_other_of_every_region() {
    let (scene, account, holder) = stage().await;
    let instance = scene.another_instance(&json!({ "issuer": ISSUER, "region": "elsewhere" })).await;
    let other = Client::new(&instance.url);
    let given = nonce(&scene.client, &account).await;
    let issued = ask(&other, &account, &holder.for_token(&given)).await.expect(200);
    let token = issued.text("access_token");
    let proof = holder.for_resource("GET", "/v1/whoami", &given, &token);
    whoami(&scene.client, &token, &[&proof]).await.expect(200);
}

/// As made some minutes ago, by who has the master key: nobody else can.
fn nonce_of(seconds_ago: i64) -> String {
    let nonces = MasterKeys::parse([MASTER_KEY]).expect("a key").nonces();
    nonces.at(now() - seconds_ago)
}

#[tokio::test]
async fn rfc_9449_section_8_2_a_nonce_is_rotated_and_the_next_one_comes_before_the_old_one_ends() {
    let (scene, account, holder) = stage().await;
    let token = holder.token(&scene.client, &account).await;
    let with = async |nonce: &str| {
        let proof = holder.for_resource("GET", "/v1/whoami", nonce, &token);
        whoami(&scene.client, &token, &[&proof]).await
    };
    let current = with(&nonce_of(0)).await.expect(200);
    assert_eq!(current.header("dpop-nonce"), "", "nothing new");
    let earlier = with(&nonce_of(120)).await.expect(200);
    assert_eq!(earlier.header("dpop-nonce"), nonce_of(0));
    let over = with(&nonce_of(300)).await.expect(401);
    assert_eq!((over.code().as_str(), over.header("dpop-nonce")), ("use_dpop_nonce", nonce_of(0).as_str()));
    let early = ask(&scene.client, &account, &holder.for_token(&nonce_of(120))).await.expect(200);
    assert_eq!(early.header("dpop-nonce"), nonce_of(0));
    let over = ask(&scene.client, &account, &holder.for_token(&nonce_of(300))).await;
    assert_refused(&over, 400, "use_dpop_nonce", "too old");
}

#[tokio::test]
async fn rfc_9449_section_7_1_a_resource_wants_the_proof_with_the_token_and_says_what_is_missing() {
    let (scene, account, holder) = stage().await;
    let token = holder.token(&scene.client, &account).await;
    let algs = r#"algs="ES256 EdDSA Ed25519 PS256""#;
    let proof = |nonce: &str| holder.for_resource("GET", "/v1/whoami", nonce, &token);
    let nonceless = whoami(&scene.client, &token, &[&proof("none")]).await.expect(401);
    assert_eq!(challenges(&nonceless), [format!(r#"DPoP realm="carnet", error="use_dpop_nonce", {algs}"#)]);
    assert_eq!(nonceless.code(), "use_dpop_nonce");
    let nonce = nonceless.header("dpop-nonce").to_owned();
    let good = whoami(&scene.client, &token, &[&proof(&nonce)]).await.expect(200);
    assert_eq!(good.text("client_id"), account.client_id);
    let proofless = whoami(&scene.client, &token, &[]).await.expect(401);
    assert_eq!(
        challenges(&proofless),
        [format!(r#"DPoP realm="carnet", error="invalid_dpop_proof", {algs}"#)]
    );
    let bad = whoami(&scene.client, "a.b.c", &[&proof(&nonce)]).await.expect(401);
    assert_eq!(challenges(&bad), [format!(r#"DPoP realm="carnet", error="invalid_token", {algs}"#)]);
    // Who comes with nothing hears of both ways.
    let nobody = scene.client.send(scene.client.request(Method::GET, "/v1/whoami")).await.expect(401);
    let both = [r#"Bearer realm="carnet""#.to_owned(), format!(r#"DPoP realm="carnet", {algs}"#)];
    assert_eq!(challenges(&nobody), both);
}

#[tokio::test]
async fn rfc_9449_section_7_2_a_bound_token_is_no_bearer_s_and_a_bearer_s_is_not_bound() {
    let (scene, account, holder) = stage().await;
    let token = holder.token(&scene.client, &account).await;
    let nonce = nonce(&scene.client, &account).await;
    let as_bearer = scene.client.whoami(&token).await.expect(401);
    assert_eq!(as_bearer.code(), "invalid_token");
    // Not even with the proof beside it.
    let proof = holder.for_resource("GET", "/v1/whoami", &nonce, &token);
    let request = scene.client.request(Method::GET, "/v1/whoami").bearer_auth(&token).header("dpop", &proof);
    scene.client.send(request).await.expect(401);
    whoami(&scene.client, &token, &[&proof]).await.expect(200);
    let unbound = scene.token_of(&account, &[]).await;
    let proof = holder.for_resource("GET", "/v1/whoami", &nonce, &unbound);
    let refused = whoami(&scene.client, &unbound, &[&proof]).await.expect(401);
    assert_eq!(refused.code(), "invalid_token");
}

#[tokio::test]
async fn a_bound_token_opens_the_management_api_with_a_proof_for_each_request() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let (account, holder) =
        (scene.holder("manages", &["iam.service_account"], json!("all")).await, Holder::new("EdDSA", ISSUER));
    let token = holder.token(&scene.client, &account).await;
    let nonce = nonce(&scene.client, &account).await;
    let path = scene.path("service-accounts");
    let send = async |method: Method, proof: &str, body: Option<Value>| {
        let mut request = scene.client.request(method, &path).header("dpop", proof);
        request = request.header("authorization", format!("DPoP {token}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        scene.client.send(request).await
    };
    let get = holder.for_resource("GET", &path, &nonce, &token);
    send(Method::GET, &get, None).await.expect(200);
    assert_eq!(send(Method::GET, &get, None).await.expect(401).code(), "invalid_dpop_proof", "used before");
    let post = holder.for_resource("POST", &path, &nonce, &token);
    send(Method::POST, &post, Some(json!({ "name": "by proof" }))).await.expect(201);
    let get = holder.for_resource("GET", &path, &nonce, &token);
    send(Method::POST, &get, Some(json!({ "name": "by another" }))).await.expect(401);
    // And it is revoked as any other: with its secret.
    scene.send(Method::DELETE, &account.secret_path(), &[("if-match", "*")], None).await.expect(200);
    let get = holder.for_resource("GET", &path, &nonce, &token);
    assert_eq!(send(Method::GET, &get, None).await.expect(401).code(), "invalid_token");
}

/// DESIGN §3.8: one memory for all regions.
#[tokio::test]
async fn rfc_9449_section_11_1_a_proof_is_good_once_at_every_instance_of_every_region() {
    let (scene, account, holder) = stage().await;
    let instance = scene.another_instance(&json!({ "issuer": ISSUER, "region": "elsewhere" })).await;
    let other = Client::new(&instance.url);
    let nonce = nonce(&scene.client, &account).await;
    let proof = holder.for_token(&nonce);
    let token = ask(&scene.client, &account, &proof).await.expect(200).text("access_token");
    for client in [&scene.client, &other] {
        assert_refused(&ask(client, &account, &proof).await, 400, "invalid_dpop_proof", "again");
    }
    let proof = holder.for_resource("GET", "/v1/whoami", &nonce, &token);
    whoami(&other, &token, &[&proof]).await.expect(200);
    for client in [&scene.client, &other] {
        assert_eq!(whoami(client, &token, &[&proof]).await.expect(401).code(), "invalid_dpop_proof");
    }
    // The twin: a server that remembers nothing takes it again, and so does one that asks for no holder.
    let sabotaged = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "no_once,any_holder".to_owned())],
    )
    .await;
    let sabotaged = Client::new(&sabotaged.url);
    whoami(&sabotaged, &token, &[&proof]).await.expect(200);
    sabotaged.whoami(&token).await.expect(200);
}

/// What cannot be remembered is an outage, and nobody's fault; nothing is issued or opened meanwhile.
#[tokio::test]
async fn a_proof_that_cannot_be_written_down_is_answered_with_503() {
    let (scene, account, holder) = stage().await;
    let token = holder.token(&scene.client, &account).await;
    let held = "BEGIN; LOCK TABLE used_once IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT";
    let url = scene.database_url.clone();
    let holding = tokio::spawn(async move { run_sql(&url, held).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let asked = ask(&scene.client, &account, &holder.for_token(&nonce_of(0))).await;
    assert_refused(&asked, 503, "temporarily_unavailable", "a token");
    let proof = || holder.for_resource("GET", "/v1/whoami", &nonce_of(0), &token);
    let shown = whoami(&scene.client, &token, &[&proof()]).await.expect(503);
    assert_eq!((shown.code().as_str(), shown.header("retry-after")), ("unavailable", "1"));
    // Nobody else is held up.
    scene.token_of(&account, &[]).await;
    holding.await.expect("held");
    whoami(&scene.client, &token, &[&proof()]).await.expect(200);
}

#[tokio::test]
async fn rfc_9449_section_5_1_the_algorithms_that_are_named_work_and_no_others() {
    let (scene, account, _) = stage().await;
    let path = "/.well-known/oauth-authorization-server";
    let document = scene.client.send(scene.client.request(Method::GET, path)).await.expect(200).json();
    let named = document["dpop_signing_alg_values_supported"].as_array().expect("a list").clone();
    let nonce = nonce(&scene.client, &account).await;
    for alg in ALGORITHMS.into_iter().chain(["Ed25519"]) {
        let proof = Holder::new(alg, ISSUER).for_token(&nonce);
        let expected = if named.contains(&json!(alg)) { 200 } else { 400 };
        assert_eq!(ask(&scene.client, &account, &proof).await.status, expected, "{alg}");
    }
}
