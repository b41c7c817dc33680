//! A WebSocket client and server of Python's `websockets`, through the gate.

use std::process::Command;
use std::time::Duration;

use crate::support::gate::process;
use crate::support::programs::{Running, python_with};
use crate::support::{ALICE, BOB, Gate, Who, eventually};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/programs/websocket_echo.py"
);

#[test]
fn messages_run_through_the_gate() {
    let Some(python) = python_with("websockets") else {
        return;
    };
    let server = Running::start(Command::new(&python).args([SCRIPT, "server"]));
    let port = eventually("the server's port", Duration::from_secs(30), || {
        server.stdout.all().first()?.trim().parse::<u16>().ok()
    });
    let gate = Gate::builder()
        .server(format!("http://127.0.0.1:{port}"))
        .start();
    let talk = |who: &Who| {
        let url = format!("ws://{}/ws/lobby", gate.address());
        let output = process::output(
            Command::new(&python).env("PYTHONUTF8", "1").args([
                SCRIPT,
                "client",
                &url,
                &who.basic(),
            ]),
            Duration::from_secs(60),
        );
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        talk(&ALICE).lines().collect::<Vec<_>>(),
        [
            "text: zażółć for alice",
            "binary: 16000000",
            "ping: answered",
            "closed: 1000"
        ]
    );
    assert_eq!(talk(&BOB).trim(), "refused: 403");
}
