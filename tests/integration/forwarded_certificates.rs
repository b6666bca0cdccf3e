//! Certificates that a proxy hands on (RFC 9440): from those that are trusted, and from nobody else.

use reqwest::Method;
use serde_json::json;

use crate::support::certificate::{Authority, Encrypted, Shown, account_known_by, ask, byte_sequence, named};
use crate::support::client::{Answer, Client};
use crate::support::process::Process;
use crate::support::read_token::payload;
use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};

const ISSUER: &str = "https://id.example";

/// A server behind a proxy: these tests are the proxy.
async fn behind(proxies: &str, tls: &Encrypted) -> Scene {
    let authorities = tls.file("clients.pem");
    Scene::with(
        &json!({ "issuer": ISSUER, "client_certificate_proxies": proxies, "client_ca_file": authorities }),
    )
    .await
}

async fn own(scene: &Scene, shown: &Shown) -> Account {
    account_known_by(scene, "behind a proxy", &json!({ "certificates": [shown.pem()] })).await
}

async fn forwarded(client: &Client, account: &Account, headers: &[(&str, &str)]) -> Answer {
    let form = [("grant_type", "client_credentials"), ("client_id", account.client_id.as_str())];
    let mut request = client.request(Method::POST, "/oauth2/token").form(&form);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    client.send(request).await
}

#[tokio::test]
async fn rfc_9440_section_2_2_a_trusted_proxy_says_what_its_client_has_shown() {
    let tls = Encrypted::new();
    for proxies in ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"] {
        let scene = behind(proxies, &tls).await;
        let shown = Shown::self_signed(&named("mine"));
        let account = own(&scene, &shown).await;
        let issued =
            forwarded(&scene.client, &account, &[("client-cert", &shown.header())]).await.expect(200);
        let token = issued.text("access_token");
        assert_eq!(payload(&token)["cnf"]["x5t#S256"], shown.x5t_s256());
        // At resources as well.
        let request = || scene.client.request(Method::GET, "/v1/whoami").bearer_auth(&token);
        scene.client.send(request().header("client-cert", shown.header())).await.expect(200);
        scene.client.send(request()).await.expect(401);
        let other = Shown::self_signed(&named("mine"));
        scene.client.send(request().header("client-cert", other.header())).await.expect(401);
    }
}

#[tokio::test]
async fn rfc_9440_section_2_3_and_the_chain_up_to_an_authority() {
    let tls = Encrypted::new();
    let scene = behind("127.0.0.1", &tls).await;
    let account =
        account_known_by(&scene, "vouched for", &json!({ "tls_client_auth_subject_dn": "CN=agent" })).await;
    let (below, stranger) = (tls.clients.below("between"), Authority::new("a stranger"));
    let leaf = below.issue(&named("agent")).header();
    let (between, other) = (byte_sequence(&below.der()), byte_sequence(&stranger.der()));
    let whole = format!("{other}, {between}");
    for chain in [&[between.as_str()][..], &[&whole], &[&other, &between]] {
        let mut headers = vec![("client-cert", leaf.as_str())];
        headers.extend(chain.iter().map(|one| ("client-cert-chain", *one)));
        forwarded(&scene.client, &account, &headers).await.expect(200);
    }
    let mut refused = Vec::new();
    for (what, chain) in
        [("none", None), ("another's", Some(other.as_str())), ("malformed", Some("not a list of bytes,"))]
    {
        let mut headers = vec![("client-cert", leaf.as_str())];
        headers.extend(chain.map(|chain| ("client-cert-chain", chain)));
        refused.push((what.to_owned(), forwarded(&scene.client, &account, &headers).await));
    }
    assert_alike(&refused, 401, "invalid_client");
}

#[tokio::test]
async fn rfc_9440_section_4_from_nobody_else_and_never_together_with_a_connection_s_own() {
    let tls = Encrypted::new();
    let shown = Shown::self_signed(&named("mine"));
    // Nobody is trusted; and somebody else is.
    for proxies in ["", "192.0.2.0/24"] {
        let scene = behind(proxies, &tls).await;
        let account = own(&scene, &shown).await;
        let spoofed = forwarded(&scene.client, &account, &[("client-cert", &shown.header())]).await;
        let without = forwarded(&scene.client, &account, &[]).await;
        let refused = [("spoofed".to_owned(), spoofed), ("without".to_owned(), without)];
        assert_alike(&refused, 401, "invalid_client");
    }
    // A proxy that only says where clients are may hand on whatever they send.
    let scene = Scene::with(&json!({ "issuer": ISSUER, "trusted_proxies": "127.0.0.1" })).await;
    let account = own(&scene, &shown).await;
    forwarded(&scene.client, &account, &[("client-cert", &shown.header())]).await.expect(401);
    // Over TLS that is ended here: what the connection shows counts, whatever a header says.
    let scene = Scene::with(&tls.settings(ISSUER)).await;
    let (victim, thief) = (own(&scene, &shown).await, Shown::self_signed(&named("a thief")));
    let client = tls.client(&scene.server.tls_url, Some(&thief));
    forwarded(&client, &victim, &[("client-cert", &shown.header())]).await.expect(401);
    ask(&tls.client(&scene.server.tls_url, Some(&shown)), &victim.client_id).await.expect(200);
    // Behind a proxy: what the header says, and never what the proxy shows of itself.
    let mut settings = tls.settings(ISSUER);
    settings["client_certificate_proxies"] = json!("127.0.0.1");
    let scene = Scene::with(&settings).await;
    let (proxy, account) = (Shown::self_signed(&named("the proxy")), own(&scene, &shown).await);
    let its_own = account_known_by(&scene, "the proxy", &json!({ "certificates": [proxy.pem()] })).await;
    let through = tls.client(&scene.server.tls_url, Some(&proxy));
    forwarded(&through, &account, &[("client-cert", &shown.header())]).await.expect(200);
    forwarded(&through, &its_own, &[]).await.expect(401);
    forwarded(&through, &its_own, &[("client-cert", &shown.header())]).await.expect(401);
}

#[tokio::test]
async fn rfc_9440_section_2_1_what_is_no_byte_sequence_is_no_certificate() {
    let tls = Encrypted::new();
    let scene = behind("127.0.0.1", &tls).await;
    let shown = Shown::self_signed(&named("mine"));
    let account = own(&scene, &shown).await;
    let good = shown.header();
    let (bare, pem) = (good.trim_matches(':').to_owned(), shown.pem().replace('\n', " "));
    let twice = format!("{good}, {good}");
    let mut refused = Vec::new();
    for (what, header) in [
        ("without colons", bare.as_str()),
        ("one colon", &good[1..]),
        ("PEM", &pem),
        ("a text", &format!("\"{bare}\"")),
        ("two in one header", &twice),
        ("empty", "::"),
        ("no certificate", ":AQAB:"),
        ("cut", &format!(":{}:", &bare[..bare.len() - 64])),
    ] {
        refused.push((what.to_owned(), forwarded(&scene.client, &account, &[("client-cert", header)]).await));
    }
    // A proxy that has not taken away what its client sent.
    let headers = [("client-cert", good.as_str()), ("client-cert", good.as_str())];
    refused.push(("two headers".to_owned(), forwarded(&scene.client, &account, &headers).await));
    assert_alike(&refused, 401, "invalid_client");
    forwarded(&scene.client, &account, &[("client-cert", &good)]).await.expect(200);
}

/// The twin: where everybody is believed, anybody is anybody.
#[tokio::test]
async fn a_server_that_believes_every_sender_of_the_header_is_spoofed() {
    let tls = Encrypted::new();
    let scene = behind("", &tls).await;
    let shown = Shown::self_signed(&named("mine"));
    let account = own(&scene, &shown).await;
    let header = shown.header();
    forwarded(&scene.client, &account, &[("client-cert", &header)]).await.expect(401);
    let sabotaged = Process::serve(
        (&scene.database_url, &scene.redis_url),
        &[("CARNET_ISSUER", ISSUER)],
        &[("CARNET_SABOTAGE", "any_proxy".to_owned())],
    )
    .await;
    let sabotaged = Client::new(&sabotaged.url);
    forwarded(&sabotaged, &account, &[("client-cert", &header)]).await.expect(200);
}
