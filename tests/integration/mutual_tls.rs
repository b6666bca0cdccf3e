//! Clients that prove themselves by certificates, and tokens that are bound to them (RFC 8705), over real connections.

use std::collections::BTreeSet;

use rcgen::{DnType, DnValue, ExtendedKeyUsagePurpose, SanType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::certificate::{
    Authority, Encrypted, Shown, account_known_by, ask, certificates_path, ending_in, named, put, with_san,
};
use crate::support::client::{Answer, Client};
use crate::support::client_key::{ClientKey, account_with, claims};
use crate::support::process::Process;
use crate::support::read_token::payload;
use crate::support::refused::{assert_alike, assert_refused};
use crate::support::scene::Scene;

const ISSUER: &str = "https://id.example";

/// A server that asks for certificates.
struct Stage {
    scene: Scene,
    tls: Encrypted,
}

impl Stage {
    async fn new() -> Self {
        let tls = Encrypted::new();
        Self { scene: Scene::with(&tls.settings(ISSUER)).await, tls }
    }

    fn client(&self, shown: Option<&Shown>) -> Client {
        self.tls.client(&self.scene.server.tls_url, shown)
    }

    async fn ask(&self, shown: &Shown, client_id: &str) -> Answer {
        ask(&self.client(Some(shown)), client_id).await
    }
}

fn own(shown: &Shown) -> Value {
    json!({ "certificates": [shown.pem()] })
}

/// One name of each kind that RFC 8705 §2.1.2 knows: the member, the name, a certificate with it, and some without.
fn names(authority: &Authority) -> Vec<(&'static str, &'static str, Shown, Vec<Shown>)> {
    let text = |text: &str| text.try_into().expect("ASCII");
    let dns = |name: &str| authority.issue(&with_san(SanType::DnsName(text(name))));
    let uri = |name: &str| authority.issue(&with_san(SanType::URI(text(name))));
    let email = |name: &str| authority.issue(&with_san(SanType::Rfc822Name(text(name))));
    let ip = |name: &str| authority.issue(&with_san(SanType::IpAddress(name.parse().expect("an address"))));
    let mut subject = named("Build  AGENT");
    subject
        .distinguished_name
        .push(DnType::OrganizationName, DnValue::PrintableString("Acme, Inc.".try_into().expect("ASCII")));
    let mut other = named("Build agent");
    other.distinguished_name.push(DnType::OrganizationName, "Acme");
    let agent = || authority.issue(&named("build.acme.example"));
    vec![
        (
            "tls_client_auth_subject_dn",
            "O=acme\\, inc.,CN=build agent",
            authority.issue(&subject),
            vec![authority.issue(&other), authority.issue(&named("build agent")), dns("build agent")],
        ),
        (
            "tls_client_auth_san_dns",
            "build.acme.example",
            dns("Build.acme.example"),
            vec![dns("*.acme.example"), dns("acme.example"), uri("build.acme.example"), agent()],
        ),
        (
            "tls_client_auth_san_uri",
            "spiffe://acme.example/build",
            uri("spiffe://acme.example/build"),
            vec![uri("spiffe://acme.example/Build"), uri("spiffe://acme.example/build/x"), agent()],
        ),
        (
            "tls_client_auth_san_ip",
            "2001:DB8:0::7",
            ip("2001:db8::7"),
            vec![ip("2001:db8::8"), ip("192.0.2.7"), agent()],
        ),
        (
            "tls_client_auth_san_email",
            "build@acme.example",
            email("build@ACME.example"),
            vec![email("Build@acme.example"), email("build@other.example"), agent()],
        ),
    ]
}

#[tokio::test]
async fn rfc_8705_section_2_1_2_a_certificate_of_a_known_authority_by_each_kind_of_name() {
    let stage = Stage::new().await;
    for (n, (member, name, right, wrong)) in names(&stage.tls.clients).into_iter().enumerate() {
        let account = account_known_by(&stage.scene, &format!("named {n}"), &json!({ member: name })).await;
        let issued = stage.ask(&right, &account.client_id).await.expect(200);
        let says = payload(&issued.text("access_token"));
        let shown = stage.scene.get(&certificates_path(&account)).await.expect(200);
        assert_eq!(says["credential_id"], shown.json()["credential_id"], "{member}");
        let mut refused = Vec::new();
        for (n, wrong) in wrong.iter().enumerate() {
            refused.push((format!("{member} {n}"), stage.ask(wrong, &account.client_id).await));
        }
        assert_alike(&refused, 401, "invalid_client");
    }
}

#[tokio::test]
async fn rfc_8705_section_2_1_a_name_is_worth_what_its_authority_is() {
    let stage = Stage::new().await;
    let known_by = json!({ "tls_client_auth_subject_dn": "CN=build agent" });
    let account = account_known_by(&stage.scene, "vouched for", &known_by).await;
    let (known, unknown) = (&stage.tls.clients, Authority::new("clients"));
    let below = known.below("an authority between");
    let chained = || below.issue(&named("build agent")).behind(&below);
    stage.ask(&known.issue(&named("build agent")), &account.client_id).await.expect(200);
    stage.ask(&chained(), &account.client_id).await.expect(200);
    let mut for_servers = named("build agent");
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let disabled = account_known_by(&stage.scene, "disabled", &known_by).await;
    let off = json!({ "enabled": false });
    let path = format!("service-accounts/{}", disabled.id);
    stage.scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&off)).await.expect(200);
    let without = stage.scene.account("says nothing").await;
    let nobody = format!("nobody@{}.iam.carnet.local", stage.scene.tsg_id);
    let good = || known.issue(&named("build agent"));
    let mut refused = Vec::new();
    for (what, shown, client_id) in [
        ("of itself", Shown::self_signed(&named("build agent")), &account.client_id),
        ("of another authority of that name", unknown.issue(&named("build agent")), &account.client_id),
        ("without what is between", below.issue(&named("build agent")), &account.client_id),
        ("for servers", known.issue(&for_servers), &account.client_id),
        ("expired", known.issue(&ending_in(named("build agent"), -60)), &account.client_id),
        ("of a disabled account", good(), &disabled.client_id),
        ("of an account without", good(), &without.client_id),
        ("of nobody", good(), &nobody),
    ] {
        refused.push((what.to_owned(), stage.ask(&shown, client_id).await));
    }
    refused.push(("none".to_owned(), ask(&stage.client(None), &account.client_id).await));
    refused.push(("not encrypted".to_owned(), ask(&stage.scene.client, &account.client_id).await));
    assert_alike(&refused, 401, "invalid_client");
}

#[tokio::test]
async fn rfc_8705_section_2_2_a_certificate_of_its_own_needs_no_authority_and_is_that_one() {
    let stage = Stage::new().await;
    let (one, other) = (Shown::self_signed(&named("mine")), Shown::self_signed(&named("mine")));
    let account = account_known_by(&stage.scene, "signs itself", &own(&one)).await;
    let issued = stage.ask(&one, &account.client_id).await.expect(200);
    let says = payload(&issued.text("access_token"));
    assert_eq!(says["credential_id"], format!("x5t:{}", one.x5t_s256()));
    let (known, expired) = (stage.tls.clients.issue(&named("mine")), ending_in(named("mine"), 2));
    let mut refused = vec![
        ("of the same name".to_owned(), stage.ask(&other, &account.client_id).await),
        ("of the same name and a known authority".to_owned(), stage.ask(&known, &account.client_id).await),
    ];
    // The end of a certificate that is registered.
    let short = Shown::self_signed(&expired);
    let both = json!({ "certificates": [one.pem(), short.pem()] });
    put(&stage.scene, &account, &both).await.expect(200);
    let issued = stage.ask(&short, &account.client_id).await;
    assert!(issued.status == 503 || issued.json()["expires_in"].as_i64().expect("seconds") <= 2);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    refused.push(("expired".to_owned(), stage.ask(&short, &account.client_id).await));
    assert_alike(&refused, 401, "invalid_client");
    stage.ask(&one, &account.client_id).await.expect(200);
}

#[tokio::test]
async fn rfc_8705_section_2_the_client_says_who_it_is_and_proves_it_in_one_way() {
    let stage = Stage::new().await;
    let shown = Shown::self_signed(&named("mine"));
    let account = account_known_by(&stage.scene, "says who", &own(&shown)).await;
    let client = stage.client(Some(&shown));
    let post = async |form: &[(&str, &str)]| {
        client.send(client.request(Method::POST, "/oauth2/token").form(form)).await
    };
    let nameless = post(&[("grant_type", "client_credentials")]).await;
    assert_refused(&nameless, 401, "invalid_client", "without a client_id");
    // A certificate that comes along proves nobody who says something else to prove it.
    let id = account.client_id.as_str();
    let wrong = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", "wrong")];
    assert_refused(&post(&wrong).await, 401, "invalid_client", "with a wrong secret");
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}

/// What TLS is for: who has a certificate, which anybody may see, has not the key.
#[tokio::test]
async fn rfc_8705_section_2_without_the_private_key_there_is_no_connection() {
    let stage = Stage::new().await;
    let shown = Shown::self_signed(&named("stolen"));
    let account = account_known_by(&stage.scene, "stolen from", &own(&shown)).await;
    let url = format!("{}/oauth2/token", stage.scene.server.tls_url);
    let form = [("grant_type", "client_credentials"), ("client_id", account.client_id.as_str())];
    assert!(stage.tls.thief(&shown).post(url).form(&form).send().await.is_err());
    stage.ask(&shown, &account.client_id).await.expect(200);
}

#[tokio::test]
async fn rfc_8705_section_3_a_bound_token_is_good_with_its_certificate_alone() {
    let stage = Stage::new().await;
    let (shown, other) = (Shown::self_signed(&named("mine")), Shown::self_signed(&named("another's")));
    let account = account_known_by(&stage.scene, "bound", &own(&shown)).await;
    let token = stage.ask(&shown, &account.client_id).await.expect(200);
    assert_eq!(token.text("token_type"), "Bearer");
    let token = token.text("access_token");
    // RFC 8705 §3.1
    assert_eq!(payload(&token)["cnf"], json!({ "x5t#S256": shown.x5t_s256() }));
    stage.client(Some(&shown)).whoami(&token).await.expect(200);
    let forged = stage.scene.client.request(Method::GET, "/v1/whoami").bearer_auth(&token);
    let forged = stage.scene.client.send(forged.header("client-cert", shown.header())).await;
    let refused = [
        ("another certificate", stage.client(Some(&other)).whoami(&token).await),
        ("none", stage.client(None).whoami(&token).await),
        ("not encrypted", stage.scene.client.whoami(&token).await),
        ("said in a header", forged),
    ];
    for (what, answer) in refused {
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"), "{what}");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{what}");
    }
    // The management API asks the same.
    let path = stage.scene.path("roles");
    let list = async |client: &Client| client.call(&token, Method::GET, &path, None).await.status;
    assert_eq!(list(&stage.client(None)).await, 401);
    assert_eq!(list(&stage.client(Some(&shown))).await, 403, "it has no role");
    // An account that does not want it gets tokens for whoever bears them.
    let free = json!({ "certificates": [shown.pem()], "tls_client_certificate_bound_access_tokens": false });
    put(&stage.scene, &account, &free).await.expect(200);
    let token = stage.ask(&shown, &account.client_id).await.expect(200).text("access_token");
    assert_eq!(payload(&token).get("cnf"), None);
    stage.scene.client.whoami(&token).await.expect(200);
}

#[tokio::test]
async fn rfc_8705_section_3_4_who_wants_bound_tokens_gets_no_others_whatever_it_proves_itself_by() {
    let stage = Stage::new().await;
    let (shown, key) = (Shown::self_signed(&named("any")), ClientKey::new("ES256"));
    let account = account_with(&stage.scene, "wants them bound", &[&key]).await;
    let bound = json!({ "tls_client_certificate_bound_access_tokens": true });
    put(&stage.scene, &account, &bound).await.expect(200);
    let (with, without) = (stage.client(Some(&shown)), stage.client(None));
    for client in [&without, &stage.scene.client] {
        let refused = client.token(&account.client_id, &account.client_secret, &[]).await;
        assert_refused(&refused, 400, "invalid_request", "a secret");
    }
    let token = with.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
    assert_eq!(payload(&token.text("access_token"))["cnf"]["x5t#S256"], shown.x5t_s256());
    // An assertion that got nothing is not used up by that.
    let assertion = key.sign(&key.header(), &claims(&account.client_id, ISSUER));
    let ask = async |client: &Client| crate::support::client_key::ask(client, &assertion).await;
    assert_refused(&ask(&without).await, 400, "invalid_request", "an assertion");
    ask(&with).await.expect(200);
    // A certificate that is only shown proves nobody.
    assert_refused(
        &crate::support::certificate::ask(&with, &account.client_id).await,
        401,
        "invalid_client",
        "a certificate",
    );
}

#[tokio::test]
async fn a_token_does_not_outlive_its_certificate_and_goes_with_it() {
    let stage = Stage::new().await;
    let short = Shown::self_signed(&ending_in(named("short"), 300));
    let long = Shown::self_signed(&named("long"));
    let both = json!({ "certificates": [short.pem(), long.pem()] });
    let account = account_known_by(&stage.scene, "goes", &both).await;
    let issued = stage.ask(&short, &account.client_id).await.expect(200);
    let lives = issued.json()["expires_in"].as_i64().expect("seconds");
    assert!((200..=300).contains(&lives), "{lives}");
    let token = issued.text("access_token");
    let client = stage.client(Some(&short));
    client.whoami(&token).await.expect(200);
    let gone = put(&stage.scene, &account, &own(&long)).await.expect(200);
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    client.whoami(&token).await.expect(401);
    ask(&client, &account.client_id).await.expect(401);
    stage.ask(&long, &account.client_id).await.expect(200);
    // A name goes as a certificate does, and the management API hears of it.
    let name = json!({ "tls_client_auth_san_dns": "a.acme.example" });
    let holder = stage.scene.holder("manages", &["iam.read"], json!("all")).await;
    put(&stage.scene, &holder, &name).await.expect(200);
    let dns = SanType::DnsName("a.acme.example".try_into().expect("ASCII"));
    let shown = stage.tls.clients.issue(&with_san(dns));
    let token = stage.ask(&shown, &holder.client_id).await.expect(200).text("access_token");
    let client = stage.client(Some(&shown));
    let path = stage.scene.path("roles");
    let list = async || client.call(&token, Method::GET, &path, None).await.status;
    assert_eq!(list().await, 200);
    let gone =
        stage.scene.send(Method::DELETE, &certificates_path(&holder), &[("if-match", "*")], None).await;
    assert!(gone.expect(200).json()["receipt"].is_object());
    assert_eq!(list().await, 401);
}

#[tokio::test]
async fn rfc_8705_section_3_3_and_5_what_the_document_names_works_at_the_one_endpoint_there_is() {
    let stage = Stage::new().await;
    let client = stage.client(None);
    let request = client.request(Method::GET, "/.well-known/oauth-authorization-server");
    let document = client.send(request).await.expect(200).json();
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(document.get("mtls_endpoint_aliases"), None, "nobody is asked elsewhere");
    let methods = document["token_endpoint_auth_methods_supported"].as_array().expect("a list");
    let methods: BTreeSet<&str> = methods.iter().filter_map(Value::as_str).collect();
    assert!(methods.is_superset(&BTreeSet::from(["tls_client_auth", "self_signed_tls_client_auth"])));
    // And who shows nothing authenticates as ever.
    let account = stage.scene.account("as ever").await;
    client.token(&account.client_id, &account.client_secret, &[]).await.expect(200);
}

/// The twin: without the protection a token is good for whoever has it.
#[tokio::test]
async fn a_server_that_asks_for_no_holder_takes_a_bound_token_from_anybody() {
    let stage = Stage::new().await;
    let shown = Shown::self_signed(&named("mine"));
    let account = account_known_by(&stage.scene, "bound", &own(&shown)).await;
    let token = stage.ask(&shown, &account.client_id).await.expect(200).text("access_token");
    stage.scene.client.whoami(&token).await.expect(401);
    let sabotaged = Process::serve(
        (&stage.scene.database_url, &stage.scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "any_holder".to_owned())],
    )
    .await;
    Client::new(&sabotaged.url).whoami(&token).await.expect(200);
}
