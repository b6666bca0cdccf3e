//! How much may be asked of the token endpoint: who asks for more hears 429 and when to come again, and nobody else does.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::metrics;
use crate::support::scene::{Account, Scene};

/// Settings of a server behind a proxy that tells where clients are.
fn behind_a_proxy(other: &Value) -> Value {
    let mut settings = json!({ "trusted_proxies": "127.0.0.0/8" });
    for (name, value) in other.as_object().expect("settings") {
        settings[name] = value.clone();
    }
    settings
}

async fn ask(scene: &Scene, account: &Account) -> Answer {
    scene.client.token(&account.client_id, &account.client_secret, &[]).await
}

/// The policy that was exceeded, and after how many seconds to come again.
#[track_caller]
fn exceeded(answer: Answer) -> (String, u64) {
    let answer = answer.expect(429);
    assert_eq!(answer.code(), "temporarily_unavailable");
    let seconds: u64 = answer.header("retry-after").parse().expect("whole seconds");
    let limit = answer.header("ratelimit");
    let (name, rest) = limit.strip_prefix('"').and_then(|limit| limit.split_once('"')).expect("a name");
    assert_eq!(rest, format!(";r=0;t={seconds}"), "§6: not before the window ends");
    assert!(answer.header("ratelimit-policy").starts_with(&format!("\"{name}\";q=")), "the same policy");
    (name.to_owned(), seconds)
}

#[tokio::test]
async fn rfc_6585_section_4_a_client_that_asks_for_too_many_hears_429_and_when_to_come_again() {
    let scene = Scene::with(&json!({ "client_tokens_per_minute": 20 })).await;
    let (busy, calm) = (scene.account("busy").await, scene.account("calm").await);
    for _ in 0..20 {
        ask(&scene, &busy).await.expect(200);
    }
    // RFC 9110 §10.2.3: whole seconds; one token comes back every three.
    let (policy, seconds) = exceeded(ask(&scene, &busy).await);
    assert_eq!(policy, "client");
    assert!((1..=3).contains(&seconds), "{seconds}");
    assert_eq!(ask(&scene, &busy).await.expect(429).header("cache-control"), "no-store");
    ask(&scene, &calm).await.expect(200);
    scene.server.clock.push(Duration::from_secs(3));
    ask(&scene, &busy).await.expect(200);
    assert!(
        metrics::count(&scene.server.health_url, "carnet_limited_total", &["policy=\"client\""]).await >= 2
    );
}

#[tokio::test]
async fn with_limits_off_everything_is_served_and_nothing_is_said_of_limits() {
    let off = json!({
        "client_tokens_per_minute": 0, "tenant_tokens_per_minute": 0, "address_requests_per_minute": 0,
        "client_failures_per_minute": 0, "address_failures_per_minute": 0,
    });
    let scene = Scene::with(&off).await;
    let account = scene.account("free").await;
    for _ in 0..40 {
        let answer = ask(&scene, &account).await.expect(200);
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
        scene.client.token(&account.client_id, &scene.admin.client_secret, &[]).await.expect(401);
    }
}

#[tokio::test]
async fn draft_ratelimit_headers_sections_3_and_4_what_is_left_is_told_to_who_has_proved_itself() {
    let scene =
        Scene::with(&json!({ "client_tokens_per_minute": 1000, "tenant_tokens_per_minute": 2000 })).await;
    let account = scene.account("told").await;
    let before = ask(&scene, &account).await.expect(200);
    let answer = ask(&scene, &account).await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"client\";q=1000;w=60, \"tenant\";q=2000;w=60");
    let left = |answer: &Answer| -> Vec<u64> {
        let items = answer.header("ratelimit").split(", ");
        items.map(|item| item.split([';', '=']).nth(2).expect("r").parse().expect("a number")).collect()
    };
    assert!(answer.header("ratelimit").ends_with(";t=60"), "{}", answer.header("ratelimit"));
    // A thousand a minute come back meanwhile, but not one in the time of a request.
    assert!(left(&answer) <= left(&before), "{:?} {:?}", left(&answer), left(&before));
    // §8.2: nobody learns from a failure how busy a client is, and two failures are the same.
    let wrong = scene.admin.client_secret.clone();
    let refused = async |id: &str| scene.client.token(id, &wrong, &[]).await.expect(401).but_the_date();
    let unknown = account.client_id.replace("told", "nobody");
    assert_eq!(refused(&account.client_id).await, refused(&unknown).await);
    assert!(!format!("{:?}", refused(&unknown).await).contains("ratelimit"));
}

#[tokio::test]
async fn a_tenant_has_a_limit_of_its_own_that_no_other_tenant_uses_up() {
    let scene = Scene::with(&json!({ "tenant_tokens_per_minute": 30 })).await;
    let below = scene.child("below").await;
    let (one, two) = (scene.account_in(&below, "one").await, scene.account_in(&below, "two").await);
    for account in [&one, &two, &one] {
        for _ in 0..10 {
            ask(&scene, account).await.expect(200);
        }
    }
    assert_eq!(exceeded(ask(&scene, &two).await).0, "tenant");
    scene.server.clock.push(Duration::from_secs(10));
    ask(&scene, &scene.admin).await.expect(200);
}

#[tokio::test]
async fn wrong_secrets_never_lock_out_the_rightful_client_elsewhere() {
    let scene = Scene::with(&behind_a_proxy(&json!({ "client_failures_per_minute": 3 }))).await;
    let (account, other) = (scene.account("wanted").await, scene.account("other").await);
    let ask = async |from: &str, account: &Account, secret: &str| {
        scene.client.token_from(from, &account.client_id, secret).await
    };
    let (right, wrong) = (&account.client_secret, &other.client_secret);
    // A typo fails as well as a secret of somebody else's.
    for secret in [wrong.as_str(), "carnet_client_typo", wrong] {
        ask("203.0.113.66", &account, secret).await.expect(401);
    }
    let (policy, seconds) = exceeded(ask("203.0.113.66", &account, wrong).await);
    assert_eq!(policy, "client_failures");
    assert!((1..=20).contains(&seconds), "{seconds}");
    // Whoever it is, and whatever it sends, from that network it waits …
    assert_eq!(exceeded(ask("203.0.113.66", &account, right).await).0, "client_failures");
    assert_eq!(exceeded(ask("203.0.113.7", &account, right).await).0, "client_failures");
    // … and from any other it is served, as everybody else is from everywhere.
    ask("203.0.112.7", &account, right).await.expect(200);
    ask("2001:db8::7", &account, right).await.expect(200);
    ask("203.0.113.66", &other, &other.client_secret).await.expect(200);
    scene.server.clock.push(Duration::from_secs(21));
    ask("203.0.113.66", &account, right).await.expect(200);
}

#[tokio::test]
async fn the_limit_of_failures_is_what_refuses() {
    // The twin: without it, wrong secrets are answered for ever, and the right one from the same place is served.
    let scene = Scene::with(&behind_a_proxy(&json!({ "client_failures_per_minute": 0 }))).await;
    let (account, other) = (scene.account("wanted").await, scene.account("other").await);
    for _ in 0..20 {
        scene.client.token_from("203.0.113.66", &account.client_id, &other.client_secret).await.expect(401);
    }
    scene.client.token_from("203.0.113.66", &account.client_id, &account.client_secret).await.expect(200);
}

#[tokio::test]
async fn an_address_that_fails_as_many_clients_waits_alone() {
    let scene = Scene::with(&behind_a_proxy(&json!({ "address_failures_per_minute": 5 }))).await;
    let account = scene.account("known").await;
    let right =
        async |from: &str| scene.client.token_from(from, &account.client_id, &account.client_secret).await;
    for n in 0..5 {
        let client_id = format!("guess-{n}@{}.iam.carnet.local", scene.tsg_id);
        scene.client.token_from("2001:db8:1:2::1", &client_id, &account.client_secret).await.expect(401);
    }
    // The machine may take any address of its /64.
    assert_eq!(exceeded(right("2001:db8:1:2:ffff::9").await).0, "address_failures");
    right("2001:db8:1:3::1").await.expect(200);
    right("203.0.113.7").await.expect(200);
}

#[tokio::test]
async fn an_address_may_ask_for_so_much_before_anything_is_read() {
    let scene = Scene::with(&behind_a_proxy(&json!({ "address_requests_per_minute": 40 }))).await;
    let account = scene.account("known").await;
    let nonsense =
        async |from: &str| scene.client.post("/oauth2/token", &[("x-forwarded-for", from)], "nonsense").await;
    for _ in 0..40 {
        nonsense("203.0.113.66").await.expect(400);
    }
    assert_eq!(exceeded(nonsense("203.0.113.66").await).0, "address");
    let right = async |from| scene.client.token_from(from, &account.client_id, &account.client_secret).await;
    assert_eq!(exceeded(right("203.0.113.66").await).0, "address");
    for path in ["/oauth2/introspect", "/oauth2/revoke"] {
        let refused = scene.client.post(path, &[("x-forwarded-for", "203.0.113.66")], "nonsense").await;
        assert_eq!(exceeded(refused).0, "address", "{path}");
    }
    right("203.0.113.67").await.expect(200);
}

#[tokio::test]
async fn who_polls_status_lists_too_often_uses_up_nothing_else() {
    let limits = json!({ "address_status_lists_per_minute": 10, "address_requests_per_minute": 30 });
    let scene = Scene::with(&behind_a_proxy(&limits)).await;
    let account = scene.account("shares the address").await;
    let here = "203.0.113.66";
    let poll = async |from: &str, path: &str| {
        scene.client.send(scene.client.request(Method::GET, path).header("x-forwarded-for", from)).await
    };
    for _ in 0..5 {
        poll(here, "/status-lists").await.expect(200);
        poll(here, "/status-lists/7").await.expect(404);
    }
    for path in ["/status-lists", "/status-lists/7"] {
        assert_eq!(exceeded(poll(here, path).await).0, "address_status_lists", "{path}");
    }
    poll("203.0.113.67", "/status-lists").await.expect(200);
    // Whoever gets tokens there has all of the address's requests left, and those use up none of the polls.
    for _ in 0..30 {
        scene.client.token_from(here, &account.client_id, &account.client_secret).await.expect(200);
    }
    let refused = scene.client.token_from(here, &account.client_id, &account.client_secret).await;
    assert_eq!(exceeded(refused).0, "address");
    scene.server.clock.push(Duration::from_secs(6));
    poll(here, "/status-lists").await.expect(200);
}

#[tokio::test]
async fn nobody_chooses_his_address_where_no_proxy_is_trusted() {
    let limits = json!({ "trusted_proxies": "192.0.2.1", "client_failures_per_minute": 2 });
    let scene = Scene::with(&limits).await;
    let (account, other) = (scene.account("wanted").await, scene.account("other").await);
    // From a private network, without being trusted: nobody knows where this comes from, so no client is made to wait for it.
    for n in 0..6 {
        let from = format!("203.0.113.{n}");
        scene.client.token_from(&from, &account.client_id, &other.client_secret).await.expect(401);
    }
    // And without a word of a proxy, the address is the one of the connection.
    for _ in 0..2 {
        scene.client.token(&account.client_id, &other.client_secret, &[]).await.expect(401);
    }
    assert_eq!(exceeded(ask(&scene, &account).await).0, "client_failures");
}

#[tokio::test]
async fn nobody_escapes_by_a_header_of_his_own() {
    let limits = json!({
        "trusted_proxies": "192.0.2.1", "address_failures_per_minute": 5, "client_failures_per_minute": 3,
        "usage_flush_seconds": 1,
    });
    let scene = Scene::with(&limits).await;
    let (account, other) = (scene.account("wanted").await, scene.account("other").await);
    let header = async |name: &str, value: &str, secret: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", account.client_id.as_str()),
            ("client_secret", secret),
        ];
        let request = scene.client.request(Method::POST, "/oauth2/token");
        scene.client.send(request.header(name, value).form(&form)).await
    };
    header("x-forwarded-for", "203.0.113.7", &account.client_secret).await.expect(200);
    // Whatever it says, and whoever else does so: failures of addresses that nobody knows are those of who is connected.
    for n in 0..5 {
        let name = ["x-forwarded-for", "forwarded"][n % 2];
        header(name, &format!("for=203.0.113.{n}"), &other.client_secret).await.expect(401);
    }
    let refused = header("x-forwarded-for", "198.51.100.7", &other.client_secret).await;
    assert_eq!(exceeded(refused).0, "address_failures");
    let asked =
        [("token", "noise"), ("client_id", &account.client_id), ("client_secret", &other.client_secret)];
    let request = scene.client.request(Method::POST, "/oauth2/introspect");
    let refused = scene.client.send(request.header("forwarded", "for=unknown").form(&asked)).await;
    assert_eq!(exceeded(refused).0, "address_failures", "at every endpoint that authenticates");
    scene.server.clock.push(Duration::from_secs(13));
    header("x-forwarded-for", "203.0.113.7", &account.client_secret).await.expect(200);
    // What is limited by it is not believed to be an address.
    let started = std::time::Instant::now();
    let used = loop {
        let shown = scene.get(&account.secret_path()).await.expect(200).json();
        if shown["last_used_at"] != Value::Null || started.elapsed() > Duration::from_secs(10) {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(used["last_used_at"].is_string() && used["last_used_address"].is_null(), "{used}");
}
