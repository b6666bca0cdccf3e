//! `carnet regions` as operators type it, against a real server.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::scene::{Account, Scene};
use crate::support::server::Server;
use crate::support::stores::{OwnStores, config, sql_value};

/// The command, as this account at this server, and without any variable of ours.
fn carnet(url: &str, account: &Account, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env_clear().arg("regions").args(arguments).stdin(Stdio::null());
    command.env("CARNET_URL", url).env("CARNET_CLIENT_ID", &account.client_id);
    command.env("CARNET_CLIENT_SECRET", &account.client_secret);
    command
}

async fn output(mut command: Command) -> Output {
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it ran");
    ran.expect("the program is there")
}

/// What it printed, when it succeeded.
async fn run(scene: &Scene, arguments: &[&str]) -> String {
    let ran = output(carnet(&scene.client.url, &scene.admin, arguments)).await;
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// What it complained of, when it did not.
async fn failed(command: Command) -> String {
    let ran = output(command).await;
    assert!(!ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
    String::from_utf8(ran.stderr).expect("text")
}

async fn refused(scene: &Scene, arguments: &[&str]) -> String {
    failed(carnet(&scene.client.url, &scene.admin, arguments)).await
}

async fn second_region(scene: &Scene, redis_url: &str) -> Server {
    let settings = json!({ "region": "eu", "lease_seconds": 2, "quarantine_seconds": 3 });
    Server::start(config(&scene.database_url, redis_url, &settings)).await
}

#[tokio::test]
async fn a_region_is_drained_comes_back_and_is_removed() {
    let own = OwnStores::start(1);
    let scene = Scene::new().await;
    let eu = second_region(&scene, &own.stores.redis_urls()[0]).await;
    let state = "SELECT state FROM region WHERE region = 'eu'";

    run(&scene, &["drain", "eu"]).await;
    assert_eq!(sql_value(&scene.database_url, state).await.as_deref(), Some("draining"));
    let back: Value =
        serde_json::from_str(&run(&scene, &["rejoin", "eu", "--wait", "--output", "json"]).await)
            .expect("JSON");
    assert_eq!((&back["region"], &back["state"]), (&json!("eu"), &json!("required")));
    assert_eq!(back["warmed"], back["total"]);

    let listed = run(&scene, &[]).await;
    // A lease may have been renewed in between.
    let but_leases = |table: &str| -> Vec<String> {
        table.lines().map(|line| line.rsplit_once("  ").map_or(line, |(head, _)| head).to_owned()).collect()
    };
    assert_eq!(but_leases(&listed), but_leases(&run(&scene, &["list"]).await));
    assert!(!listed.contains('\u{1b}'), "no colours where nobody sees them");
    let line = listed.lines().find(|line| line.trim_start().starts_with("eu ")).expect("a line");
    assert!(line.contains("required") && line.contains("100 %"), "{listed}");
    let all: Value = serde_json::from_str(&run(&scene, &["--output", "json"]).await).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let one = run(&scene, &["show", "eu"]).await;
    let instance = all[0]["instances"][0]["instance"].as_str().expect("an instance");
    assert!(one.contains(instance), "{one}");

    let used = refused(&scene, &["remove", "eu"]).await;
    assert!(used.contains("alive") && used.contains("`carnet regions drain eu --wait`"), "{used}");
    let waiting = carnet(&scene.client.url, &scene.admin, &["drain", "eu", "--wait"]);
    let waiting = tokio::spawn(output(waiting));
    while sql_value(&scene.database_url, state).await.as_deref() != Some("draining") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!waiting.is_finished(), "its instance is alive");
    tokio::task::spawn_blocking(move || drop(eu)).await.expect("it stops");
    let gone =
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("it ran");
    assert!(gone.status.success(), "{}", String::from_utf8_lossy(&gone.stderr));
    assert!(String::from_utf8_lossy(&gone.stdout).contains("No instance of it is alive."));
    assert_eq!(run(&scene, &["remove", "eu"]).await, "eu is removed\n");
    assert_eq!(sql_value(&scene.database_url, state).await, None);
}

#[tokio::test]
async fn each_error_names_what_to_do_next() {
    let scene = Scene::new().await;
    let unknown = refused(&scene, &["show", "nowhere"]).await;
    assert!(unknown.contains("`carnet regions list`"), "{unknown}");
    for odd in ["", "a/b", "..", "EU", "ü"] {
        assert!(refused(&scene, &["show", odd]).await.contains("`carnet regions list`"), "{odd}");
    }
    let last = refused(&scene, &["drain", "local"]).await;
    assert!(last.contains("last region") && last.contains("`carnet regions list`"), "{last}");
    let not_draining = refused(&scene, &["rejoin", "local"]).await;
    assert!(not_draining.contains("`carnet regions show local`"), "{not_draining}");

    let url = &scene.client.url;
    let without = async |variable: &str| {
        let mut command = carnet(url, &scene.admin, &[]);
        command.env_remove(variable);
        failed(command).await
    };
    assert!(without("CARNET_URL").await.contains("--url"));
    for variable in ["CARNET_CLIENT_ID", "CARNET_CLIENT_SECRET"] {
        let said = without(variable).await;
        assert!(said.contains(variable) && said.contains("`carnet bootstrap`"), "{said}");
    }
    let mut wrong = scene.admin.clone();
    wrong.client_secret.push('x');
    let said = failed(carnet(url, &wrong, &[])).await;
    assert!(said.contains("CARNET_CLIENT_SECRET") && !said.contains(&wrong.client_secret), "{said}");
    let nowhere = failed(carnet("http://127.0.0.1:9", &scene.admin, &[])).await;
    assert!(nowhere.contains("cannot be reached") && nowhere.contains("refused"), "{nowhere}");
    let health = failed(carnet(&scene.server.health_url, &scene.admin, &[])).await;
    assert!(health.contains("is no Carnet"), "{health}");
    let lesser = scene.holder("lesser", &["iam.api_key"], json!("all")).await;
    scene.token_of(&lesser, &[]).await;
    let denied = failed(carnet(url, &lesser, &[])).await;
    assert!(denied.contains("iam.region"), "{denied}");
}

#[tokio::test]
async fn an_account_with_a_key_of_a_product_is_an_operator_all_the_same() {
    let scene = Scene::new().await;
    let permissions = ["iam.service_account", "iam.custom_role", "iam.region"];
    let account = scene.holder("both", &permissions, json!("all")).await;
    let id = scene.key("advanced_wildfire", &account).await;
    scene.until(&id, "valid").await;
    let ran = output(carnet(&scene.client.url, &account, &["list"])).await;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn over_tls_with_an_authority_of_ones_own() {
    let carnet = env!("CARGO_BIN_EXE_carnet");
    let list = format!(r#"'{carnet}' regions --url "$CARNET_TLS_URL" && '{carnet}' regions"#);
    let mut command = Command::new(carnet);
    command.env("CARNET_LOG", "error").args(["dev", "--tls", "--regions", "2", "--exec", &list]);
    let ran = command.stdin(Stdio::null()).output().expect("carnet runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said} {}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(said.matches("region-2").count(), 2, "{said}");
}
