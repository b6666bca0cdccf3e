//! `carnet secrets` as operators type it, against a real server.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::scene::Scene;
use crate::support::stores::run_sql;

async fn carnet(scene: &Scene, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env_clear().arg("secrets").args(arguments).stdin(Stdio::null());
    command.env("CARNET_URL", &scene.client.url).env("CARNET_CLIENT_ID", &scene.admin.client_id);
    command.env("CARNET_CLIENT_SECRET", &scene.admin.client_secret);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it ran");
    ran.expect("the program is there")
}

/// What it printed and what it said beside, when it succeeded.
async fn run(scene: &Scene, arguments: &[&str]) -> (String, String) {
    let Output { status, stdout, stderr } = carnet(scene, arguments).await;
    let (printed, said) =
        (String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"));
    assert!(status.success(), "{arguments:?}: {said}");
    (printed, said)
}

/// What it complained of, when it did not.
async fn refused(scene: &Scene, arguments: &[&str]) -> String {
    let ran = carnet(scene, arguments).await;
    assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
    String::from_utf8(ran.stderr).expect("text")
}

fn member(printed: &str, name: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("{printed} does not say {name}")).to_owned()
}

#[tokio::test]
async fn a_secret_is_rotated_step_by_step_and_each_step_names_the_next() {
    let scene = Scene::with(&json!({ "usage_flush_seconds": 1 })).await;
    let account = scene.account("rotated").await;
    let (of, old) = (account.client_id.as_str(), account.credential_id());
    let alone = refused(&scene, &["retire", of, &old]).await;
    assert!(alone.contains("`carnet secrets rotate"), "{alone}");
    let (printed, said) = run(&scene, &["rotate", of]).await;
    let (new, secret) = (member(&printed, "credential_id"), member(&printed, "client_secret"));
    assert!(said.contains(&format!("carnet secrets retire {of} {old} --wait")), "{said}");
    scene.client.token(of, &secret, &[]).await.expect(200);
    scene.client.token(of, &account.client_secret, &[]).await.expect(200);
    let which = refused(&scene, &["rotate", of]).await;
    assert!(which.contains(&format!("`carnet secrets list {of}`")), "{which}");

    let used = refused(&scene, &["retire", of, &old]).await;
    assert!(used.contains("--wait") && used.contains("--now"), "{used}");
    let day = "UPDATE use_known_since SET at = at - interval '1 day';
        UPDATE client_secret SET created_at = created_at - interval '1 day';
        UPDATE credential_use SET last_used_at = last_used_at - interval '1 day'";
    // A wait of a minute from the last use, which goes on while the command waits.
    let waiting = ["retire", of, old.as_str(), "--unused-for", "60", "--wait"];
    let later = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        run_sql(&scene.database_url, day).await;
    };
    let ((printed, _), ()) = tokio::join!(run(&scene, &waiting), later);
    assert!(printed.contains(&format!("{old} is retired")), "{printed}");
    scene.client.token(of, &account.client_secret, &[]).await.expect(401);

    let (listed, _) = run(&scene, &["list", of]).await;
    let line = |id: &str| listed.lines().find(|line| line.contains(id)).expect("a line").to_owned();
    assert!(line(&old).contains("revoked") && line(&new).contains("valid"), "{listed}");
    assert!(line(&new).contains("127.0.0.1"), "{listed}");
    let json: Value =
        serde_json::from_str(&run(&scene, &["list", of, "--output", "json"]).await.0).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn now_takes_the_old_one_away_first_and_waits_for_the_proof() {
    let scene = Scene::new().await;
    let account = scene.account("leaked").await;
    let by_id = ["rotate", &account.id, "--tenant", &scene.tsg_id, "--now", "--output", "json"];
    let (printed, said) = run(&scene, &by_id).await;
    let made: Value = serde_json::from_str(&printed).expect("JSON");
    assert!(said.contains(&format!("{} is accepted nowhere", account.credential_id())), "{said}");
    scene.client.token(&account.client_id, &account.client_secret, &[]).await.expect(401);
    let path =
        format!("service-accounts/{}/secrets/{}", account.id, made["credential_id"].as_str().expect("an id"));
    scene.until_status(&path, "valid").await;
    let secret = made["client_secret"].as_str().expect("a secret");
    scene.client.token(&account.client_id, secret, &[]).await.expect(200);
    let new = made["credential_id"].as_str().expect("an id");
    let (printed, _) = run(&scene, &["retire", &account.client_id, new, "--now", "--output", "json"]).await;
    let receipt: Value = serde_json::from_str(&printed).expect("JSON");
    assert!(receipt["receipt"]["effective_everywhere_at"].is_string(), "{receipt}");
}

#[tokio::test]
async fn each_error_names_what_to_do_next() {
    let scene = Scene::new().await;
    let account = scene.account("known").await;
    let nobody = refused(&scene, &["list", &account.client_id.replace("known", "nobody")]).await;
    assert!(nobody.contains("check its client ID"), "{nobody}");
    let whose = refused(&scene, &["list", &account.id]).await;
    assert!(whose.contains("--tenant"), "{whose}");
    let unknown = refused(&scene, &["retire", &account.client_id, "0000000000000000"]).await;
    assert!(unknown.contains("`carnet secrets list"), "{unknown}");
}
