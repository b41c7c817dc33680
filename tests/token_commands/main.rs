//! The commands that speak to the admin API, as a user or a script runs them: what they
//! send, what they print and where, and their exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod changes;
mod gate;
mod life;
mod offline;
mod reads;
mod scripted;

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const OPERATOR: &str = "ops";
const SECRET: &str = "abc";
/// SHA-256 of the secret.
const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// The operator's name and secret in HTTP Basic.
const CREDENTIALS: &str = "Basic b3BzOmFiYw==";

/// What a command came to.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// The program, for an operator whose secret is in the environment.
fn sidgate(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidgate"));
    command
        .args(arguments)
        .env_clear()
        .env("SIDGATE_ADMIN_URL", url)
        .env("SIDGATE_OPERATOR", OPERATOR)
        .env("SIDGATE_OPERATOR_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(url: &str, arguments: &[&str]) -> Ran {
    sidgate(url, arguments).output().unwrap().into()
}

/// Runs a command that reads this from standard input.
fn run_with_input(mut command: Command, input: &str) -> Ran {
    let mut child: Child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing has closed its end already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    fn failed(&self, said: &str) {
        assert_eq!((self.code, &*self.out), (Some(1), ""), "{self:?}");
        assert!(self.err.contains(said), "{said:?} in {self:?}");
        assert!(!self.err.contains("b3BzOmFiYw"), "the secret in {self:?}");
    }
}
