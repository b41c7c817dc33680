//! A gRPC client and server, both grpcio, through the gate.

use std::process::Command;
use std::time::Duration;

use crate::support::fixture::CATALOG;
use crate::support::gate::process;
use crate::support::programs::{Running, python_with};
use crate::support::{ALICE, BOB, Gate, Who, eventually};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/programs/grpc_echo.py"
);

/// What the client prints for the calls of its script.
fn call(python: &str, gate: &Gate, who: &Who) -> String {
    let output = process::output(
        Command::new(python).env("PYTHONUTF8", "1").args([
            SCRIPT,
            "client",
            &gate.address().to_string(),
            &who.basic(),
        ]),
        Duration::from_secs(60),
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn unary_and_streaming_calls_run_through_the_gate() {
    let Some(python) = python_with("grpc") else {
        return;
    };
    let server = Running::start(Command::new(&python).args([SCRIPT, "server"]));
    let port = eventually("the server's port", Duration::from_secs(30), || {
        server.stdout.all().first()?.trim().parse::<u16>().ok()
    });
    let catalog = CATALOG.replace("* /any\"", "* /any\", \"POST /demo.Echo/{method}\"");
    let gate = Gate::builder()
        .server(format!("http://127.0.0.1:{port}"))
        .upstream("protocol = \"http2\"")
        .catalog(catalog)
        .start();
    assert_eq!(
        call(&python, &gate, &ALICE).lines().collect::<Vec<_>>(),
        [
            "unary: hello for alice",
            "large: 1000000",
            "server stream: 0 1 2 3 4",
            "client stream: abc",
            "both: A B C",
            "failure: NOT_FOUND no such thing",
        ]
    );
    let refused = call(&python, &gate, &BOB);
    assert!(
        refused.starts_with("refused: PERMISSION_DENIED"),
        "{refused}"
    );
    let nobody = Who {
        sid: "alice",
        secret: "wrong",
    };
    let refused = call(&python, &gate, &nobody);
    assert!(refused.starts_with("refused: UNAUTHENTICATED"), "{refused}");
}
