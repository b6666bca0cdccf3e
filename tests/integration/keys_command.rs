//! `carnet keys` as operators type it, against a real server.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::scene::{Account, Scene};

async fn carnet(scene: &Scene, account: &Account, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env_clear().arg("keys").args(arguments).stdin(Stdio::null());
    command.env("CARNET_URL", &scene.client.url).env("CARNET_CLIENT_ID", &account.client_id);
    command.env("CARNET_CLIENT_SECRET", &account.client_secret);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it ran");
    ran.expect("the program is there")
}

/// What it printed, when it succeeded.
async fn run(scene: &Scene, arguments: &[&str]) -> String {
    let ran = carnet(scene, &scene.admin, arguments).await;
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// What it complained of, when it did not.
async fn refused(scene: &Scene, account: &Account, arguments: &[&str]) -> String {
    let ran = carnet(scene, account, arguments).await;
    assert!(!ran.status.success() && ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
    String::from_utf8(ran.stderr).expect("text")
}

#[tokio::test]
async fn a_key_is_made_promoted_in_time_and_revoked() {
    let scene = Scene::new().await;
    let old = scene.signer("RS256").await;
    let made: Value =
        serde_json::from_str(&run(&scene, &["new", "RS256", "--output", "json"]).await).expect("JSON");
    let kid = made["kid"].as_str().expect("a kid").to_owned();
    let twice = refused(&scene, &scene.admin, &["new", "RS256"]).await;
    assert!(twice.contains("published already") && twice.contains("`carnet keys list`"), "{twice}");
    scene.until_key(&kid, "everywhere_at", Value::Null).await;
    let early = refused(&scene, &scene.admin, &["promote", &kid]).await;
    assert!(early.contains("it can sign from 20") && early.contains("`carnet keys revoke"), "{early}");
    let listed = run(&scene, &[]).await;
    assert_eq!(listed.lines().count(), 5, "{listed}");
    let line = listed.lines().find(|line| line.contains(&kid)).expect("a line");
    assert!(line.contains("RS256") && line.contains("published") && line.ends_with("test"), "{line}");

    // The token that the command began with is refused in the middle of it.
    let revoked: Value = serde_json::from_str(
        &run(&scene, &["revoke", &old, "--reason", "a backup was stolen", "--output", "json"]).await,
    )
    .expect("JSON");
    assert_eq!(
        (&revoked["state"], &revoked["revoke_reason"]),
        (&json!("revoked"), &json!("a backup was stolen"))
    );
    assert!(revoked["everywhere_at"].is_string(), "{revoked}");
    scene.time_passes(&kid, 600).await;
    scene.until_key(&kid, "state", json!("signing")).await;
    assert!(run(&scene, &["promote", &kid]).await.contains("signing"));
    let masters = run(&scene, &["master"]).await;
    assert!(masters.contains("test") && masters.contains("current"), "{masters}");
}

#[tokio::test]
async fn each_error_names_what_to_do_next() {
    let scene = Scene::new().await;
    let unknown = refused(&scene, &scene.admin, &["promote", "nonsense"]).await;
    assert!(unknown.contains("`carnet keys list`"), "{unknown}");
    let nobody = scene.account("nobody").await;
    scene.token_of(&nobody, &[]).await;
    let denied = refused(&scene, &nobody, &[]).await;
    assert!(denied.contains("iam.signing_key"), "{denied}");
    let none = refused(&scene, &scene.admin, &["new", "none"]).await;
    assert!(none.contains("RS256"), "{none}");
    let why = refused(&scene, &scene.admin, &["revoke", "x"]).await;
    assert!(why.contains("--reason"), "{why}");
}
