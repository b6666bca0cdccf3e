//! What a workload has got is a token like any other: told of, taken back, exchanged, bound, counted, and gone with its rule.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::about_token::{is_active, revoke};
use crate::support::certificate::{Encrypted, Shown, named, put};
use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, JWT_BEARER, now};
use crate::support::exchange::{self, ACCESS_TOKEN, let_act};
use crate::support::possession::Holder;
use crate::support::read_token::payload;
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};
use crate::support::status_list::Place;
use crate::support::stores::sql_value;
use crate::support::workload::{
    JWT_BEARER_GRANT, Trusting, generic, github, grant, kubernetes, put_rules, rules_path,
};

const ISSUER: &str = "https://id.example";

/// A token for each of the two ways to show what the issuer says.
async fn both(trusting: &Trusting) -> [String; 2] {
    let asked = trusting.ask(&trusting.good()).await.expect(200).text("access_token");
    [asked, trusting.grant(&trusting.good()).await.expect(200).text("access_token")]
}

/// The rule goes.
async fn without_rules(trusting: &Trusting) {
    let path = rules_path(&trusting.account);
    trusting.scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
}

/// A request by which a workload proves itself as a client.
async fn as_client(trusting: &Trusting, path: &str, form: &[(&str, &str)]) -> Answer {
    let (client, good) = (&trusting.scene.client, trusting.good());
    let mut all = vec![
        ("client_id", &*trusting.account.client_id),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &good),
    ];
    all.extend_from_slice(form);
    client.send(client.request(Method::POST, path).form(&all)).await
}

#[tokio::test]
async fn rfc_7662_section_2_2_a_workload_s_token_is_active_until_its_rule_goes() {
    let trusting = Trusting::new(github(), "RS256").await;
    let tokens = both(&trusting).await;
    let gateway = trusting.scene.account("gateway").await;
    trusting.scene.token_of(&gateway, &[]).await;
    for token in &tokens {
        assert!(is_active(&trusting.scene.client, &gateway, token).await);
    }
    // And a workload is told as any client is.
    let told = as_client(&trusting, "/oauth2/introspect", &[("token", &tokens[0])]).await.expect(200);
    assert_eq!(told.json()["active"], true);
    without_rules(&trusting).await;
    for token in &tokens {
        assert!(!is_active(&trusting.scene.client, &gateway, token).await);
    }
    let refused = as_client(&trusting, "/oauth2/introspect", &[("token", &tokens[0])]).await;
    assert_refused(&refused, 401, "invalid_client", "no rule");
}

#[tokio::test]
async fn rfc_7009_section_2_a_workload_s_token_is_taken_back_alone() {
    let trusting = Trusting::new(kubernetes(), "ES256").await;
    let [one, other] = both(&trusting).await;
    as_client(&trusting, "/oauth2/revoke", &[("token", &one)]).await.expect(200);
    trusting.scene.client.whoami(&one).await.expect(401);
    trusting.scene.client.whoami(&other).await.expect(200);
    revoke(&trusting.scene.client, &trusting.scene.admin, &other).await.expect(200);
    trusting.scene.client.whoami(&other).await.expect(401);
}

#[tokio::test]
async fn rfc_8693_section_2_1_a_workload_is_subject_and_actor_as_long_as_its_rule_is_there() {
    let trusting = Trusting::new(generic(), "EdDSA").await;
    let (scene, account) = (&trusting.scene, &trusting.account);
    let (subject, actor) = (scene.account("subject").await, scene.account("actor").await);
    let_act(scene, account, &[&actor]).await.expect(200);
    let_act(scene, &subject, &[account]).await.expect(200);
    let own = trusting.grant(&trusting.good()).await.expect(200).text("access_token");
    scene.token_of(&actor, &[]).await;
    // Another acts for the workload …
    let acted = exchange::exchange(&scene.client, &actor, &own, &[]).await.expect(200).text("access_token");
    assert_eq!(payload(&acted)["sub"], json!(account.client_id));
    assert_eq!(payload(&acted)["credential_id"], payload(&own)["credential_id"]);
    // … and the workload for another, no longer than what it proves itself by lives.
    let theirs = scene.token_of(&subject, &[]).await;
    let short = trusting.token(&json!({ "exp": now() + 100 }));
    let form = [
        ("grant_type", exchange::GRANT),
        ("client_id", &*account.client_id),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &short),
        ("subject_token", &theirs),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let acts = scene.client.send(scene.client.request(Method::POST, "/oauth2/token").form(&form)).await;
    let lives = acts.expect(200);
    assert!((90..=100).contains(&lives.json()["expires_in"].as_i64().expect("seconds")));
    let acts = lives.text("access_token");
    assert_eq!(payload(&acts)["act"]["credential_id"], payload(&own)["credential_id"]);
    for token in [&acted, &acts] {
        scene.client.whoami(token).await.expect(200);
    }
    without_rules(&trusting).await;
    for token in [&acted, &acts] {
        scene.client.whoami(token).await.expect(401);
    }
    let late = exchange::exchange(&scene.client, &actor, &own, &[]).await;
    assert_refused(&late, 400, "invalid_request", "what it was issued for is gone");
}

#[tokio::test]
async fn status_list_section_7_1_a_rule_that_goes_sets_the_bit_of_its_tokens_and_no_other() {
    let trusting = Trusting::new(github(), "RS256").await;
    let (scene, account) = (&trusting.scene, &trusting.account);
    let [asked, granted] = both(&trusting).await;
    let by_rule = Place::of(&asked);
    assert_eq!(by_rule, Place::of(&granted), "one rule, one place");
    let by_secret = Place::of(&scene.token_of(account, &[]).await);
    assert_ne!(by_rule, by_secret);
    by_rule.until(&scene.client, false, "a rule that is there").await;
    without_rules(&trusting).await;
    by_rule.until(&scene.client, true, "a rule that is gone").await;
    assert!(!by_secret.is_set(&scene.client).await);
}

/// They prove nobody, so no place of a list is spent on them.
#[tokio::test]
async fn an_issuer_s_keys_have_no_places_in_status_lists() {
    let trusting = Trusting::new(github(), "RS256").await;
    let rules = trusting.scene.get(&rules_path(&trusting.account)).await.json();
    let placed = format!(
        "SELECT string_agg(credential_id, ' ') FROM token_status
         WHERE credential = '{}' AND credential_id LIKE '%:%'",
        trusting.account.client_id
    );
    let placed = sql_value(&trusting.scene.database_url, &placed).await;
    assert_eq!(placed.as_deref(), rules["rules"][0]["credential_id"].as_str());
}

#[tokio::test]
async fn rfc_9449_section_5_a_workload_s_token_is_bound_to_the_key_that_it_shows() {
    let trusting = Trusting::new(github(), "RS256").await;
    let (client, holder) = (&trusting.scene.client, Holder::new("ES256", ISSUER));
    for way in ["client_credentials", JWT_BEARER_GRANT] {
        let ask = async |proof: String| {
            let good = trusting.good();
            let mut form = vec![("grant_type", way), ("client_id", &*trusting.account.client_id)];
            if way == JWT_BEARER_GRANT {
                form.push(("assertion", &good));
            } else {
                form.extend([("client_assertion_type", JWT_BEARER), ("client_assertion", &*good)]);
            }
            client.send(client.request(Method::POST, "/oauth2/token").header("dpop", proof).form(&form)).await
        };
        let nonce = ask(holder.for_token("none")).await.expect(400).header("dpop-nonce").to_owned();
        let issued = ask(holder.for_token(&nonce)).await.expect(200);
        assert_eq!(issued.text("token_type"), "DPoP");
        let token = issued.text("access_token");
        assert_eq!(payload(&token)["cnf"]["jkt"], holder.jkt(), "{way}");
        holder.whoami(client, &token).await.expect(200);
        client.whoami(&token).await.expect(401);
    }
}

#[tokio::test]
async fn rfc_8705_section_3_a_certificate_binds_what_a_grant_gets_and_authenticates_nobody() {
    let tls = Encrypted::new();
    let scene = Scene::with(&tls.settings(ISSUER)).await;
    let trusting = Trusting::on(scene, github(), "RS256").await;
    let (scene, account) = (&trusting.scene, &trusting.account);
    let bound = json!({ "tls_client_certificate_bound_access_tokens": true });
    put(scene, account, &bound).await.expect(200);
    let shown = Shown::self_signed(&named("a pod's"));
    let with = tls.client(&scene.server.tls_url, Some(&shown));
    let ask = async |client: &Client, key: Option<&ClientKey>| {
        let own = key.map(|key| key.assertion(&account.client_id, ISSUER)).unwrap_or_default();
        let more = [
            ("client_id", &*account.client_id),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &own),
        ];
        let more = if key.is_some() { &more[..] } else { &more[..1] };
        (own.clone(), grant(client, &trusting.good(), more).await)
    };
    let token = ask(&with, None).await.1.expect(200).text("access_token");
    assert_eq!(payload(&token)["cnf"]["x5t#S256"], shown.x5t_s256());
    with.whoami(&token).await.expect(200);
    scene.client.whoami(&token).await.expect(401);
    assert_refused(&ask(&scene.client, None).await.1, 400, "invalid_request", "no certificate");
    let untrusting = scene.account("trusts nobody").await;
    let other = grant(&with, &trusting.good(), &[("client_id", &untrusting.client_id)]).await;
    assert_refused(&other, 400, "invalid_grant", "a certificate is no rule");
    // What a client shows besides is not used up where it gets nothing.
    let key = ClientKey::new("ES256");
    crate::support::client_key::put(scene, account, &json!({ "keys": [key.jwk] })).await.expect(200);
    let (own, refused) = ask(&scene.client, Some(&key)).await;
    assert_refused(&refused, 400, "invalid_request", "no certificate");
    let again = [("client_assertion_type", JWT_BEARER), ("client_assertion", &*own)];
    grant(&with, &trusting.good(), &again).await.expect(200);
    grant(&with, &trusting.good(), &again).await.expect(401);
}

/// From the same network, whatever it sends next; and from another it is served.
#[tokio::test]
async fn a_workload_that_fails_too_often_waits_as_any_client_does() {
    let settings =
        json!({ "issuer": ISSUER, "trusted_proxies": "127.0.0.0/8", "client_failures_per_minute": 3 });
    for way in ["as a client", "as a grant"] {
        let trusting = Trusting::on(Scene::with(&settings).await, github(), "RS256").await;
        let ask = async |from: &str, token: &str| {
            let Account { client_id, .. } = &trusting.account;
            let mut form = vec![("client_id", &**client_id)];
            if way == "as a client" {
                form.extend([
                    ("grant_type", "client_credentials"),
                    ("client_assertion_type", JWT_BEARER),
                    ("client_assertion", token),
                ]);
            } else {
                form.extend([("grant_type", JWT_BEARER_GRANT), ("assertion", token)]);
            }
            let request = trusting.scene.client.request(Method::POST, "/oauth2/token");
            trusting.scene.client.send(request.header("x-forwarded-for", from).form(&form)).await
        };
        let stranger = ClientKey::new("RS256").sign(&trusting.header(), &trusting.claims());
        for _ in 0..3 {
            let status = ask("203.0.113.66", &stranger).await.status;
            assert!(status == 400 || status == 401, "{way}: {status}");
        }
        ask("203.0.113.66", &trusting.good()).await.expect(429);
        ask("198.51.100.7", &trusting.good()).await.expect(200);
    }
}

#[tokio::test]
async fn tokens_of_workloads_are_counted_for_their_account() {
    let settings = json!({ "issuer": ISSUER, "client_tokens_per_minute": 20 });
    let trusting = Trusting::on(Scene::with(&settings).await, github(), "RS256").await;
    let good = trusting.good();
    for left in (0..10).rev() {
        for (answer, left) in
            [(trusting.grant(&good).await, 2 * left + 1), (trusting.ask(&good).await, 2 * left)]
        {
            let told = answer.expect(200).header("ratelimit").to_owned();
            assert!(told.contains(&format!("\"client\";r={left};")), "{left}: {told}");
        }
    }
    trusting.grant(&good).await.expect(429);
    let nobody: Value =
        json!([{ "issuer_id": trusting.issuer_id, "claims": [{ "claim": "sub", "equals": "x" }] }]);
    put_rules(&trusting.scene, &trusting.account, &nobody).await.expect(200);
    // Nothing is said of what is left to whoever has proved nothing.
    let refused = trusting.grant(&trusting.good()).await.expect(400);
    assert_eq!(refused.code(), "invalid_grant");
}
