//! `carnet dev` as people type it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn carnet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    command.env("CARNET_LOG", "error").stdin(Stdio::null());
    command
}

fn exec(arguments: &[&str], command: &str) -> Output {
    carnet().arg("dev").args(arguments).args(["--exec", command]).output().expect("carnet runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn exec_passes_variables_in_and_the_exit_code_out() {
    let output = exec(&[], "env; exit 7");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let variables = stdout(&output);
    for name in [
        "CARNET_URL=http://127.0.0.1:",
        "CARNET_URLS=http://127.0.0.1:",
        "CARNET_TSG_ID=",
        "CARNET_CLIENT_ID=administrator@",
        "CARNET_CLIENT_SECRET=carnet_client_",
        "CARNET_DATABASE_URL=postgresql://",
        "CARNET_REDIS_URLS=unix:///",
    ] {
        assert!(variables.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
}

#[test]
fn the_demo_administrator_gets_a_token_with_the_line_that_is_printed() {
    let get = r#"curl -sf "$CARNET_URL/oauth2/token" -u "$CARNET_CLIENT_ID:$CARNET_CLIENT_SECRET" -d grant_type=client_credentials"#;
    let output = exec(&[], get);
    assert!(output.status.success());
    assert!(stdout(&output).contains("access_token"), "{}", stdout(&output));
}

#[test]
fn with_tls_there_is_a_listener_whose_authority_is_at_hand_and_it_is_the_issuer() {
    let get = r#"curl -sf --cacert "$CARNET_CA_FILE" "$CARNET_TLS_URL/.well-known/oauth-authorization-server" && echo && echo "$CARNET_TLS_URL""#;
    let output = exec(&["--tls"], get);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = stdout(&output);
    let (document, url) = printed.trim().rsplit_once('\n').expect("two lines");
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(document["issuer"], url.trim());
    assert!(url.starts_with("https://127.0.0.1:"));
}

/// `carnet dev` in a directory, up to the point where it says how to stop it.
struct Running {
    child: Child,
    said: String,
}

impl Running {
    fn start(directory: &Path) -> Self {
        let mut command = carnet();
        command.args(["dev", "--port", "0", "--data"]).arg(directory).stdout(Stdio::piped());
        Self::read(command.spawn().expect("carnet runs"))
    }

    fn read(mut child: Child) -> Self {
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
            let line = line.expect("a line");
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        Self { child, said }
    }

    fn line(&self, word: &str) -> &str {
        self.said
            .lines()
            .find(|line| line.contains(word))
            .unwrap_or_else(|| panic!("no {word}: {}", self.said))
    }

    fn end(mut self, signal: Signal) -> std::process::ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind either.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn processes_of(directory: &Path) -> usize {
    let name = directory.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
    processes.map(of).filter(|line| String::from_utf8_lossy(line).contains(&name)).count()
}

#[test]
fn a_second_start_shows_the_same_tenant_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Running::start(directory.path());
    let (tenant, secret) = (first.line("  tenant").to_owned(), first.line("  secret").to_owned());
    assert!(first.line("curl -s ").contains("/oauth2/token"));
    assert!(processes_of(directory.path()) >= 2, "itself and its Postgres");
    assert!(first.end(Signal::INT).success(), "Ctrl-C is a clean end");
    assert_eq!(processes_of(directory.path()), 0);

    let started = Instant::now();
    let second = Running::start(directory.path());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!((second.line("  tenant"), second.line("  secret")), (tenant.as_str(), secret.as_str()));

    // In use, and says so.
    let another =
        carnet().args(["dev", "--port", "0", "--data"]).arg(directory.path()).output().expect("runs");
    assert!(!another.status.success());
    assert!(String::from_utf8_lossy(&another.stderr).contains("is in use"), "{another:?}");

    // Another directory does not mind.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = Running::start(elsewhere.path());
    assert!(other.end(Signal::TERM).success());

    // A kill leaves nothing behind either.
    second.end(Signal::KILL);
    let killed = Instant::now();
    while processes_of(directory.path()) > 0 {
        assert!(killed.elapsed() < Duration::from_secs(10), "something is left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let output = carnet().args(["serve", "--config", "/nowhere.toml"]).output().expect("runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.toml"), "{output:?}");
    let output = carnet().arg("master-key").output().expect("runs");
    assert!(stdout(&output).starts_with("first:"));
    for (name, wrong) in [("CARNET_LOG", "carnet=loud"), ("CARNET_LOG_FORMAT", "xml")] {
        let output = carnet().env(name, wrong).arg("master-key").output().expect("runs");
        assert!(!output.status.success(), "{name}={wrong}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{name}={wrong}")), "{output:?}");
    }
}

#[test]
fn the_log_has_colours_only_on_a_terminal() {
    let mut command = carnet();
    command.env("CARNET_LOG", "carnet=info").args(["dev", "--exec", "true"]);
    let told = String::from_utf8_lossy(&command.output().expect("runs").stderr).into_owned();
    assert!(told.contains("INFO"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn two_first_starts_at_once_in_different_directories_do_not_collide() {
    let directories = [tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two")];
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let children = directories.each_ref().map(|directory| {
        let mut command = carnet();
        command.args(["dev", "--port", &port.to_string(), "--data"]).arg(directory.path());
        std::thread::spawn(move || {
            Running::read(command.stdout(Stdio::piped()).spawn().expect("carnet runs"))
        })
    });
    let running = children.map(|child| child.join().expect("it is ready"));
    let urls = running.each_ref().map(|r| r.line("Carnet is ready at").to_owned());
    assert_ne!(urls[0], urls[1]);
    for one in running {
        assert!(one.end(Signal::INT).success());
    }
}

#[test]
fn a_demo_tenant_whose_database_is_gone_is_made_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Running::start(directory.path());
    let tenant = first.line("  tenant").to_owned();
    assert!(first.end(Signal::INT).success());
    std::fs::remove_dir_all(directory.path().join("postgres")).expect("the cluster");
    let second = Running::start(directory.path());
    assert_ne!(second.line("  tenant"), tenant);
    assert!(second.end(Signal::INT).success());
}

#[test]
fn with_regions_each_has_a_redis_and_a_server_and_the_tokens_of_one_are_good_at_all() {
    let walk = r#"
        set -e
        echo "urls $CARNET_URLS"
        echo "caches $CARNET_REDIS_URLS"
        [ "$CARNET_URL" = "${CARNET_URLS%% *}" ]
        for url in $CARNET_URLS; do
            token=$(curl -sf "$url/oauth2/token" -u "$CARNET_CLIENT_ID:$CARNET_CLIENT_SECRET" \
                -d grant_type=client_credentials | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
            curl -sf "$url/.well-known/oauth-authorization-server" | sed 's/.*"issuer":"\([^"]*\)".*/issuer \1/'; echo
            for other in $CARNET_URLS; do
                curl -sf "$other/v1/whoami" -H "Authorization: Bearer $token" > /dev/null && echo good
            done
        done
    "#;
    let output = exec(&["--regions", "3"], walk);
    assert!(output.status.success(), "{} {}", stdout(&output), String::from_utf8_lossy(&output.stderr));
    let said = stdout(&output);
    let words = |name: &str| -> Vec<String> {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let urls = words("urls ");
    assert_eq!((urls.len(), words("caches ").len()), (3, 3), "{said}");
    assert_eq!(said.lines().filter(|line| *line == "good").count(), 9, "{said}");
    let issuers: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("issuer ")).collect();
    assert_eq!(issuers, [urls[0].as_str(); 3]);
}

#[test]
fn as_many_regions_as_there_may_be_and_no_more() {
    let output = carnet().args(["dev", "--regions", "0"]).output().expect("runs");
    assert!(!output.status.success());
    let output = exec(&["--regions", "16"], "echo $CARNET_URLS | wc -w");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout(&output).trim(), "16");
    let output = carnet().args(["dev", "--regions", "17"]).output().expect("runs");
    assert!(!output.status.success());
}

#[test]
fn the_number_of_regions_may_be_another_at_the_next_start() {
    let directory = tempfile::tempdir().expect("a directory");
    for regions in ["1", "2", "1"] {
        let mut command = carnet();
        command.args(["dev", "--port", "0", "--regions", regions, "--data"]).arg(directory.path());
        let running = Running::read(command.stdout(Stdio::piped()).spawn().expect("carnet runs"));
        let url = running.line("Carnet is ready at");
        assert!(url.contains("http://127.0.0.1:"), "{}", running.said);
        assert_eq!(running.said.contains("  regions  "), regions == "2", "{}", running.said);
        assert!(running.end(Signal::INT).success());
    }
}
