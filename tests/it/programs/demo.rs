//! `sidgate demo`: what it prints works when it is pasted.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::eventually;
use crate::support::gate::process;
use crate::support::programs::{Running, have};

/// Runs a line as a shell would; what it printed.
fn paste(line: &str) -> String {
    let output = process::output(
        Command::new("sh").args(["-c", line]),
        Duration::from_secs(20),
    );
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_line_that_the_demo_prints_works_when_pasted() {
    if !have("curl", &["--version"]) {
        return;
    }
    let mut demo = Running::start(Command::new(env!("CARGO_BIN_EXE_sidgate")).args([
        "demo",
        "--port",
        "0",
        "--admin-port",
        "0",
    ]));
    let printed = eventually("the demo's introduction", Duration::from_secs(30), || {
        let lines = demo.stdout.all();
        lines
            .iter()
            .any(|line| line.contains("/v1/status"))
            .then_some(lines)
    });
    let commands: Vec<&str> = printed
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.starts_with("curl ") || line.starts_with("sed "))
        .collect();
    let curl: Vec<&str> = commands
        .iter()
        .copied()
        .filter(|line| line.starts_with("curl"))
        .collect();
    let sed = commands
        .iter()
        .find(|line| line.starts_with("sed"))
        .expect("a change to try");
    let [allowed, refused, anonymous, status] = curl.as_slice() else {
        panic!("{commands:?}");
    };
    assert!(paste(allowed).starts_with("HTTP/1.1 200"));
    let answer = paste(refused);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("required_scopes"), "{answer}");
    assert!(paste(anonymous).starts_with("HTTP/1.1 401"));
    paste(sed);
    eventually("the change is in force", Duration::from_secs(3), || {
        paste(refused).starts_with("HTTP/1.1 200").then_some(())
    });
    let answer: serde_json::Value = serde_json::from_str(&paste(status)).expect("JSON");
    assert!(answer["counts"]["tokens"].is_number(), "{answer}");

    let folder = printed
        .iter()
        .find_map(|line| line.trim().strip_prefix("files"))
        .and_then(|rest| rest.split_whitespace().next())
        .map(PathBuf::from)
        .expect("the folder is named");
    assert!(folder.is_dir());
    demo.signal(Signal::INT);
    assert_eq!(demo.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(!folder.exists(), "nothing is left behind");
}
