//! The command of `carnet dev --exec`: runs beside the server in this process, and its exit code becomes ours.

use std::io::IsTerminal;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::child::{not_started, on_parent_thread, outlived_by_us};
use super::error::DevError;

/// How long the command may take to stop when asked; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A shell command that has our terminal, our environment and some variables more.
///
/// On a terminal it shares our process group, so that Ctrl-C reaches it and all that it started, as from any shell.
/// Without one it gets a group of its own, so that [`Self::stop`] reaches all that it started. It is killed when this
/// process ends or the value is dropped; its own children then see what any orphan sees.
#[derive(Debug)]
pub struct Foreground {
    child: Child,
    own_group: bool,
}

impl Foreground {
    /// Starts `sh -c command` with `variables` added to our environment. Call it inside a Tokio runtime.
    ///
    /// # Errors
    /// When `setpriv` cannot be started. That the shell cannot find the command is its exit code 127.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(command: &str, variables: &[(&str, String)]) -> Result<Self, DevError> {
        Self::start_in(command, variables, !std::io::stdin().is_terminal())
    }

    fn start_in(command: &str, variables: &[(&str, String)], own_group: bool) -> Result<Self, DevError> {
        let mut shell = Command::from(outlived_by_us(Signal::KILL));
        shell.args(["--", "sh", "-c", command]).envs(variables.iter().map(|(name, value)| (name, value)));
        shell.kill_on_drop(true);
        if own_group {
            shell.process_group(0);
        }
        let runtime = Handle::current();
        let child = on_parent_thread(move || {
            let _inside = runtime.enter();
            shell.spawn()
        });
        Ok(Self { child: child.map_err(not_started)?, own_group })
    }

    /// Waits for the command to end: its exit code, or 128 and the number of the signal that ended it. It may be
    /// called again after the future was dropped.
    ///
    /// # Errors
    /// When the operating system does not say how it ended.
    pub async fn wait(&mut self) -> Result<u8, DevError> {
        let status = self.child.wait().await;
        status
            .map(exit_code)
            .map_err(|source| DevError::Io { what: "wait for the command".to_owned(), source })
    }

    /// Asks the command to stop with SIGTERM, kills it if it has not after ten seconds, and waits for its end.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn stop(&mut self) -> Result<u8, DevError> {
        self.signal(Signal::TERM);
        if let Ok(code) = timeout(STOP_LIMIT, self.wait()).await {
            return code;
        }
        self.signal(Signal::KILL);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let Some(pid) = pid else { return };
        let _ = if self.own_group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
    }
}

/// What a shell makes of the same status in `$?`.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;

    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tempfile::TempDir;

    use super::super::tests::{processes_in, wait_until};
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_command_gets_its_variables_and_its_exit_code_is_passed_on() {
        runtime().block_on(async {
            let variables = [("CARNET_URL", "http://localhost:1".to_owned())];
            let run = |command: &'static str| {
                let mut command = Foreground::start(command, &variables).unwrap();
                async move { command.wait().await.unwrap() }
            };
            assert_eq!(run("test \"$CARNET_URL\" = http://localhost:1 && exit 7").await, 7);
            assert_eq!(run("true").await, 0);
            assert_eq!(run("kill -TERM $$").await, 128 + 15);
            assert_eq!(run("no-such-program-anywhere 2>/dev/null").await, 127);
        });
    }

    #[test]
    fn a_command_runs_beside_other_tasks_and_is_stopped_with_all_that_it_started() {
        let dir = TempDir::new().unwrap();
        let mark = dir.path().join("mark");
        runtime().block_on(async {
            let line = format!("sh -c 'cd {} && touch mark && sleep 60'; exit 0", dir.path().display());
            let mut command = Foreground::start_in(&line, &[], true).unwrap();
            let other = async {
                while !mark.exists() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = command.wait() => panic!("it ended early"),
                () = other => {}
            }
            assert!(!processes_in(&[dir.path().to_path_buf()]).is_empty());
            let began = Instant::now();
            assert_eq!(command.stop().await.unwrap(), 128 + 15);
            assert!(began.elapsed() < Duration::from_secs(5));
        });
        wait_until("its child ends", Duration::from_secs(2), || {
            processes_in(&[dir.path().to_path_buf()]).is_empty()
        });
    }

    #[test]
    fn a_command_dropped_is_a_command_killed() {
        let dir = TempDir::new().unwrap();
        runtime().block_on(async {
            let line = format!("cd {} && touch mark && exec sleep 60", dir.path().display());
            let command = Foreground::start_in(&line, &[], true).unwrap();
            while !dir.path().join("mark").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(command);
        });
        wait_until("it ends", Duration::from_secs(2), || {
            processes_in(&[dir.path().to_path_buf()]).is_empty()
        });
    }
}
