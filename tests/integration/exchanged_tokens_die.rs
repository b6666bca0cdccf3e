//! An exchanged token dies with everything that is behind it, at once and everywhere; and what is dead cannot be exchanged.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::exchange::{exchange, let_act, pair};
use crate::support::read_token::read_token;
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::OwnStores;

/// A subject, two who act for it in turn, and a second instance.
struct Stage {
    scene: Scene,
    _instance: Server,
    other: Client,
    subject: Account,
    first: Account,
    second: Account,
    /// The subject's own, and those with which one and two act.
    tokens: [String; 3],
}

impl Stage {
    async fn new() -> Self {
        let scene = Scene::new().await;
        // Both are of one issuer.
        let instance = scene.another_instance(&json!({ "issuer": scene.client.url })).await;
        let other = Client::new(&instance.url);
        let (subject, first) = (scene.account("subject").await, scene.account("first").await);
        let second = scene.account("second").await;
        let_act(&scene, &subject, &[&first, &second]).await.expect(200);
        let own = scene.token_of(&subject, &[]).await;
        let acted = exchange(&scene.client, &first, &own, &[]).await.expect(200).text("access_token");
        let chained = exchange(&other, &second, &acted, &[]).await.expect(200).text("access_token");
        let stage =
            Self { scene, _instance: instance, other, subject, first, second, tokens: [own, acted, chained] };
        assert_eq!(stage.alive().await, [true; 3], "before");
        stage
    }

    /// Which of the tokens are honoured; by both instances alike.
    async fn alive(&self) -> [bool; 3] {
        let mut alive = [true; 3];
        for (token, alive) in self.tokens.iter().zip(&mut alive) {
            let (one, two) = (self.scene.client.whoami(token).await, self.other.whoami(token).await);
            assert_eq!(one.status, two.status);
            assert!([200, 401].contains(&one.status), "{}", one.status);
            *alive = one.status == 200;
        }
        alive
    }

    async fn change(&self, account: &Account, change: Value) -> Answer {
        let path = format!("service-accounts/{}", account.id);
        self.scene.send(Method::PATCH, &path, &[("if-match", "*")], Some(&change)).await
    }
}

fn assert_everywhere(answer: &Answer) {
    assert!(answer.json()["receipt"]["effective_everywhere_at"].is_string(), "{}", answer.json());
}

#[tokio::test]
async fn with_the_subject_s_secret() {
    let stage = Stage::new().await;
    let gone = stage.scene.send(Method::DELETE, &stage.subject.secret_path(), &[], None).await.expect(200);
    assert_everywhere(&gone);
    assert_eq!(stage.alive().await, [false; 3]);
}

#[tokio::test]
async fn with_the_subject_s_account() {
    let stage = Stage::new().await;
    assert_everywhere(&stage.change(&stage.subject, json!({ "enabled": false })).await.expect(200));
    assert_eq!(stage.alive().await, [false; 3]);
    stage.change(&stage.subject, json!({ "enabled": true })).await.expect(200);
    assert_eq!(stage.alive().await, [true; 3], "as the subject's own");
}

#[tokio::test]
async fn with_any_actor_s_secret_and_nobody_else_s_do() {
    let stage = Stage::new().await;
    let gone = stage.scene.send(Method::DELETE, &stage.second.secret_path(), &[], None).await.expect(200);
    assert_everywhere(&gone);
    assert_eq!(stage.alive().await, [true, true, false]);
    let gone = stage.scene.send(Method::DELETE, &stage.first.secret_path(), &[], None).await.expect(200);
    assert_everywhere(&gone);
    assert_eq!(stage.alive().await, [true, false, false]);
}

#[tokio::test]
async fn with_any_actor_s_account() {
    let stage = Stage::new().await;
    assert_everywhere(&stage.change(&stage.first, json!({ "enabled": false })).await.expect(200));
    assert_eq!(stage.alive().await, [true, false, false]);
    let path = format!("service-accounts/{}", stage.second.id);
    stage.scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    stage.change(&stage.first, json!({ "enabled": true })).await.expect(200);
    assert_eq!(stage.alive().await, [true, true, false]);
}

#[tokio::test]
async fn with_the_permission_to_act() {
    let stage = Stage::new().await;
    let fewer = let_act(&stage.scene, &stage.subject, &[&stage.first]).await.expect(200);
    assert_everywhere(&fewer);
    assert_eq!(stage.alive().await, [true, true, false]);
    let nobody = let_act(&stage.scene, &stage.subject, &[]).await.expect(200);
    assert_everywhere(&nobody);
    assert_eq!(stage.alive().await, [true, false, false]);
    let again = let_act(&stage.scene, &stage.subject, &[]).await.expect(200);
    assert_eq!(again.json(), nobody.json(), "who asks again waits for the same");
}

#[tokio::test]
async fn what_was_taken_away_a_moment_ago_is_not_exchanged() {
    let stage = Stage::new().await;
    let [own, acted, _] = &stage.tokens;
    let ask = async |by: &Account, token: &str| {
        let one = exchange(&stage.scene.client, by, token, &[]).await;
        let two = exchange(&stage.other, by, token, &[]).await;
        assert_eq!(one.status, two.status);
        one
    };
    ask(&stage.first, own).await.expect(200);
    ask(&stage.second, acted).await.expect(200);
    stage.scene.send(Method::DELETE, &stage.first.secret_path(), &[], None).await.expect(200);
    assert_refused(&ask(&stage.second, acted).await, 400, "invalid_request", "of an actor that is gone");
    assert_refused(&ask(&stage.first, own).await, 401, "invalid_client", "by an actor that is gone");
    ask(&stage.second, own).await.expect(200);
    stage.scene.send(Method::DELETE, &stage.subject.secret_path(), &[], None).await.expect(200);
    assert_refused(&ask(&stage.second, own).await, 400, "invalid_request", "of a subject that is gone");
    // Twin: by its signature and its times alone it is as good as before.
    read_token(&stage.scene.client, own, &stage.scene.client.url).await;
}

/// What is known is exchanged for as long as a lease lasts; what would be held against a client is not said without the authority.
#[tokio::test]
async fn an_outage_is_a_503_and_never_the_client_s_fault() {
    let own = OwnStores::start(1);
    let redis_url = own.stores.redis_urls()[0].clone();
    let scene = Scene::on(own.migrated().await, redis_url, &json!({ "lease_seconds": 3 })).await;
    let (subject, actor) = pair(&scene).await;
    let stranger = scene.account("stranger").await;
    let token = scene.token_of(&subject, &[]).await;
    let ask = async |by: &Account| exchange(&scene.client, by, &token, &[]).await;
    ask(&actor).await.expect(200);
    assert_refused(&ask(&stranger).await, 400, "invalid_request", "a stranger");

    own.stores.stop_postgres();
    ask(&actor).await.expect(200);
    assert_refused(
        &ask(&stranger).await,
        503,
        "temporarily_unavailable",
        "who may have been named meanwhile",
    );
    tokio::time::sleep(Duration::from_secs(4)).await;
    let late = ask(&actor).await;
    assert_refused(&late, 503, "temporarily_unavailable", "beyond the lease");
    assert!(!late.header("retry-after").is_empty());
    own.stores.start_postgres().expect("Postgres starts again");
    scene.token_of(&actor, &[]).await;
    assert_refused(&ask(&stranger).await, 400, "invalid_request", "a stranger");
}
