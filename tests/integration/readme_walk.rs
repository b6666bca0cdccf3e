//! The README's walk from a tenant to a token, as a newcomer would paste it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::support::scene::Scene;

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
const MARK: &str = "<!-- walk: this block is run by the tests -->\n```sh\n";
/// The longest that the walk may take; it waits for a key to turn valid.
const PATIENCE: Duration = Duration::from_mins(1);

fn walk() -> &'static str {
    let (_, from_here) = README.split_once(MARK).expect("README.md has the marked block");
    let (block, _) = from_here.split_once("\n```\n").expect("the block ends");
    block
}

/// Runs the block in this shell; what it printed, if all went well.
async fn run(scene: &Scene, shell: &[&str]) -> String {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", walk()]).stdin(Stdio::null()).kill_on_drop(true);
    command.envs([
        ("CARNET_URL", &scene.client.url),
        ("CARNET_TSG_ID", &scene.tsg_id),
        ("CARNET_CLIENT_ID", &scene.admin.client_id),
        ("CARNET_CLIENT_SECRET", &scene.admin.client_secret),
    ]);
    command.env("NO_PROXY", "*");
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.expect("the walk ends").expect("the shell is there");
    let (printed, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shell:?}: {}\n{printed}\n{complained}", output.status);
    assert_eq!(complained, "", "{shell:?}");
    printed.into_owned()
}

/// `sh` is what the block says that it is; `bash` with these flags forgives nothing.
#[tokio::test]
async fn the_walk_in_the_readme_ends_with_a_revoked_key_and_a_refused_token() {
    let scene = Scene::new().await;
    for shell in [&["bash", "-euo", "pipefail"][..], &["sh", "-eu"]] {
        let printed = run(&scene, shell).await;
        let (me, end) = printed.trim_end().rsplit_once("}\n").expect("who it was, and the end");
        assert_eq!(end, "revoked\n401", "{shell:?}");
        let me: Value = serde_json::from_str(&format!("{me}}}")).expect("JSON");
        assert_eq!(me["product"], "advanced_wildfire");
        let tsg_id = me["tsg_id"].as_str().expect("a tenant");
        assert_ne!(tsg_id, scene.tsg_id, "a tenant of its own");
        assert_eq!(me["client_id"], format!("billing-export@{tsg_id}.iam.carnet.local"));
    }
}
