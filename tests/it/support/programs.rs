//! Programs that a test needs and a machine may lack.

use std::env;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::gate::{Lines, process};

/// Says that a test did not run. Under CI that is a failure.
#[track_caller]
pub(crate) fn skip(what: &str) {
    assert!(
        env::var_os("CI").is_none(),
        "{what} is missing, and under CI nothing may be skipped"
    );
    eprintln!("SKIPPED: {what} is missing");
}

/// Whether the command can be run and is content; otherwise the test is skipped.
#[track_caller]
pub(crate) fn have(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        skip(&format!("`{program} {}`", arguments.join(" ")));
    }
    found
}

/// curl with HTTP/2.
#[track_caller]
pub(crate) fn have_curl_http2() -> bool {
    let found = Command::new("curl")
        .arg("--version")
        .output()
        .is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("HTTP2"));
    if !found {
        skip("curl with HTTP/2");
    }
    found
}

/// A Python that can import `module`: the one that `SIDGATE_PYTHON` names, else `python3`.
#[track_caller]
pub(crate) fn python_with(module: &str) -> Option<String> {
    let python = env::var("SIDGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    have(&python, &["-c", &format!("import {module}")]).then_some(python)
}

/// A program in the background. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command.stdin(Stdio::null()))
    }

    /// With the standard input that the command has.
    #[track_caller]
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Lines::of(child.stdout.take().expect("stdout is piped")),
            stderr: Lines::of(child.stderr.take().expect("stderr is piped")),
            child,
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        process::signal(&self.child, signal);
    }

    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        process::wait(&mut self.child, within)
            .unwrap_or_else(|| panic!("it still runs after {within:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the program's standard error\n{}", self.stderr.text());
        }
        process::end(&mut self.child);
    }
}
